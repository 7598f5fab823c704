// fork, vfork and posix_spawn while other threads allocate: both sides must be able to work on.
// Owns its threads.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char **environ;

namespace conformance {
namespace {

// Threads that allocate and free sizes of every kind until told to stop.
class Churn {
public:
  explicit Churn(size_t threads) {
    for (size_t t = 0; t < threads; ++t) {
      threads_.emplace_back([this, t] {
        Random random(t);
        void *blocks[64] = {};
        while (!stop_.load(std::memory_order_relaxed)) {
          void *&block = blocks[random.below(64)];
          api::free(block);
          const size_t size = random.below(64) == 0 ? random.log_uniform(40000, 2000000)
                                                    : random.log_uniform(1, 40000);
          block = api::malloc(size);
          *static_cast<char *>(block) = 1;
          rounds_.fetch_add(1, std::memory_order_relaxed);
        }
        for (void *block : blocks)
          api::free(block);
      });
    }
    while (rounds_.load() < 1000)
      sched_yield();
  }
  ~Churn() {
    stop_ = true;
    for (std::thread &thread : threads_)
      thread.join();
  }

private:
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> rounds_{0};
  std::vector<std::thread> threads_;
};

constexpr size_t kKept = 200;

// What a child does: uses and frees what it inherited, allocates anew, and starts a thread of its
// own now and then.
int child_work(void **kept, int round) {
  for (size_t i = 0; i < kKept; ++i) {
    const size_t size = i * i + 1;
    if (pattern_mismatch(kept[i], size, i) != size)
      return 1;
    if (i % 3 == 0) {
      api::free(kept[i]);
    } else if (i % 3 == 1) {
      void *const moved = api::realloc(kept[i], 2 * size);
      if (moved == nullptr || pattern_mismatch(moved, size, i) != size)
        return 2;
      api::free(moved);
    }
  }
  void *blocks[100];
  for (size_t i = 0; i < 100; ++i) {
    blocks[i] = api::malloc(i * 300);
    if (blocks[i] == nullptr)
      return 3;
    pattern_fill(blocks[i], i * 300, i);
  }
  for (size_t i = 0; i < 100; ++i) {
    if (pattern_mismatch(blocks[i], i * 300, i) != i * 300)
      return 4;
    api::free(blocks[i]);
  }
  if (round % 10 == 0) {
    std::atomic<bool> good{false};
    std::thread thread([&] {
      void *const block = api::malloc(1000000);
      good = block != nullptr;
      api::free(block);
      api::free(api::malloc(50));
    });
    thread.join();
    if (!good)
      return 5;
  }
  return 0;
}

void reap(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status)
                                 << (WTERMSIG(status) == SIGALRM ? ": the child hung" : "");
  ASSERT_EQ(WEXITSTATUS(status), 0);
}

void fork_storm(int forks) {
  void *kept[kKept];
  for (size_t i = 0; i < kKept; ++i) {
    kept[i] = api::malloc(i * i + 1);
    pattern_fill(kept[i], i * i + 1, i);
  }
  Churn churn(2);
  for (int round = 0; round < forks; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      limit_life(300); // only a hang reaches it
      _exit(child_work(kept, round));
    }
    void *const mine =
        api::malloc(static_cast<size_t>(round) * 10 + 1); // the parent works on meanwhile
    pattern_fill(mine, static_cast<size_t>(round) * 10 + 1, 1);
    api::free(mine);
    reap(child);
    if (testing::Test::HasFatalFailure())
      return;
  }
  for (size_t i = 0; i < kKept; ++i) {
    EXPECT_EQ(pattern_mismatch(kept[i], i * i + 1, i), i * i + 1);
    api::free(kept[i]);
  }
}

TEST(Fork, StormWithOtherThreadsAllocating) {
  fork_storm(rounds(500));
}

// Only run when asked for by name (the manual target).
TEST(Fork, DISABLED_TenThousand) {
  fork_storm(10000);
}

TEST(Fork, FromAThreadThatIsNotMain) {
  Churn churn(2);
  std::thread forker([] {
    void *const before = api::malloc(5000);
    pattern_fill(before, 5000, 4);
    for (int i = 0; i < 50; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        limit_life(300);
        const bool good = pattern_mismatch(before, 5000, 4) == 5000;
        api::free(before);
        void *const block = api::calloc(100, 100);
        const bool zero = first_nonzero(block, 10000) == 10000;
        api::free(block);
        _exit(good && zero ? 0 : 1);
      }
      reap(child);
    }
    api::free(before);
  });
  forker.join();
}

TEST(Fork, AChildThatExitsNormallyRunsItsExitHandlers) {
  Churn churn(2);
  for (int i = 0; i < 40; ++i) {
    std::fflush(nullptr);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      limit_life(300);
      dup2(STDERR_FILENO, STDOUT_FILENO);
      std::atexit([] { api::free(api::malloc(100000)); });
      std::exit(0);
    }
    reap(child);
    if (HasFatalFailure())
      return;
  }
}

TEST(Fork, GenerationsOfChildren) {
  Churn churn(2);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    limit_life(300);
    for (int depth = 0; depth < 8; ++depth) {
      std::atomic<bool> stop{false};
      std::thread thread([&] {
        while (!stop)
          api::free(api::malloc(777));
      });
      const pid_t next = fork();
      if (next == 0)
        thread.detach(); // it does not exist here
      stop = true;
      if (next != 0) {
        thread.join();
        int status = 0;
        waitpid(next, &status, 0);
        _exit(next > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 9);
      }
    }
    void *const block = api::malloc(123456);
    _exit(block != nullptr ? 0 : 8);
  }
  reap(child);
}

TEST(Vfork, AndExecWithOtherThreadsAllocating) {
  Churn churn(3);
  for (int i = 0; i < 100; ++i) {
    const pid_t child = vfork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      execl("/bin/true", "true", static_cast<char *>(nullptr));
      _exit(127);
    }
    reap(child);
    if (HasFatalFailure())
      return;
    api::free(api::malloc(1000));
  }
}

TEST(PosixSpawn, FromSeveralThreadsAtOnce) {
  Churn churn(2);
  std::atomic<int> faults{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        char name[] = "true";
        char *const argv[] = {name, nullptr};
        pid_t child = 0;
        int status = 0;
        if (posix_spawn(&child, "/bin/true", nullptr, nullptr, argv, environ) != 0 ||
            waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
          ++faults;
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(faults, 0);
}

TEST(Popen, ReadsWhatAShellSays) {
  Churn churn(2);
  for (int i = 0; i < 30; ++i) {
    FILE *const pipe = popen("echo said", "r");
    ASSERT_NE(pipe, nullptr);
    char line[16] = {};
    EXPECT_NE(std::fgets(line, sizeof(line), pipe), nullptr);
    EXPECT_STREQ(line, "said\n");
    EXPECT_EQ(pclose(pipe), 0);
  }
}

} // namespace
} // namespace conformance
