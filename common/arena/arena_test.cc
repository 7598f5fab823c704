// The arena through its public face, against a shadow of what every granule should be.
#include "common/arena/arena_probe.h"

#include <random>
#include <thread>
#include <vector>

namespace {

using namespace arena_probe;

constexpr size_t kPage = 4096; // bytes looked at below; every page size is a multiple

struct Held {
  uint64_t granule, count, stamp;
};

// Shadow of the arena: which granules are out, and what was written to them.
class Shadow {
public:
  std::vector<Held> held;
  uint64_t used = 0;

  void check_new(const hz_run &run, uint64_t align) {
    ASSERT_LE(run.granule + run.count, hz_arena_end());
    ASSERT_EQ(reinterpret_cast<uintptr_t>(address(run.granule)) % (align * HZ_GRANULE_BYTES), 0u);
    if (out_.size() < hz_arena_end())
      out_.resize(hz_arena_end());
    for (uint64_t g = run.granule; g < run.granule + run.count; g++) {
      ASSERT_FALSE(out_[g]) << "granule " << g << " is handed out twice";
      out_[g] = true;
      ASSERT_EQ(hz_arena.granules[g].tag, HZ_TAG_NONE);
      if (!run.zeroed)
        continue;
      for (size_t at = 0; at < HZ_GRANULE_BYTES; at += kPage)
        ASSERT_EQ(address(g)[at], 0) << "not zeroed";
    }
  }
  void hold(uint64_t granule, uint64_t count, uint64_t stamp) {
    for (uint64_t g = granule; g < granule + count; g++) {
      hz_arena.granules[g].tag = 7;
      uint64_t word = stamp + g;
      std::memcpy(address(g), &word, sizeof word);
      std::memcpy(address(g) + HZ_GRANULE_BYTES - sizeof word, &word, sizeof word);
    }
    held.push_back({granule, count, stamp});
    used += count;
  }
  void check(const Held &h) {
    for (uint64_t g = h.granule; g < h.granule + h.count; g++) {
      uint64_t word = h.stamp + g, got[2];
      std::memcpy(&got[0], address(g), sizeof word);
      std::memcpy(&got[1], address(g) + HZ_GRANULE_BYTES - sizeof word, sizeof word);
      ASSERT_EQ(got[0], word);
      ASSERT_EQ(got[1], word);
    }
  }
  void mark_free(uint64_t granule, uint64_t count) {
    for (uint64_t g = granule; g < granule + count; g++)
      out_[g] = false;
    used -= count;
  }
  void mark_out(uint64_t granule, uint64_t count) {
    if (out_.size() < hz_arena_end())
      out_.resize(hz_arena_end());
    for (uint64_t g = granule; g < granule + count; g++) {
      ASSERT_FALSE(out_[g]);
      out_[g] = true;
    }
    used += count;
  }

private:
  std::vector<bool> out_;
};

uint64_t draw_count(std::mt19937_64 &rng) {
  switch (rng() % 8) {
  case 0:
    return 1 + rng() % 300;
  case 1:
  case 2:
    return 1 + rng() % 20;
  default:
    return 1;
  }
}

void random_play(uint64_t seed, int steps, size_t most_granules) {
  std::mt19937_64 rng(seed);
  Shadow shadow;
  uint64_t stamp = 1;
  for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); i++) {
    unsigned what = rng() % 100;
    if (what < 50 || shadow.held.empty()) {
      uint64_t count = draw_count(rng), align = rng() % 4 ? 1 : uint64_t(1) << (rng() % 8);
      if (shadow.used + count > most_granules)
        what = 60;
      else {
        hz_run run;
        if (hz_run_alloc(count, align, &run)) {
          ASSERT_EQ(run.count, count);
          shadow.check_new(run, align);
          shadow.hold(run.granule, count, stamp += 1000);
        }
      }
    }
    if (what >= 50 && what < 92 && !shadow.held.empty()) {
      size_t pick = rng() % shadow.held.size();
      Held h = shadow.held[pick];
      shadow.check(h);
      uint64_t from = 0, count = h.count;
      if (count > 1 && rng() % 4 == 0) { // a part of it
        from = rng() % count;
        count = 1 + rng() % (count - from);
      }
      shadow.held[pick] = shadow.held.back();
      shadow.held.pop_back();
      if (from > 0)
        shadow.held.push_back({h.granule, from, h.stamp});
      if (from + count < h.count)
        shadow.held.push_back({h.granule + from + count, h.count - from - count, h.stamp});
      shadow.mark_free(h.granule + from, count);
      if (rng() % 8 == 0 && hz_os_purge(address(h.granule + from), count * HZ_GRANULE_BYTES))
        hz_run_free_purged(h.granule + from, count);
      else
        hz_run_free(h.granule + from, count);
    } else if (what >= 92 && what < 98 && !shadow.held.empty()) {
      Held &h = shadow.held[rng() % shadow.held.size()];
      uint64_t more = 1 + rng() % 10;
      if (shadow.used + more <= most_granules &&
          hz_run_extend(h.granule, h.count, h.count + more)) {
        shadow.check(h);
        shadow.mark_out(h.granule + h.count, more);
        for (uint64_t g = h.granule + h.count; g < h.granule + h.count + more; g++) {
          ASSERT_EQ(hz_arena.granules[g].tag, HZ_TAG_NONE);
          uint64_t word = h.stamp + g;
          std::memcpy(address(g), &word, sizeof word);
          std::memcpy(address(g) + HZ_GRANULE_BYTES - sizeof word, &word, sizeof word);
        }
        h.count += more;
      }
    } else if (what == 98) {
      hz_runs_tick(hz_os_now_ms());
    } else if (what == 99 && rng() % 10 == 0) {
      hz_runs_purge_all();
    }
    if (i % 512 == 0) {
      ASSERT_TRUE(hz_arena_is_valid()) << "step " << i << " seed " << seed;
      hz_arena_stats stats;
      hz_arena_stats_read(&stats);
      ASSERT_EQ(stats.used_bytes, shadow.used * HZ_GRANULE_BYTES);
    }
  }
  for (const Held &h : shadow.held) {
    shadow.check(h);
    hz_run_free(h.granule, h.count);
  }
  ASSERT_TRUE(hz_arena_is_valid());
}

