// How a fault ended, and what each variant owes. Owns the rows of one run's table, which is printed
// when the program ends and kept as a file for docs. Main thread only.
#pragma once

#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cstddef>
#include <string>

namespace conformance {

// From best to worst; a requirement is met by anything at least as good.
enum class When {
  kAtOnce, // the very call ended the program, or the memory could not be touched, or the misuse was
           // made harmless
  kNextBatch, // named later, at the latest when the batch with the block left the cache
  kNot,       // nothing was said
};

// What each variant must do. `fast` and `observe`: fast owes nothing, observe owes what standard
// owes.
struct Owes {
  When standard;
  When hardened;
  When now() const;
};

constexpr Owes kInvalidFree = {When::kAtOnce, When::kAtOnce};
constexpr Owes kDoubleFree = {When::kNextBatch, When::kAtOnce};
constexpr Owes kHardenedOnly = {When::kNot, When::kAtOnce};

struct Expectation {
  std::string name;     // of the fault, for the table
  size_t size;          // of the block
  std::string fault;    // regular expression for the word of the message
  std::string function; // regular expression for the public function called
  Owes owes;
  bool stop_is_enough = false; // a SIGSEGV at the access itself counts as named at once
};

// What the child said about itself: one line each, `about 0x...`, `thread N`, `committed`,
// `prevented`.
struct Account {
  std::string about;         // the address that the message must name; empty: any
  std::string thread;        // the id that the message must name; empty: any
  bool committed = false;    // the faulty call returned
  bool prevented = false;    // the program found that the misuse did no harm
  bool inapplicable = false; // there was nothing to commit for this size
};
Account read_account(const std::string &lines);

// Judges one child, adds a row to the table and fails the running test when the subject owes more.
// `said` is where the child's account stands: its notes, or its stdout.
void judge(const Expectation &expected, const ChildEnd &end, const std::string &said);

// What was measured for this fault so far, as docs/faults.md has it: one word where all sizes
// agree.
std::string measured_words(const std::string &name);

// The cell of docs/faults.md for this fault in a column of the generation's table; empty: there is
// none.
std::string words_on_page(const std::string &page, const std::string &generation,
                          const std::string &variant, const std::string &name);

} // namespace conformance
