// The arena under threads: no granule handed out twice, no false refusal, fork in the middle.
#include "common/arena/arena_probe.h"

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace arena_probe;

#if defined(__SANITIZE_THREAD__)
constexpr int kSteps = 3000;
#else
constexpr int kSteps = 20000;
#endif

void play(uint64_t seed, int steps, size_t most) {
  std::mt19937_64 rng(seed);
  struct Held {
    hz_run run;
    uint64_t stamp;
  };
  std::vector<Held> held;
  for (int i = 0; i < steps; i++) {
    if (held.size() < most && rng() % 2) {
      hz_run run;
      if (!hz_run_alloc(rng() % 8 ? 1 : 1 + rng() % 40, 1, &run)) {
        ADD_FAILURE() << "refused";
        return;
      }
      uint64_t stamp = rng();
      for (uint64_t g = run.granule; g < run.granule + run.count; g++)
        std::memcpy(address(g), &stamp, sizeof stamp);
      held.push_back({run, stamp});
    } else if (!held.empty()) {
      std::swap(held[rng() % held.size()], held.back());
      Held h = held.back();
      held.pop_back();
      for (uint64_t g = h.run.granule; g < h.run.granule + h.run.count; g++)
        if (std::memcmp(address(g), &h.stamp, sizeof h.stamp) != 0) {
          ADD_FAILURE() << "somebody else wrote here";
          return;
        }
      hz_run_free(h.run.granule, h.run.count);
    }
    if (i % 64 == 0)
      hz_runs_tick(hz_os_now_ms());
    if (i % 1000 == 0)
      hz_runs_purge_all();
    if (i % 100 == 0 && !hz_meta_alloc(200, 16))
      ADD_FAILURE() << "no metadata";
  }
  for (const Held &h : held)
    hz_run_free(h.run.granule, h.run.count);
}

TEST(ArenaThreads, NoGranuleTwice) {
  for (uint32_t delay : {0u, 5u})
    in_child([delay] {
      hz_arena_config c = config(delay);
      ASSERT_TRUE(hz_arena_init(&c));
      std::vector<std::thread> threads;
      for (uint64_t t = 0; t < 8; t++)
        threads.emplace_back(play, t + 1, kSteps, 60);
      for (auto &t : threads)
        t.join();
      EXPECT_TRUE(hz_arena_is_valid());
      EXPECT_EQ(stats().used_bytes, 0u);
    });
}

// Eight threads want seven eighths of the limit at most: whoever is refused is refused falsely,
// because what is missing is only just being purged by another.
TEST(ArenaThreads, NoFalseRefusalUnderTheMemoryLimit) {
  in_child([] {
    hz_arena_config c = config(5, 64 * HZ_MIB);
    ASSERT_TRUE(hz_arena_init(&c));
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kSteps / 4; i++) {
          hz_run run;
          uint64_t count = i % 2 ? 1 + uint64_t(i * 7 + t) % 100 : 100;
          if (!hz_run_alloc(count, 1, &run)) {
            refused++;
            continue;
          }
          address(run.granule)[0] = 1;
          hz_run_free(run.granule, run.count);
        }
      });
    for (auto &t : threads)
      t.join();
    EXPECT_EQ(refused, 0);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

// The same where addresses are short: what is free lies in pieces that others are purging.
TEST(ArenaThreads, GrowthByOneServesAll) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<std::thread> threads;
    std::atomic<uint64_t> total{0};
    for (int t = 0; t < 8; t++)
      threads.emplace_back([&] {
        for (int i = 0; i < 2000; i++) {
          hz_run run;
          if (!hz_run_alloc(1 + uint64_t(i) % 3, 1, &run)) {
            ADD_FAILURE() << "refused";
            return;
          }
          total += run.count;
        }
      });
    for (auto &t : threads)
      t.join();
    EXPECT_EQ(stats().used_bytes, total * HZ_GRANULE_BYTES);
    EXPECT_LE(stats().grown_bytes, total * HZ_GRANULE_BYTES + 64 * HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

#if !defined(__SANITIZE_THREAD__) // whose own fork support does not go with threads that never end
TEST(ArenaThreads, ForkInTheMiddle) {
  in_child([] {
    hz_arena_config c = config(0);
    ASSERT_TRUE(hz_arena_init(&c));
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; t++)
      threads.emplace_back([&stop, t] {
        for (uint64_t round = 0; !stop; round++)
          play(t + round * 10, 200, 40);
      });
    for (int i = 0; i < 300; i++) {
      hz_arena_before_fork();
      pid_t child = fork();
      if (child == 0) {
        hz_arena_after_fork_child();
        alarm(30);
        // Nothing of what other threads had in hand is lost: every granule is used, free or
        // somebody else's.
        bool valid = hz_arena_is_valid();
        hz_run run;
        bool works = hz_run_alloc(500, 1, &run) && hz_meta_alloc(70000, 16);
        if (works)
          hz_run_free(run.granule, run.count);
        hz_runs_purge_all();
        hz_arena_stats s;
        hz_arena_stats_read(&s);
        _exit(valid && works && hz_arena_is_valid() && s.free_dirty_bytes == 0 ? 0 : 1);
      }
      hz_arena_after_fork_parent();
      ASSERT_GT(child, 0);
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_EQ(status, 0);
    }
    stop = true;
    for (auto &t : threads)
      t.join();
    EXPECT_TRUE(hz_arena_is_valid());
  });
}
#endif

} // namespace
