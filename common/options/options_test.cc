#include "common/options/options.h"

#include "common/fail/fail.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

extern char **environ;

namespace {

const char *const kProfiles[] = {"speed", "balanced", "lean", nullptr};
uint64_t profile, delay_ms, limit;
const struct hz_option kTable[] = {
    {"PROFILE", HZ_OPTION_WORD, kProfiles, 0, 0, &profile, "What matters most."},
    {"PURGE_DELAY_MS", HZ_OPTION_NUMBER, nullptr, 0, 10000, &delay_ms, "How long free runs stay."},
    {"MEMORY_LIMIT", HZ_OPTION_BYTES, nullptr, 0, static_cast<uint64_t>(1) << 44, &limit,
     "malloc fails above it; 0: no limit."},
};
constexpr size_t kCount = sizeof kTable / sizeof kTable[0];

struct Outcome {
  uint64_t profile, delay_ms, limit;
  std::string text;
};

// Reads the table in a child with this environment; where says from which place it must come.
enum class From { kEnviron, kProc };

Outcome read_options(std::vector<std::string> environment, From from = From::kEnviron);

std::string slurp(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(n));
  close(fd);
  return text;
}

void report() {
  char text[128];
  size_t n = hz_format(text, sizeof text, "%lu %lu %lu\n", profile, delay_ms, limit);
  hz_write_all(STDOUT_FILENO, text, n);
}

void set_defaults() {
  profile = 0;
  delay_ms = 100;
  limit = 0;
}

Outcome read_options(std::vector<std::string> environment, From from) {
  int out[2], err[2];
  if (pipe(out) != 0 || pipe(err) != 0)
    return {};
  pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (int fd : {out[0], out[1], err[0], err[1]})
      close(fd);
    std::vector<char *> pointers;
    pointers.reserve(environment.size() + 1);
    for (std::string &entry : environment)
      pointers.push_back(entry.data());
    pointers.push_back(nullptr);
    if (from == From::kProc) {
      char self[] = "options_test", flag[] = "--read-from-proc";
      char *argv[] = {self, flag, nullptr};
      execve("/proc/self/exe", argv, pointers.data());
      _exit(3);
    }
    environ = pointers.data();
    hz_fail_set_generation("hz9");
    set_defaults();
    errno = 4711;
    hz_options_read("HZ9", kTable, kCount);
    if (errno != 4711)
      _exit(4);
    report();
    _exit(0);
  }
  close(out[1]);
  close(err[1]);
  Outcome outcome = {};
  std::string values = slurp(out[0]);
  outcome.text = slurp(err[0]);
  sscanf(values.c_str(), "%lu %lu %lu", &outcome.profile, &outcome.delay_ms, &outcome.limit);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return outcome;
}

TEST(Options, DefaultsStay) {
  Outcome o = read_options({"PATH=/bin", "HZ=1", "HZ99_PROFILE=lean", "HZ9X=2"});
  EXPECT_EQ(o.profile, 0u);
  EXPECT_EQ(o.delay_ms, 100u);
  EXPECT_EQ(o.limit, 0u);
  EXPECT_EQ(o.text, "");
}

TEST(Options, EachKindIsRead) {
  Outcome o =
      read_options({"HZ9_PROFILE=lean", "A=b", "HZ9_PURGE_DELAY_MS=0", "HZ9_MEMORY_LIMIT=3g"});
  EXPECT_EQ(o.profile, 2u);
  EXPECT_EQ(o.delay_ms, 0u);
  EXPECT_EQ(o.limit, static_cast<uint64_t>(3) << 30);
  EXPECT_EQ(o.text, "");
}

