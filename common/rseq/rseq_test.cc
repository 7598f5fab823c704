// Claims: one holder at a time, whoever comes from wherever, and none on another CPU.
#include "common/rseq/rseq.h"

#include <sched.h>
#include <set>
#include <thread>
#include <vector>

#include "common/sync/atomic.h"
#include "gtest/gtest.h"

namespace {

uintptr_t area;
bool available() {
  return hz_rseq_area(&area) && hz_rseq_barrier_register();
}

// Returns: the CPUs that this thread may run on.
std::vector<unsigned> cpus() {
  cpu_set_t set;
  std::vector<unsigned> found;
  sched_getaffinity(0, sizeof set, &set);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set))
      found.push_back(cpu);
  return found;
}

void run_on(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ASSERT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
}

TEST(Rseq, TheCpuIsKnown) {
  if (!available())
    GTEST_SKIP() << "no restartable sequences here";
  for (unsigned cpu : cpus())
    std::thread([cpu] {
      run_on(cpu);
      EXPECT_EQ(hz_rseq_cpu(area), cpu);
    }).join();
}

TEST(Rseq, AClaimIsOfAFreeWordOnItsCpu) {
  if (!available())
    GTEST_SKIP() << "no restartable sequences here";
  std::thread([] {
    const unsigned cpu = cpus().front();
    run_on(cpu);
    uint32_t word = 0;
    EXPECT_FALSE(hz_rseq_claim(area, cpu + 1, &word));
    EXPECT_EQ(word, 0u);
    EXPECT_TRUE(hz_rseq_claim(area, cpu, &word));
    EXPECT_EQ(word, 1u);
    EXPECT_FALSE(hz_rseq_claim(area, cpu, &word));
    word = hz_rseq_token();
    EXPECT_FALSE(hz_rseq_claim(area, cpu, &word));
  }).join();
}

TEST(Rseq, TokensAreNotAlike) {
  std::set<uint32_t> seen = {0, 1};
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(seen.insert(hz_rseq_token()).second);
}

struct Shared {
  uint32_t word = 0;
  uint32_t inside = 0; // how many believe that they hold it
  uint64_t work = 0;   // by holders, without an atomic
  uint64_t met = 0, done = 0;
  // Stores of a program that claims overtake: the claim waits behind them, unseen by others.
  char far[64 << 12];
};

void hold(Shared *s) {
  if (hz_add_relaxed(&s->inside, 1u) != 0)
    hz_add_relaxed(&s->met, uint64_t{1});
  s->work++;
  hz_sub_relaxed(&s->inside, 1u);
  hz_add_relaxed(&s->done, uint64_t{1});
  hz_store_release(&s->word, 0u);
}

// Two threads on a CPU claim, two more take the word away from another, until both have often had
// it.
TEST(Rseq, OneHolderAtATime) {
  if (!available())
    GTEST_SKIP() << "no restartable sequences here";
  static Shared s;
  const std::vector<unsigned> all = cpus();
  std::vector<std::thread> threads;
  uint64_t claimed = 0, taken = 0;
  const auto enough = [&] {
    return hz_load_relaxed(&claimed) > 100000 && hz_load_relaxed(&taken) > 1000;
  };
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      run_on(all.front());
      for (unsigned i = 0; !enough(); ++i) {
        hz_store_relaxed(&s.far[i * 4096 % sizeof s.far], char{1});
        if (hz_rseq_claim(area, all.front(), &s.word)) {
          hold(&s);
          hz_add_relaxed(&claimed, uint64_t{1});
        }
      }
    });
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      run_on(all.back());
      while (!enough()) {
        uint32_t free = 0, token = hz_rseq_token();
        if (!hz_cas_acquire(&s.word, &free, token))
          continue;
        if (hz_rseq_barrier_all() && hz_load_acquire(&s.word) == token) {
          hold(&s);
          hz_add_relaxed(&taken, uint64_t{1});
        }
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(s.met, 0u);
  EXPECT_EQ(s.work, s.done);
  EXPECT_EQ(s.word, 0u);
}

} // namespace
