// The arena through its public face, against a shadow of what every granule should be.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include "common/arena/arena.h"
#include "common/os/os.h"
}

namespace {

constexpr size_t kPage = 4096; // edges touched below; any page size is a multiple

// The arena is one per process: each test that wants its own configuration runs in a child.
template <typename Body> void in_child(const Body &body) {
  std::fflush(nullptr);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(300);
    int before =
        testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    body();
    std::fflush(nullptr);
    int after = testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    _exit(after == before ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

hz_arena_config config(uint32_t delay_ms = 100, size_t limit = 0, bool huge = false) {
  hz_arena_config c = {};
  c.side_bytes = 64;
  c.purge_delay_ms = delay_ms;
  c.huge_pages = huge;
  c.memory_limit_bytes = limit;
  return c;
}

struct Held {
  uint64_t granule, count, stamp;
};

unsigned char *address(uint64_t granule) {
  return static_cast<unsigned char *>(hz_granule_address(granule));
}

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
      for (uint64_t seed = 1; seed <= 4; seed++)
        random_play(seed, 8000, 4000);
      hz_arena_stats stats;
      hz_arena_stats_read(&stats);
      EXPECT_EQ(stats.used_bytes, 0u);
      EXPECT_LE(stats.grown_bytes, size_t(16000) * HZ_GRANULE_BYTES);
    });
}

} // namespace
