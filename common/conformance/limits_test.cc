// Real limits of the system: address space, mappings, addresses that others have taken. The program
// under test is limits_program, linked or preloaded like the suite. Owns nothing.
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conformance {
namespace {

constexpr size_t kKiBPerMiB = 1024;

// Runs the program, under a limit on its addresses when `limit_mib` is not 0.
ChildEnd run_limited(const std::vector<std::string> &arguments, size_t limit_mib) {
  const std::string limit =
      limit_mib == 0 ? "unlimited" : std::to_string(limit_mib * kKiBPerMiB); // in KiB
  std::vector<std::string> argv = {"/bin/sh", "-c", "ulimit -v $0 && exec \"$@\"", limit,
                                   helper_file("limits_program")};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command({argv, {}, "", ""});
}

// observe prints its statistics on stderr when a program ends; every other variant is silent.
void expect_good(const ChildEnd &end) {
  EXPECT_TRUE(end.clean()) << end.describe();
  if (subject().variant != Variant::kObserve) {
    EXPECT_EQ(end.err, "");
  }
}

size_t got_mib(const ChildEnd &end) {
  const size_t at = end.out.find("got ");
  return at == std::string::npos
             ? 0
             : std::strtoull(end.out.c_str() + at + 4, nullptr, 10) / kKiBPerMiB;
}

uint64_t figure(const std::string &text, const std::string &before) {
  const size_t at = text.find(before);
  return at == std::string::npos ? 0
                                 : std::strtoull(text.c_str() + at + before.size(), nullptr, 10);
}

TEST(Limits, AddressesFrom64MiBTo4GiB) {
  // Of the smallest limit libraries and stacks take a good part.
  for (size_t limit : {64u, 96u, 128u, 256u, 512u, 1024u, 2048u, 4096u}) {
    const ChildEnd end = run_limited({"serve", std::to_string(2 * limit)}, limit);
    expect_good(end);
    std::printf("limit %zu MiB: got %zu MiB\n", limit, got_mib(end));
    EXPECT_GE(got_mib(end), limit / 2) << "limit " << limit << " MiB";
  }
}

TEST(Limits, NoMappingLeft) {
  const ChildEnd end = run_limited({"mappings", "40"}, 0);
  expect_good(end);
  std::printf("without mappings: got %zu of 40 MiB\n", got_mib(end));
}

// A control group below our own with so much memory, as long as this lives; HZ_CONTROL_GROUP names
// another place for it.
class ControlGroup {
public:
  explicit ControlGroup(size_t limit_mib) {
    std::string parent, limit = "memory.max";
    if (const char *given = std::getenv("HZ_CONTROL_GROUP")) {
      parent = given;
    } else {
      std::ifstream groups("/proc/self/cgroup");
      for (std::string line; parent.empty() && std::getline(groups, line);) {
        const size_t path = line.rfind(':') + 1; // "4:memory:/some/where", or "0::/some/where"
        if (line.find(":memory:") != std::string::npos)
          parent = "/sys/fs/cgroup/memory" + line.substr(path);
        else if (line.compare(0, 3, "0::") == 0)
          parent = "/sys/fs/cgroup" + line.substr(path);
      }
    }
    path_ = parent + "/hz_limits_" + std::to_string(getpid());
    if (mkdir(path_.c_str(), 0755) != 0) {
      path_.clear();
      return;
    }
    if (access((path_ + "/" + limit).c_str(), W_OK) != 0)
      limit = "memory.limit_in_bytes"; // version 1
    std::ofstream file(path_ + "/" + limit);
    file << limit_mib * kKiBPerMiB * kKiBPerMiB << std::flush;
    made_ = file.good();
  }
  ~ControlGroup() {
    for (int i = 0; !path_.empty() && rmdir(path_.c_str()) != 0 && i < 100; i++)
      usleep(10000); // its last process is leaving
  }
  bool made() const { return made_; }
  std::string members() const { return path_ + "/cgroup.procs"; }

private:
  std::string path_;
  bool made_ = false;
};

// Nothing is refused there: what goes beyond is killed. So the program must come out even: 40 MiB
// of blocks taken, written, freed and taken again, in all sizes, within 64 MiB.
TEST(Limits, MemoryOfAControlGroup) {
  const ControlGroup group(64);
  if (!group.made())
    GTEST_SKIP() << "SKIPPED: this machine lets us make no control group with a limit on memory";
  const ChildEnd end = run_command({{"/bin/sh", "-c", "echo $$ >$0 && exec \"$@\"", group.members(),
                                     helper_file("limits_program"), "resident", "40"},
                                    {},
                                    "",
                                    ""});
  expect_good(end);
  EXPECT_GE(got_mib(end), 40u) << end.out.substr(0, 100);
}

TEST(Limits, AddressesTakenByOthers) {
  for (size_t room : {200u, 700u, 3000u, 20000u}) {
    const ChildEnd end = run_limited({"crowded", "100", std::to_string(room)}, 0);
    expect_good(end);
    EXPECT_GE(got_mib(end), 100u) << "room of " << room << " MiB: " << end.out.substr(0, 100);
    if (!subject_is_ours())
      continue;
    // Said by the statistics, not on stderr.
    const uint64_t window = figure(end.out, "<aspace type=\"total\" size=\"") >> 20;
    const uint64_t as_needed = figure(end.out, "mapped_as_needed=\"");
    std::printf("room of %zu MiB: window %lu MiB%s\n", room, window,
                as_needed ? ", mapped as needed" : "");
    EXPECT_GT(window, 0u);
    EXPECT_TRUE(as_needed == 1 || window <= room);
  }
}

} // namespace
} // namespace conformance
