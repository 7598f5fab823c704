// See fault_table.h.
#include "common/conformance/fault_table.h"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <regex>
#include <signal.h>
#include <sstream>
#include <vector>

namespace conformance {
namespace {

struct Row {
  std::string name;
  size_t size;
  std::string owed;
  std::string measured;
  std::string text; // the line that was printed
};

std::vector<Row> g_rows;

const char *words(When when) {
  switch (when) {
  case When::kAtOnce:
    return "at once";
  case When::kNextBatch:
    return "by the next batch";
  case When::kNot:
    return "not";
  }
  return "?";
}

// What the C library says; it names neither pointer nor thread, so only the table can use it.
bool glibc_named_it(const ChildEnd &end) {
  static const std::regex said("(free|realloc|malloc|munmap_chunk|corrupted|tcache|double free).*");
  return !end.exited && end.signal == SIGABRT && std::regex_search(end.err, said);
}

struct Measured {
  When when = When::kNot;
  std::string words;   // for the table
  std::string problem; // why the test must fail, whatever is owed
};

// The one line that is allowed, with address and thread where they are known.
std::string message_pattern(const Expectation &expected, const Account &account, bool at_once) {
  return subject().generation + ": (" + expected.fault +
         "): " + (account.about.empty() ? "0x[0-9a-f]+" : account.about) + " passed to (" +
         (at_once ? expected.function : std::string("[a-z_ \\[\\]]+")) + ")( \\(.*\\))?, thread " +
         (at_once && !account.thread.empty() ? account.thread : "[0-9]+") + "\n";
}

Measured measure(const Expectation &expected, const ChildEnd &end, const Account &account) {
  Measured result;
  const bool at_once = !account.committed;
  if (end.clean()) {
    const bool harmless = account.prevented || account.inapplicable;
    result.when = harmless ? When::kAtOnce : When::kNot;
    result.words = account.inapplicable ? "does not apply"
                   : account.prevented  ? "prevented"
                                        : "not";
    return result;
  }
  if (!end.exited && end.signal == SIGALRM) {
    result.words = "hang";
    result.problem = "the program hung";
    return result;
  }
  if (!subject_is_ours()) {
    const bool named = glibc_named_it(end);
    result.when = !named ? When::kNot : at_once ? When::kAtOnce : When::kNextBatch;
    result.words = named ? words(result.when) : "crash";
    return result;
  }
  if (!end.exited && end.signal == SIGSEGV && at_once && expected.stop_is_enough) {
    result.when = When::kAtOnce;
    result.words = "at once (inaccessible)";
    return result;
  }
  if (end.exited || end.signal != SIGABRT) {
    result.words = "crash";
    result.problem = "ended by " + end.describe();
    return result;
  }
  const std::regex pattern(message_pattern(expected, account, at_once));
  if (!std::regex_match(end.err, pattern)) {
    result.words = "wrong message";
    result.problem = "said \"" + end.err +
                     "\" where this was owed: " + message_pattern(expected, account, at_once);
    return result;
  }
  result.when = at_once ? When::kAtOnce : When::kNextBatch;
  result.words = words(result.when);
  return result;
}

std::string first_line(const std::string &text) {
  return text.substr(0, text.find('\n'));
}

// Prints the table once everything has run, and keeps it for docs where HZ_FAULT_TABLE_DIR says.
class Table : public testing::Environment {
public:
  void TearDown() override {
    if (g_rows.empty())
      return;
    std::string text = "fault\tsize\tvariant\towed\tmeasured\tmessage\n";
    for (const Row &row : g_rows)
      text += row.name + "\t" + std::to_string(row.size) + "\t" + variant_name(subject().variant) +
              "\t" + row.owed + "\t" + row.measured + "\t" + row.text + "\n";
    const char *outputs = std::getenv("HZ_FAULT_TABLE_DIR");
    if (outputs != nullptr)
      write_file(std::string(outputs) + "/faults.tsv", text);
    std::printf("\nWhat %s (%s) says about each fault:\n%-58s %9s  %-18s %-22s\n",
                subject().generation.c_str(), variant_name(subject().variant), "fault", "size",
                "owed", "measured");
    for (const Row &row : g_rows)
      std::printf("%-58s %9zu  %-18s %-22s %s\n", row.name.c_str(), row.size, row.owed.c_str(),
                  row.measured.c_str(), row.text.c_str());
    std::fflush(stdout);
  }
};

testing::Environment *const g_table = testing::AddGlobalTestEnvironment(new Table);

} // namespace

When Owes::now() const {
  if (!subject_is_ours())
    return When::kNot;
  switch (subject().variant) {
  case Variant::kFast:
    return When::kNot;
  case Variant::kHardened:
    return hardened;
  case Variant::kStandard:
  case Variant::kObserve:
  case Variant::kDebug:
    return standard;
  }
  return When::kNot;
}

Account read_account(const std::string &lines) {
  Account account;
  std::istringstream stream(lines);
  std::string word;
  while (stream >> word) {
    if (word == "about")
      stream >> account.about;
    else if (word == "thread")
      stream >> account.thread;
    else if (word == "committed")
      account.committed = true;
    else if (word == "prevented")
      account.prevented = true;
    else if (word == "inapplicable")
      account.inapplicable = true;
  }
  return account;
}

std::string measured_words(const std::string &name) {
  std::vector<std::string> all;
  for (const Row &row : g_rows)
    if (row.name == name)
      all.push_back(row.measured);
  std::string joined;
  bool same = true;
  for (const std::string &one : all) {
    joined += (joined.empty() ? "" : " / ") + one;
    same = same && one == all[0];
  }
  return same && !all.empty() ? all[0] : joined;
}

namespace {
// "| a | b |" is {"a", "b"}.
std::vector<std::string> cells_of(const std::string &line) {
  std::vector<std::string> cells;
  for (size_t at = 1, next; (next = line.find('|', at)) != std::string::npos; at = next + 1)
    cells.push_back(next - at > 2 ? line.substr(at + 1, next - at - 2) : "");
  return cells;
}
} // namespace

std::string words_on_page(const std::string &page, const std::string &generation,
                          const std::string &variant, const std::string &name) {
  std::istringstream lines(page);
  std::string line;
  bool here = false;
  size_t column = 0;
  while (std::getline(lines, line)) {
    if (line.rfind("## ", 0) == 0)
      here = line == "## " + generation;
    if (!here || line.empty() || line[0] != '|')
      continue;
    const std::vector<std::string> cells = cells_of(line);
    for (size_t i = 0; cells[0] == "misuse" && i < cells.size(); ++i)
      column = cells[i] == variant ? i : column;
    if (cells[0] == name && column != 0 && column < cells.size())
      return cells[column];
  }
  return "";
}

void judge(const Expectation &expected, const ChildEnd &end, const std::string &said) {
  (void)g_table;
  const Account account = read_account(said);
  const Measured measured = measure(expected, end, account);
  const When owed = expected.owes.now();
  g_rows.push_back(
      {expected.name, expected.size, words(owed), measured.words, first_line(end.err)});
  const bool nothing_owed = owed == When::kNot && subject().variant == Variant::kFast;
  if (!measured.problem.empty() && subject_is_ours() && !nothing_owed)
    ADD_FAILURE() << expected.name << " of " << expected.size << ": " << measured.problem;
  else if (measured.when > owed)
    ADD_FAILURE() << expected.name << " of " << expected.size << ": named " << measured.words
                  << ", owed " << words(owed) << "; " << end.describe();
}

} // namespace conformance