TEST(Options, UnitsAreBinary) {
  const std::pair<const char *, uint64_t> cases[] = {{"4096", 4096},
                                                     {"1k", 1024},
                                                     {"7K", 7168},
                                                     {"2m", 2097152},
                                                     {"1M", 1048576},
                                                     {"1G", 1073741824},
                                                     {"1t", 1099511627776},
                                                     {"16t", static_cast<uint64_t>(16) << 40},
                                                     {"00000000000000001", 1}};
  for (const auto &[text, value] : cases)
    EXPECT_EQ(read_options({std::string("HZ9_MEMORY_LIMIT=") + text}).limit, value) << text;
}

TEST(Options, WrongValuesAreOneLineAndTheDefaultStays) {
  EXPECT_EQ(read_options({"HZ9_PROFILE=fastest"}).text,
            "hz9: HZ9_PROFILE: 'fastest' is not accepted (accepted: speed, balanced, lean); speed "
            "is used\n");
  EXPECT_EQ(read_options({"HZ9_PURGE_DELAY_MS=-1"}).text,
            "hz9: HZ9_PURGE_DELAY_MS: '-1' is not accepted (accepted: 0 to 10000); 100 is used\n");
  EXPECT_EQ(read_options({"HZ9_MEMORY_LIMIT=lots"}).text,
            "hz9: HZ9_MEMORY_LIMIT: 'lots' is not accepted (accepted: 0 to 16t, in bytes or with "
            "k, m, g or t); 0 is used\n");
  for (const char *text :
       {"", " 1", "1 ", "0x10", "10001", "1k", "+1", "1.5", "99999999999999999999999", "ten"}) {
    Outcome o = read_options({std::string("HZ9_PURGE_DELAY_MS=") + text});
    EXPECT_EQ(o.delay_ms, 100u) << text;
    EXPECT_EQ(std::count(o.text.begin(), o.text.end(), '\n'), 1) << text;
  }
  for (const char *text : {"", "k", "1kk", "1kb", "17t", "17592186044417", "99999999999t", "1 g"}) {
    Outcome o = read_options({std::string("HZ9_MEMORY_LIMIT=") + text});
    EXPECT_EQ(o.limit, 0u) << text;
    EXPECT_EQ(std::count(o.text.begin(), o.text.end(), '\n'), 1) << text;
  }
  EXPECT_EQ(read_options({"HZ9_PROFILE=Lean"}).profile, 0u);
  EXPECT_EQ(read_options({"HZ9_PROFILE=lea"}).profile, 0u);
}

TEST(Options, UnknownNamesAreOneLine) {
  EXPECT_EQ(read_options({"HZ9_PROFIL=lean"}).text,
            "hz9: 'HZ9_PROFIL' is not an option; these are: HZ9_PROFILE, HZ9_PURGE_DELAY_MS, "
            "HZ9_MEMORY_LIMIT\n");
  EXPECT_NE(read_options({"HZ9_=1"}).text.find("'HZ9_' is not an option"), std::string::npos);
  EXPECT_NE(read_options({"HZ9_PROFILE"}).text, "");
}

TEST(Options, AComplaintIsOneBoundedPrintableLine) {
  std::string wild = "a\nb\x1b[31m" + std::string(5000, 'z');
  for (From from : {From::kEnviron, From::kProc}) {
    Outcome o = read_options({"HZ9_PROFILE=" + wild}, from);
    EXPECT_EQ(std::count(o.text.begin(), o.text.end(), '\n'), 1);
    EXPECT_EQ(o.text.find('\x1b'), std::string::npos);
    EXPECT_LT(o.text.size(), 800u);
    EXPECT_NE(o.text.find("'a?b?[31mzzz"), std::string::npos) << o.text;
    EXPECT_NE(o.text.find("zzz...'"), std::string::npos) << o.text;
  }
  Outcome o = read_options({"HZ9_" + std::string(5000, 'N') + "=1"});
  EXPECT_EQ(std::count(o.text.begin(), o.text.end(), '\n'), 1);
}