TEST(Arena, RandomPlayAgainstShadow) {
  for (uint32_t delay : {100u, 0u, 5u})
    in_child([delay] {
      hz_arena_config c = config(delay);
      ASSERT_TRUE(hz_arena_init(&c));
      for (uint64_t seed = 1; seed <= 2; seed++)
        random_play(seed, 6000, 3000);
      hz_arena_stats stats;
      hz_arena_stats_read(&stats);
      EXPECT_EQ(stats.used_bytes, 0u);
      EXPECT_LE(stats.grown_bytes, size_t(16000) * HZ_GRANULE_BYTES);
    });
}

TEST(Arena, AddressesThatAreNotOursAreBeyondTheEnd) {
  in_child([] {
    int on_stack = 0;
    hz_arena_config c = config();
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run run;
    ASSERT_TRUE(hz_run_alloc(3, 1, &run));
    uint64_t end = hz_arena_end();
    EXPECT_EQ(hz_granule_of(address(run.granule)), run.granule);
    EXPECT_EQ(hz_granule_of(address(run.granule + 2) + HZ_GRANULE_BYTES - 1), run.granule + 2);
    EXPECT_GE(hz_granule_of(&on_stack), end);
    EXPECT_GE(hz_granule_of(reinterpret_cast<void *>(&hz_arena_end)), end);
    EXPECT_GE(hz_granule_of(nullptr), end);
    EXPECT_GE(hz_granule_of(reinterpret_cast<void *>(UINTPTR_MAX)), end);
    EXPECT_GE(hz_granule_of(address(0) - 1), end);
    EXPECT_GE(hz_granule_of(address(end)), end);
    EXPECT_GE(hz_granule_of(&hz_arena.granules[0]), end);
    EXPECT_GE(hz_granule_of(hz_arena_side), end);
  });
}

