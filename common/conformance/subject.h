// Who is under test. Owns the command line of every conformance program: which generation and
// variant, whether the program runs itself under LD_PRELOAD, and where its helper files lie. Knows
// nothing about any generation but its name. Read-only after subject_init(), so any thread may ask.
#pragma once

#include <string>
#include <vector>

namespace conformance {

enum class Variant { kStandard, kFast, kObserve, kHardened, kDebug };

struct Subject {
  std::string generation = "glibc"; // the first word of every fault message
  Variant variant = Variant::kStandard;
  std::string preload;            // this program runs under it; empty when linked or glibc
  std::string so;                 // child programs run under it; empty for glibc
  std::vector<std::string> files; // helper files, absolute paths
  std::string page;               // docs/faults.md, where it is to be held to
  bool linked = false;            // the allocator is part of this executable
  bool brief = false;             // a shorter run of the long tests
  std::string self;               // absolute path of this program
};

// Effect: reads and removes our arguments (--generation=, --variant=, --preload=, --so=, --page=,
// --linked, FILES); with
// --preload starts the same program again under that library. Ends the program with one sentence on
// bad arguments.
void subject_init(int *argc, char **argv);

const Subject &subject();

// True when the subject is one of this tree's generations, false for a reference such as glibc.
bool subject_is_ours();

const char *variant_name(Variant variant);

// The environment variable of one of the subject's options: HZ4_ON_FAULT for ON_FAULT.
std::string option_variable(const std::string &option);

// A count of rounds: all of it, or a fifth in a brief run.
int rounds(int full);

// Returns the absolute path of the helper file with this basename; fails the program when it was
// not given.
std::string helper_file(const std::string &basename);

} // namespace conformance
