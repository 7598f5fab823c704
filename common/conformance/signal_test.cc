// Signal handlers that interrupt the allocator anywhere. The handlers themselves do not allocate
// (no C library allows it); what must hold is that the interrupted call goes on correctly and that
// leaving the process from a handler works.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <atomic>
#include <csetjmp>
#include <cstdlib>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace conformance {
namespace {

volatile sig_atomic_t g_ticks = 0;

void install(int signal_number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal_number, &action, nullptr);
}

void set_timer(long microseconds) {
  itimerval timer = {};
  timer.it_interval.tv_usec = microseconds;
  timer.it_value.tv_usec = microseconds;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// Allocates and frees every kind of block until *done says so; false when content was lost.
template <typename Done> bool work_until(uint64_t seed, Done done) {
  constexpr size_t kSlots = 64;
  void *blocks[kSlots] = {};
  size_t sizes[kSlots] = {};
  Random random(seed);
  bool good = true;
  while (!done()) {
    const size_t at = random.below(kSlots);
    if (blocks[at] != nullptr)
      good = good && pattern_mismatch(blocks[at], sizes[at], at) == sizes[at];
    sizes[at] =
        random.below(100) == 0 ? random.log_uniform(40000, 1000000) : random.log_uniform(1, 4000);
    blocks[at] = api::realloc(blocks[at], sizes[at]);
    pattern_fill(blocks[at], sizes[at], at);
    if (random.below(2) == 0) {
      api::free(blocks[at]);
      blocks[at] = nullptr;
    }
  }
  for (void *block : blocks)
    api::free(block);
  return good;
}

TEST(Signals, ATimerInterruptsAllocationsEverywhere) {
  g_ticks = 0;
  install(SIGALRM, [](int) { g_ticks = g_ticks + 1; });
  set_timer(200);
  std::atomic<bool> other_good{true};
  std::thread other([&] { other_good = work_until(2, [] { return g_ticks >= 5000; }); });
  EXPECT_TRUE(work_until(1, [] { return g_ticks >= 5000; }));
  other.join();
  set_timer(0);
  install(SIGALRM, SIG_DFL);
  EXPECT_TRUE(other_good);
}

TEST(Signals, AHandlerMayForkWithoutTheForkHandlersOfTheLibrary) {
  // _Fork is the async-signal-safe one; the child only leaves.
  g_ticks = 0;
  install(SIGALRM, [](int) {
    const pid_t child = _Fork();
    if (child == 0)
      _exit(0);
    int status = 0;
    waitpid(child, &status, 0);
    g_ticks = g_ticks + 1;
  });
  set_timer(2000);
  EXPECT_TRUE(work_until(3, [] { return g_ticks >= 50; }));
  set_timer(0);
  install(SIGALRM, SIG_DFL);
}

// The child allocates in three threads; after a little more processor time each round, whichever
// thread is running takes the signal and its handler leaves the process in the middle of it.
void leave_from_handler(void (*handler)(int), int times, bool by_exit, int expected) {
  for (int i = 0; i < times; ++i) {
    const ChildEnd end = run_child([&](const Notes &) {
      install(SIGPROF, handler);
      std::atomic<int> started{0};
      auto busy = [&] {
        ++started;
        work_until(static_cast<uint64_t>(i), [] { return false; });
      };
      std::thread a(busy), b(busy);
      while (started < 2)
        sched_yield();
      itimerval timer = {};
      timer.it_value.tv_usec = 1 + i * 211;
      setitimer(ITIMER_PROF, &timer, nullptr);
      busy();
    });
    if (by_exit) {
      ASSERT_TRUE(end.exited) << end.describe();
      ASSERT_EQ(end.code, expected) << end.describe();
    } else {
      ASSERT_FALSE(end.exited) << end.describe();
      ASSERT_EQ(end.signal, expected) << end.describe();
    }
  }
}

TEST(Signals, ExitNowFromAHandler) {
  leave_from_handler([](int) { _exit(42); }, rounds(30), true, 42);
}

TEST(Signals, QuickExitFromAHandler) {
  leave_from_handler([](int) { std::quick_exit(43); }, rounds(30), true, 43);
}

TEST(Signals, AbortFromAHandler) {
  leave_from_handler([](int) { std::abort(); }, rounds(30), false, SIGABRT);
}

TEST(Signals, ExecFromAHandler) {
  leave_from_handler([](int) { execl("/bin/true", "true", static_cast<char *>(nullptr)); },
                     rounds(20), true, 0);
}

sigjmp_buf g_back;

TEST(Signals, AJumpOutOfAHandlerBetweenCallsLosesNothing) {
  // The jump leaves application code, never the allocator: the signal is blocked around each call.
  sigset_t tick, old;
  sigemptyset(&tick);
  sigaddset(&tick, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &tick, &old);
  install(SIGALRM, [](int) {
    g_ticks = g_ticks + 1;
    siglongjmp(g_back, 1);
  });
  g_ticks = 0;
  static void *block;
  static size_t size;
  block = nullptr;
  size = 0;
  set_timer(500);
  static int bad;
  bad = 0;
  while (g_ticks < 1000) {
    if (sigsetjmp(g_back, 1) == 0) {
      if (block != nullptr)
        bad += pattern_mismatch(block, size, 1) != size;
      size = 1 + static_cast<size_t>(g_ticks) * 13 % 50000;
      block = api::realloc(block, size);
      pattern_fill(block, size, 1);
      pthread_sigmask(SIG_UNBLOCK, &tick, nullptr);
      for (volatile int spin = 0; spin < 20000; spin = spin + 1) {
      }
      pthread_sigmask(SIG_BLOCK, &tick, nullptr);
    }
  }
  set_timer(0);
  install(SIGALRM, SIG_IGN);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  install(SIGALRM, SIG_DFL);
  api::free(block);
  EXPECT_EQ(bad, 0);
}

TEST(Signals, OnAnAlternateStack) {
  static char stack[256 * 1024];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  ASSERT_EQ(sigaltstack(&alternate, nullptr), 0);
  struct sigaction action = {};
  action.sa_handler = [](int) { g_ticks = g_ticks + 1; };
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigaction(SIGALRM, &action, nullptr);
  g_ticks = 0;
  set_timer(500);
  EXPECT_TRUE(work_until(5, [] { return g_ticks >= 1000; }));
  set_timer(0);
  install(SIGALRM, SIG_DFL);
  alternate.ss_flags = SS_DISABLE;
  sigaltstack(&alternate, nullptr);
}

} // namespace
} // namespace conformance