TEST(Options, TheFirstOfEqualsCounts) {
  Outcome o = read_options({"HZ9_PROFILE=lean", "HZ9_PROFILE=balanced", "HZ9_PROFILE=wrong"});
  EXPECT_EQ(o.profile, 2u);
  EXPECT_EQ(o.text, "");
}

TEST(Options, BeforeLibcIsReadyTheyComeFromProc) {
  // Long neighbours, so that entries lie across the borders of what one read gives.
  std::vector<std::string> environment;
  environment.reserve(23);
  for (int i = 0; i < 20; i++)
    environment.push_back("NEIGHBOUR" + std::to_string(i) + "=" + std::string(977, 'x'));
  environment.insert(environment.begin() + 3, "HZ9_PROFILE=balanced");
  environment.insert(environment.begin() + 11, "HZ9_MEMORY_LIMIT=5m");
  environment.push_back("HZ9_PURGE_DELAY_MS=7");
  Outcome o = read_options(environment, From::kProc);
  EXPECT_EQ(o.profile, 1u);
  EXPECT_EQ(o.delay_ms, 7u);
  EXPECT_EQ(o.limit, 5u << 20);
  EXPECT_EQ(o.text, "");
  EXPECT_EQ(read_options({}, From::kProc).delay_ms, 100u);
}

// A copy of this program that belongs to somebody else and runs with his rights.
TEST(Options, SetUserIdProgramsIgnoreThem) {
  std::string copy = testing::TempDir() + "/set_user_id_" + std::to_string(getpid());
  int from = open("/proc/self/exe", O_RDONLY), to = open(copy.c_str(), O_WRONLY | O_CREAT, 0755);
  ASSERT_GE(from, 0);
  ASSERT_GE(to, 0);
  while (sendfile(to, from, nullptr, 1 << 20) > 0) {
  }
  bool set = fchown(to, 65534, 65534) == 0 && fchmod(to, 04755) == 0;
  close(from);
  close(to);
  int out[2];
  ASSERT_EQ(pipe(out), 0);
  pid_t child = set ? fork() : -1;
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    char self[] = "options_test", flag[] = "--read-if-secure", value[] = "HZ9_PROFILE=lean";
    char *argv[] = {self, flag, nullptr}, *environment[] = {value, nullptr};
    execve(copy.c_str(), argv, environment);
    _exit(3);
  }
  close(out[1]);
  std::string text = slurp(out[0]);
  if (child > 0)
    waitpid(child, nullptr, 0);
  unlink(copy.c_str());
  if (text != "0 100 0\n" && text != "2 100 0\n")
    GTEST_SKIP() << "no set-user-id programs here";
  EXPECT_EQ(text, "0 100 0\n");
}

TEST(Options, TheTableIsMarkdown) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  set_defaults();
  hz_options_print(ends[1], "HZ9", kTable, kCount);
  close(ends[1]);
  EXPECT_EQ(slurp(ends[0]),
            "| variable | accepted | default | meaning |\n"
            "|---|---|---|---|\n"
            "| `HZ9_PROFILE` | speed, balanced, lean | speed | What matters most. |\n"
            "| `HZ9_PURGE_DELAY_MS` | 0 to 10000 | 100 | How long free runs stay. |\n"
            "| `HZ9_MEMORY_LIMIT` | 0 to 16t, in bytes or with k, m, g or t | 0 | malloc fails "
            "above it; 0: no limit. |\n");
}

} // namespace

int main(int argc, char **argv) {
  bool from_proc = argc > 1 && strcmp(argv[1], "--read-from-proc") == 0;
  bool if_secure = argc > 1 && strcmp(argv[1], "--read-if-secure") == 0;
  if (if_secure && !getauxval(AT_SECURE))
    return 2;
  if (from_proc || if_secure) {
    if (from_proc)
      environ = nullptr; // as in the first malloc of a process
    hz_fail_set_generation("hz9");
    set_defaults();
    hz_options_read("HZ9", kTable, kCount);
    report();
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
