#include "common/sync/lock.h"

#include <atomic>
#include <ctime>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

namespace {

constexpr enum hz_lock_rank kRank = HZ_RANK_CENTRAL;

double thread_cpu_seconds() {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

TEST(Lock, ZeroIsUnlocked) {
  static struct hz_lock lock;
  EXPECT_EQ(sizeof lock, 4u);
  ASSERT_TRUE(hz_lock_try(&lock, kRank));
  EXPECT_FALSE(hz_lock_try(&lock, kRank));
  hz_lock_release(&lock, kRank);
  hz_lock_acquire(&lock, kRank);
  EXPECT_EQ(lock.state, 1u);
  hz_lock_release(&lock, kRank);
  EXPECT_EQ(lock.state, 0u);
}

// Many more threads than cores, a plain counter as the witness (TSan sees a missing order, we see a
// missing exclusion).
TEST(Lock, OneAtATime) {
  constexpr int kThreads = 16, kRounds = 20000;
  struct hz_lock lock = {0};
  long counter = 0, inside = 0;
  bool overlap = false;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; i++) {
        if ((i + t) % 7 == 0) {
          if (!hz_lock_try(&lock, kRank))
            hz_lock_acquire(&lock, kRank);
        } else {
          hz_lock_acquire(&lock, kRank);
        }
        overlap = overlap || inside != 0;
        inside = 1;
        counter++;
        if (i % 1024 == 0)
          std::this_thread::yield(); // be descheduled inside
        inside = 0;
        hz_lock_release(&lock, kRank);
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_FALSE(overlap);
  EXPECT_EQ(counter, static_cast<long>(kThreads) * kRounds);
  EXPECT_EQ(lock.state, 0u);
}

TEST(Lock, AWaiterSleeps) {
  struct hz_lock lock = {0};
  hz_lock_acquire(&lock, kRank);
  std::atomic<bool> waiting{false};
  double cpu = 1;
  std::thread waiter([&] {
    double before = thread_cpu_seconds();
    waiting = true;
    hz_lock_acquire(&lock, kRank);
    cpu = thread_cpu_seconds() - before;
    hz_lock_release(&lock, kRank);
  });
  while (!waiting)
    std::this_thread::yield();
  usleep(200000);
  hz_lock_release(&lock, kRank);
  waiter.join();
  EXPECT_LT(cpu, 0.1);
}

// Each release wakes one; all of those that waited come through.
TEST(Lock, NobodyIsForgotten) {
  for (int round = 0; round < 20; round++) {
    struct hz_lock lock = {0};
    hz_lock_acquire(&lock, kRank);
    std::atomic<int> through{0};
    std::vector<std::thread> threads;
    threads.reserve(32);
    for (int t = 0; t < 32; t++)
      threads.emplace_back([&] {
        hz_lock_acquire(&lock, kRank);
        through++;
        hz_lock_release(&lock, kRank);
      });
    usleep(1000);
    hz_lock_release(&lock, kRank);
    for (std::thread &t : threads)
      t.join();
    ASSERT_EQ(through, 32);
  }
}

#if !defined(__SANITIZE_THREAD__)
TEST(Lock, AForkedChildOpensItAgain) {
  static struct hz_lock lock;
  hz_lock_acquire(&lock, kRank);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    hz_lock_reset_after_fork(&lock);
    alarm(10);
    hz_lock_acquire(&lock, kRank);
    hz_lock_release(&lock, kRank);
    _exit(lock.state == 0 ? 0 : 1);
  }
  hz_lock_release(&lock, kRank);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// ---- ranks; the functions are there in every variant, hz_lock_acquire calls them in debug ----

struct hz_lock locks[3];

TEST(LockRankDeathTest, RisingRanksAreFine) {
  hz_lock_rank_enter(&locks[2], HZ_RANK_THREADS);
  hz_lock_rank_enter(&locks[1], HZ_RANK_RUNS);
  hz_lock_rank_enter(&locks[0], HZ_RANK_META);
  hz_lock_rank_leave(&locks[1], HZ_RANK_RUNS); // leaving in any order
  hz_lock_rank_leave(&locks[0], HZ_RANK_META);
  hz_lock_rank_leave(&locks[2], HZ_RANK_THREADS);
}

TEST(LockRankDeathTest, FallingRanksAreFatal) {
  hz_lock_rank_enter(&locks[0], HZ_RANK_RUNS);
  EXPECT_DEATH(hz_lock_rank_enter(&locks[1], HZ_RANK_CENTRAL), "locks are taken in rising rank");
  hz_lock_rank_leave(&locks[0], HZ_RANK_RUNS);
}

TEST(LockRankDeathTest, OneRankIsTakenInRisingAddress) {
  for (struct hz_lock &lock : locks)
    hz_lock_rank_enter(&lock, HZ_RANK_CENTRAL);
  EXPECT_DEATH(hz_lock_rank_enter(&locks[2], HZ_RANK_CENTRAL), "rising address");
  EXPECT_DEATH(hz_lock_rank_enter(&locks[0], HZ_RANK_CENTRAL), "rising address");
  for (struct hz_lock &lock : locks)
    hz_lock_rank_leave(&lock, HZ_RANK_CENTRAL);
}

TEST(LockRankDeathTest, AReleaseWithoutALockIsFatal) {
  EXPECT_DEATH(hz_lock_rank_leave(&locks[0], HZ_RANK_LARGE), "was held by this thread");
  EXPECT_DEATH(hz_lock_rank_enter(&locks[0], HZ_RANK_COUNT), "lock rank is known");
}

TEST(LockRankDeathTest, AForkedChildForgets) {
  hz_lock_rank_enter(&locks[0], HZ_RANK_META);
  hz_lock_ranks_forget();
  hz_lock_rank_enter(&locks[0], HZ_RANK_THREADS);
  hz_lock_rank_leave(&locks[0], HZ_RANK_THREADS);
}

TEST(LockRankDeathTest, LocksCheckThemInDebugBuilds) {
  if (!HZ_DEBUG)
    GTEST_SKIP() << "this variant does not check";
  hz_lock_acquire(&locks[0], HZ_RANK_RUNS);
  EXPECT_DEATH(hz_lock_acquire(&locks[1], HZ_RANK_LARGE), "locks are taken in rising rank");
  EXPECT_DEATH(hz_lock_try(&locks[1], HZ_RANK_LARGE), "locks are taken in rising rank");
  EXPECT_DEATH(hz_lock_acquire(&locks[0], HZ_RANK_RUNS), "rising address"); // twice the same
  hz_lock_release(&locks[0], HZ_RANK_RUNS);
  EXPECT_DEATH(hz_lock_release(&locks[0], HZ_RANK_RUNS), "was held by this thread");
}
#endif

} // namespace