TEST(Arena, SideDescriptorsAreZeroedAndKept) {
  in_child([] {
    hz_arena_config c = config();
    c.side_bytes = 48;
    ASSERT_TRUE(hz_arena_init(&c));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(hz_arena_side) % 16, 0u);
    hz_run run;
    ASSERT_TRUE(hz_run_alloc(5000, 1, &run));
    for (uint64_t g = run.granule; g < run.granule + run.count; g++)
      for (int i = 0; i < 48; i++) {
        ASSERT_EQ(hz_arena_side[g * 48 + i], 0);
        hz_arena_side[g * 48 + i] = 0xa5;
      }
    hz_run_free(run.granule, run.count);
    ASSERT_TRUE(hz_run_alloc(5000, 1, &run));
    for (uint64_t g = run.granule; g < run.granule + run.count; g++)
      ASSERT_EQ(hz_arena_side[g * 48 + 47], 0xa5);
  });
}

TEST(Arena, RunsOfOneLengthGoBackInCompany) {
  in_child([] {
    hz_arena_config c = config(10000);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run r[6], got;
    for (hz_run &run : r)
      ASSERT_TRUE(hz_run_alloc(2, 1, &run));
    for (hz_run &run : r)
      for (uint64_t g = run.granule; g < run.granule + 2; g++)
        hz_arena.granules[g].tag = 7;
    const uint64_t back[4] = {r[4].granule, r[1].granule, r[2].granule, r[3].granule};
    hz_runs_free(back, 4, 2);
    for (const hz_run &run : r)
      for (uint64_t g = run.granule; g < run.granule + 2; g++)
        EXPECT_EQ(hz_arena.granules[g].tag, &run == &r[0] || &run == &r[5] ? 7 : HZ_TAG_NONE);
    EXPECT_TRUE(hz_arena_is_valid());
    ASSERT_TRUE(hz_run_alloc(8, 1, &got)); // the four are neighbours: one run by now
    EXPECT_EQ(got.granule, r[1].granule);
    EXPECT_FALSE(got.zeroed);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST(Arena, SmallestThatFitsAndLowestOfEquals) {
  in_child([] {
    hz_arena_config c = config(10000);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run r[9], got;
    const uint64_t counts[9] = {2, 1, 3, 1, 2, 1, 4, 1, 2}; // the ones keep the others apart
    for (int i = 0; i < 9; i++)
      ASSERT_TRUE(hz_run_alloc(counts[i], 1, &r[i]));
    for (int i : {8, 6, 4, 2, 0})
      hz_run_free(r[i].granule, r[i].count);
    ASSERT_TRUE(hz_run_alloc(2, 1, &got));
    EXPECT_EQ(got.granule, r[0].granule);
    EXPECT_FALSE(got.zeroed);
    ASSERT_TRUE(hz_run_alloc(2, 1, &got));
    EXPECT_EQ(got.granule, r[4].granule);
    ASSERT_TRUE(hz_run_alloc(1, 1, &got)); // no run of one: the smallest is the last of two
    EXPECT_EQ(got.granule, r[8].granule);
    ASSERT_TRUE(hz_run_alloc(4, 1, &got));
    EXPECT_EQ(got.granule, r[6].granule);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST(Arena, DirtyBeforeClean) {
  in_child([] {
    hz_arena_config c = config(10000);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a, wall, b, end, got;
    ASSERT_TRUE(hz_run_alloc(1, 1, &a));
    ASSERT_TRUE(hz_run_alloc(1, 1, &wall));
    ASSERT_TRUE(hz_run_alloc(3, 1, &b));
    ASSERT_TRUE(hz_run_alloc(1, 1, &end));
    ASSERT_TRUE(hz_os_purge(address(a.granule), HZ_GRANULE_BYTES));
    hz_run_free_purged(a.granule, 1); // fits exactly and lies lower, but is not resident
    hz_run_free(b.granule, 3);
    ASSERT_TRUE(hz_run_alloc(1, 1, &got));
    EXPECT_EQ(got.granule, b.granule);
    EXPECT_FALSE(got.zeroed);
    ASSERT_TRUE(hz_run_alloc(2, 1, &got));
    ASSERT_TRUE(hz_run_alloc(1, 1, &got));
    EXPECT_EQ(got.granule, a.granule);
    EXPECT_TRUE(got.zeroed);
  });
}

TEST(Arena, ExtendsInPlace) {
  in_child([] {
    hz_arena_config c = config(10000);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a, b, wall, last;
    ASSERT_TRUE(hz_run_alloc(2, 1, &a));
    ASSERT_TRUE(hz_run_alloc(4, 1, &b));
    ASSERT_TRUE(hz_run_alloc(1, 1, &wall));
    EXPECT_FALSE(hz_run_extend(a.granule, 2, 3));
    EXPECT_TRUE(hz_run_extend(a.granule, 2, 2));
    hz_run_free(b.granule, 2);
    ASSERT_TRUE(hz_os_purge(address(b.granule + 2), 2 * HZ_GRANULE_BYTES));
    hz_run_free_purged(b.granule + 2, 2);
    EXPECT_FALSE(hz_run_extend(a.granule, 2, 7)); // the wall
    EXPECT_TRUE(hz_run_extend(a.granule, 2, 5));  // over a dirty run into a clean one
    EXPECT_FALSE(hz_run_extend(a.granule, 5, 7));
    EXPECT_TRUE(hz_run_extend(a.granule, 5, 6));
    ASSERT_TRUE(hz_run_alloc(1, 1, &last));
    EXPECT_TRUE(hz_run_extend(last.granule, 1, 20000)); // at the frontier
    EXPECT_FALSE(hz_run_extend(last.granule, 20000, UINT64_MAX));
    EXPECT_EQ(stats().used_bytes, (6 + 1 + 20000) * HZ_GRANULE_BYTES);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST(Arena, RefusesWhatCannotBe) {
  in_child([] {
    hz_arena_config c = config();
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run run;
    for (uint64_t count : {UINT64_MAX, UINT64_MAX >> 16, uint64_t(1) << 40, uint64_t(1) << 32})
      EXPECT_FALSE(hz_run_alloc(count, 1, &run)) << count;
    EXPECT_FALSE(hz_run_alloc(1, uint64_t(1) << 62, &run));
    EXPECT_TRUE(hz_run_alloc(1, uint64_t(1) << 14, &run)); // 1 GiB
    EXPECT_EQ(reinterpret_cast<uintptr_t>(address(run.granule)) % HZ_GIB, 0u);
    EXPECT_EQ(hz_meta_alloc(SIZE_MAX, 16), nullptr);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST(Arena, FreeMemoryIsBoundedAtOnce) {
  in_child([] {
    hz_arena_config c = config(100000);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs(3200);
    for (hz_run &r : runs) {
      ASSERT_TRUE(hz_run_alloc(1, 1, &r));
      touch(r);
    }
    size_t full = rss_bytes(), peak = 3200 * HZ_GRANULE_BYTES;
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    EXPECT_LE(stats().free_dirty_bytes, peak / 64);
    EXPECT_LE(rss_bytes(), full - peak + peak / 64 + HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
    // What is purged lies together: far fewer calls than runs.
    EXPECT_LT(os_stats().calls[HZ_OS_CALL_PURGE], 400u);
  });
}

TEST(Arena, WhatGoesUpAndDownStaysResident) {
  in_child([] {
    hz_arena_config c = config(100000);
    ASSERT_TRUE(hz_arena_init(&c));
    for (int round = 0; round < 200; round++) {
      hz_run run;
      ASSERT_TRUE(hz_run_alloc(400, 1, &run)); // 25 MiB
      hz_run_free(run.granule, run.count);
    }
    // The first rounds teach it; then nothing is purged.
    EXPECT_LE(os_stats().calls[HZ_OS_CALL_PURGE], 8u);
    EXPECT_LE(stats().free_dirty_bytes, 33 * HZ_MIB);
  });
}

// Who tears down once gives all back at once; who comes back quickly, or twice, keeps what he comes
// back for, until a trim or until he does so no more.
TEST(Arena, WhoComesBackKeepsHisPages) {
  for (bool quickly : {true, false})
    in_child([quickly] {
      const uint32_t kDelayMs = 50;
      hz_arena_config c = config(kDelayMs);
      ASSERT_TRUE(hz_arena_init(&c));
      hz_run run[16];
      for (int round = 0; round < 4; round++) {
        for (uint64_t from = hz_os_now_ms(); !quickly && hz_os_now_ms() <= from + kDelayMs + 8;)
          std::this_thread::yield();
        for (hz_run &r : run)
          ASSERT_TRUE(hz_run_alloc(100, 1, &r));
        for (hz_run &r : run)
          hz_run_free(r.granule, r.count);
        if (round < (quickly ? 1 : 2))
          EXPECT_LE(stats().free_dirty_bytes, 8 * HZ_MIB) << round;
        else
          EXPECT_EQ(stats().free_dirty_bytes, 100 * HZ_MIB) << round;
      }
      EXPECT_GE(hz_runs_returned(), 1600u);
      hz_runs_purge_all();
      EXPECT_EQ(stats().free_dirty_bytes, 0u);
      EXPECT_EQ(hz_runs_returned(), 0u);
      EXPECT_TRUE(hz_arena_is_valid());
    });
}

// Who never quite gets as high as the first time, nor as low, comes back all the same.
TEST(Arena, WhoComesBackMostOfTheWayKeepsHisPages) {
  in_child([] {
    hz_arena_config c = config(100000);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run run[16];
    int taken = 0;
    const auto level = [&](int to) {
      for (; taken < to; ++taken)
        ASSERT_TRUE(hz_run_alloc(100, 1, &run[taken]));
      while (taken > to) {
        --taken;
        hz_run_free(run[taken].granule, run[taken].count);
      }
    };
    level(16);
    level(2);
    EXPECT_LE(stats().free_dirty_bytes, 17 * HZ_MIB) << "twice what is used less 8 MiB";
    level(14);
    level(4);
    // What rose from 2 to 14 is kept, and a half more of what went.
    EXPECT_GE(hz_runs_returned(), 1200u);
    EXPECT_EQ(stats().free_dirty_bytes, 1000 * HZ_GRANULE_BYTES);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

// A program that uses 777 MiB and frees 128 again and again keeps them; one of whose 777 MiB 640
// are addresses without memory does not keep all. (It frees less than half of what it has.)
TEST(Arena, WhatIsOutAndEmptyGivesNoCredit) {
  for (bool empty : {false, true})
    in_child([empty] {
      hz_arena_config c = config(100000);
      ASSERT_TRUE(hz_arena_init(&c));
      hz_run held, filled, busy;
      ASSERT_TRUE(hz_run_alloc(10240, 1, &held));
      ASSERT_TRUE(hz_run_alloc(2200, 1, &filled));
      if (empty)
        hz_runs_note_empty(10240);
      for (int round = 0; round < 2; round++) {
        ASSERT_TRUE(hz_run_alloc(2048, 1, &busy));
        hz_run_free(busy.granule, busy.count);
      }
      if (empty)
        EXPECT_LE(stats().free_dirty_bytes, 112 * HZ_MIB);
      else
        EXPECT_EQ(stats().free_dirty_bytes, 128 * HZ_MIB);
      EXPECT_TRUE(hz_arena_is_valid());
    });
}

// What is empty does not count under the limit either.
TEST(Arena, WhatIsOutAndEmptyLeavesRoomUnderTheLimit) {
  in_child([] {
    hz_arena_config c = config(100000, 64 * HZ_MIB);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a, b;
    ASSERT_TRUE(hz_run_alloc(800, 1, &a));
    EXPECT_FALSE(hz_run_alloc(400, 1, &b));
    hz_runs_note_empty(800);
    EXPECT_TRUE(hz_run_alloc(400, 1, &b));
  });
}

TEST(Arena, TickPurgesByAge) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a, b;
    ASSERT_TRUE(hz_run_alloc(8, 1, &a));
    ASSERT_TRUE(hz_run_alloc(1, 1, &b));
    touch(a);
    uint64_t now = hz_os_now_ms();
    hz_run_free(a.granule, 8);
    hz_runs_tick(now + 50);
    EXPECT_EQ(stats().free_dirty_bytes, 8 * HZ_GRANULE_BYTES);
    hz_runs_tick(now + 1000);
    EXPECT_EQ(stats().free_dirty_bytes, 0u);
    EXPECT_EQ(stats().free_clean_bytes, 8 * HZ_GRANULE_BYTES);
    ASSERT_TRUE(hz_run_alloc(8, 1, &a));
    EXPECT_TRUE(a.zeroed);
    EXPECT_EQ(address(a.granule)[HZ_GRANULE_BYTES], 0);
  });
}

TEST(Arena, NoDelayPurgesAtOnce) {
  in_child([] {
    hz_arena_config c = config(0);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a;
    for (int i = 0; i < 10; i++) {
      ASSERT_TRUE(hz_run_alloc(4, 1, &a));
      EXPECT_TRUE(a.zeroed);
      touch(a);
      hz_run_free(a.granule, 4);
      EXPECT_EQ(stats().free_dirty_bytes, 0u);
    }
  });
}

TEST(Arena, MemoryLimit) {
  in_child([] {
    hz_arena_config c = config(100000, 64 * HZ_MIB);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    hz_run run;
    EXPECT_FALSE(hz_run_alloc(1024, 1, &run)); // the records count too
    while (hz_run_alloc(3, 1, &run))
      runs.push_back(run);
    EXPECT_GE(runs.size() * 3 * HZ_GRANULE_BYTES, 62 * HZ_MIB);
    EXPECT_LE(stats().used_bytes + stats().meta_bytes, 64 * HZ_MIB);
    EXPECT_FALSE(hz_run_extend(runs.back().granule, 3, 300));
    // Free memory is given back before the program is refused.
    for (size_t i = 0; i < 40; i++)
      hz_run_free(runs[i * 3].granule, 3);
    EXPECT_TRUE(hz_run_alloc(110, 1, &run));
    EXPECT_LE(stats().used_bytes + stats().free_dirty_bytes + stats().meta_bytes, 64 * HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST(Arena, MetadataIsZeroedApartAndCounted) {
  in_child([] {
    hz_arena_config c = config();
    ASSERT_TRUE(hz_arena_init(&c));
    size_t before = stats().meta_bytes, total = 0;
    uintptr_t last_end = 0;
    for (size_t i = 0; i < 20000; i++) {
      size_t bytes = 1 + i * 7919 % 3000, align = size_t(1) << (i % 13);
      auto *p = static_cast<unsigned char *>(hz_meta_alloc(bytes, align));
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u);
      for (size_t at = 0; at < bytes; at++)
        ASSERT_EQ(p[at], 0);
      std::memset(p, 0xff, bytes);
      ASSERT_TRUE(reinterpret_cast<uintptr_t>(p) >= last_end ||
                  reinterpret_cast<uintptr_t>(p) + bytes <= last_end);
      last_end = reinterpret_cast<uintptr_t>(p) + bytes;
      total += bytes;
    }
    auto *big = static_cast<unsigned char *>(hz_meta_alloc(10 * HZ_MIB, 4096));
    ASSERT_NE(big, nullptr);
    big[10 * HZ_MIB - 1] = 1;
    EXPECT_GE(stats().meta_bytes - before, total + 10 * HZ_MIB);
    EXPECT_LE(lines_of("/proc/self/maps"), 150u);
    EXPECT_DEATH(big[10 * HZ_MIB] = 1, ""); // the guard
  });
}

// Nobody may come by again: what stays is decided by the frees themselves.
TEST(Arena, WhenNothingIsUsedNextToNothingStays) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs(8192);
    for (hz_run &r : runs)
      ASSERT_TRUE(hz_run_alloc(1, 1, &r));
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    EXPECT_LE(stats().free_dirty_bytes, HZ_MIB);
  });
}

TEST(Arena, ABlockThatNobodyTouchesKeepsNothingElse) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run block;
    ASSERT_TRUE(hz_run_alloc(16 * HZ_GIB / HZ_GRANULE_BYTES, 1, &block));
    std::vector<hz_run> runs(2048);
    for (hz_run &r : runs)
      ASSERT_TRUE(hz_run_alloc(1, 1, &r));
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    EXPECT_LE(stats().free_dirty_bytes, 24 * HZ_MIB);
  });
}

TEST(Arena, OneOfManyBlocksThatIsFreedStaysForTheNext) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs(30);
    for (hz_run &r : runs)
      ASSERT_TRUE(hz_run_alloc(128, 1, &r));
    hz_run_free(runs[7].granule, runs[7].count);
    EXPECT_EQ(stats().free_dirty_bytes, 8 * HZ_MIB);
    ASSERT_TRUE(hz_run_alloc(128, 1, &runs[7]));
    EXPECT_FALSE(runs[7].zeroed);
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    EXPECT_LE(stats().free_dirty_bytes, HZ_MIB);
  });
}

} // namespace
