// Real limits of the system: address space, mappings, addresses that others have taken. The program
// under test is limits_program, linked or preloaded like the suite. Owns nothing.
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cstdlib>
#include <gtest/gtest.h>

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
