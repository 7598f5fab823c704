// Every refusal of the OS layer in turn: sweep_program is started once for each, and must live
// through it (see there for what it checks by itself). Judged here: it ends well and silent on
// stderr, a refusal that costs no memory makes no allocation fail, and what is left at the end is
// what an untouched life leaves. Owns no allocator: the program under test is the helper file
// sweep_program.
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"
#include "common/os/os.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>

namespace conformance {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;
// What may be left beyond an untouched life: threads meet at other moments, so a span more may have
// been needed for the few blocks that libc keeps.
constexpr uint64_t kMostUsedMore = kMiB / 4;
constexpr uint64_t kMostMappedMore = 4 * kMiB;
// ... and a set of a thread's tables more, of which there are as many as threads ever overlapped.
constexpr uint64_t kMostMetaMore = kMiB;
constexpr uint64_t kMostCalls = 5000;

struct Life {
  bool good = false;
  uint64_t asked = 0, refused = 0, kinds = 0, nulls = 0, live = 0, used = 0, mapped_kib = 0;
  uint64_t meta = 0, grown = 0, window = 0, mapped_as_needed = 0;
};

uint64_t figure(const std::string &text, const std::string &before) {
  const size_t at = text.find(before);
  return at == std::string::npos ? 0
                                 : std::strtoull(text.c_str() + at + before.size(), nullptr, 10);
}

Life live(const std::string &plan, const std::vector<std::string> &env = {}) {
  std::vector<std::string> all = env;
  all.push_back("HZ_SWEEP=" + plan);
  const ChildEnd end = run_command({{helper_file("sweep_program")}, all, "", ""}, 120);
  EXPECT_TRUE(end.clean()) << "plan '" << plan << "': " << end.describe();
  EXPECT_EQ(end.err, "") << "plan '" << plan << "'";
  Life life;
  life.good = end.clean() && end.err.empty();
  life.asked = figure(end.out, "asked ");
  life.refused = figure(end.out, " refused ");
  life.kinds = figure(end.out, " kinds ");
  life.nulls = figure(end.out, " nulls ");
  life.live = figure(end.out, " live ");
  life.used = figure(end.out, " used ");
  life.mapped_kib = figure(end.out, " mapped_kib ");
  life.meta = figure(end.out, "meta=\"");
  life.grown = figure(end.out, "<aspace type=\"mprotect\" size=\"");
  life.window = figure(end.out, "<aspace type=\"total\" size=\"");
  life.mapped_as_needed = figure(end.out, "mapped_as_needed=\"");
  return life;
}

// The most that a few untouched lives leave.
const Life &untouched() {
  static const Life most = [] {
    Life worst = live("");
    for (int i = 0; i < 4; ++i) {
      const Life again = live("");
      worst.good = worst.good && again.good;
      worst.asked = std::max(worst.asked, again.asked);
      worst.live = std::max(worst.live, again.live);
      worst.used = std::max(worst.used, again.used);
      worst.mapped_kib = std::max(worst.mapped_kib, again.mapped_kib);
      worst.meta = std::max(worst.meta, again.meta);
      worst.grown = std::max(worst.grown, again.grown);
      worst.window = again.window;
    }
    std::printf("untouched: asked %lu live %lu used %lu mapped_kib %lu meta %lu\n", worst.asked,
                worst.live, worst.used, worst.mapped_kib, worst.meta);
    return worst;
  }();
  return most;
}

// The kinds without which a program has all the memory that it had: giving back, advice, moving.
constexpr uint64_t kCostNothing = 1u << HZ_OS_CALL_PURGE | 1u << HZ_OS_CALL_PURGE_LAZILY |
                                  1u << HZ_OS_CALL_RELEASE | 1u << HZ_OS_CALL_DECOMMIT |
                                  1u << HZ_OS_CALL_REMAP | 1u << HZ_OS_CALL_HUGE |
                                  1u << HZ_OS_CALL_POPULATE;

void judge(const std::string &plan, const Life &life) {
  SCOPED_TRACE("plan '" + plan + "', refused " + std::to_string(life.refused) + " of kinds " +
               std::to_string(life.kinds));
  const Life &usual = untouched();
  if ((life.kinds & ~kCostNothing) == 0) {
    EXPECT_EQ(life.nulls, 0u) << "no memory was refused, but allocations failed";
  }
  EXPECT_LE(life.live, usual.live + kMostUsedMore) << "lost blocks";
  EXPECT_LE(life.used, usual.used + kMostUsedMore) << "lost runs";
  // Tables are as long as the heap has ever been.
  const uint64_t longer = std::max(life.grown, usual.grown) - usual.grown;
  EXPECT_LE(life.meta, usual.meta + longer * usual.meta / usual.grown + kMostMetaMore)
      << "lost metadata";
  // Another window has other tables; and what may not be released stays mapped.
  if (life.window == usual.window && (life.kinds & 1u << HZ_OS_CALL_RELEASE) == 0) {
    EXPECT_LE(life.mapped_kib, usual.mapped_kib + kMostMappedMore / 1024) << "lost addresses";
  }
}

// Plays the plan for N = 1, 2, 3 ... until a whole life passes untouched.
void every_call_in_turn(const std::string &word, uint64_t step) {
  ASSERT_TRUE(untouched().good);
  for (uint64_t n = 1; n < kMostCalls; n += step) {
    const std::string plan = word + " " + std::to_string(n);
    const Life life = live(plan);
    if (!life.good)
      return;
    judge(plan, life);
    if (testing::Test::HasFailure())
      return; // the first says most
    if (life.refused == 0) {
      std::printf("%s: %lu lives\n", word.c_str(), n / step);
      EXPECT_GT(n, 20u) << "the life made no calls to refuse";
      return;
    }
  }
  FAIL() << "no life ever passed untouched";
}

TEST(Sweep, AnUntouchedLifeIsRefusedNothing) {
  EXPECT_TRUE(untouched().good);
  EXPECT_EQ(untouched().nulls, 0u);
  EXPECT_GT(untouched().asked, 20u);
}

TEST(Sweep, EachCallIsRefusedOnce) {
  every_call_in_turn("once", 1);
}

TEST(Sweep, TenCallsInARowAreRefused) {
  every_call_in_turn("burst", 5);
}

TEST(Sweep, EveryCallIsRefusedUntilMemoryIsBack) {
  every_call_in_turn("from", 3);
}

TEST(Sweep, EachKindIsRefusedUntilMemoryIsBack) {
  for (uint64_t kind = 0; kind < HZ_OS_CALL_KINDS; ++kind) {
    const std::string plan = "kind " + std::to_string(kind);
    const Life life = live(plan);
    if (life.good)
      judge(plan, life);
  }
}

// A kernel that counts what is committed: refused is what goes beyond, and the rest is served.
TEST(Sweep, StrictAccountingOfCommittedMemory) {
  uint64_t with_least = UINT64_MAX;
  for (uint64_t mib : {1, 2, 4, 8, 16, 32, 64, 256}) {
    const std::string plan = "commit " + std::to_string(mib * kMiB);
    const Life life = live(plan);
    if (life.good)
      judge(plan, life);
    std::printf("%lu MiB may be committed: %lu allocations refused\n", mib, life.nulls);
    // Not less and less: whoever is refused early asks for less later.
    EXPECT_LE(life.nulls, with_least) << "more memory than at first, and more refusals";
    if (with_least == UINT64_MAX)
      with_least = life.nulls;
  }
  EXPECT_EQ(live("commit " + std::to_string(256 * kMiB)).nulls, 0u);
}

// No room for the large reservation: a smaller one is taken, and the statistics say which.
TEST(Sweep, ASmallerReservationIsTakenAndSaid) {
  uint64_t window_before = 0;
  for (uint64_t mib : {80, 300, 1100, 5000, 70000, 1 << 21}) {
    const std::string plan = "reserve " + std::to_string(mib * kMiB);
    const Life life = live(plan);
    ASSERT_TRUE(life.good);
    judge(plan, life);
    EXPECT_EQ(life.nulls, 0u) << plan;
    EXPECT_TRUE(life.mapped_as_needed == 1 || life.window <= mib * kMiB)
        << plan << ": the statistics say " << life.window;
    EXPECT_GE(life.window, 64 * kMiB);
    std::printf("reservations up to %lu MiB: window %lu MiB%s\n", mib, life.window / kMiB,
                life.mapped_as_needed ? ", mapped as needed" : "");
    if (!life.mapped_as_needed) {
      EXPECT_GE(life.window, window_before) << plan;
      window_before = life.window;
    }
  }
}

} // namespace
} // namespace conformance
