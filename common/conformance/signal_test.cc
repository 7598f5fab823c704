// Signal handlers that interrupt the allocator anywhere. The handlers themselves do not allocate
// (no C library allows it); what must hold is that the interrupted call goes on correctly and that
// leaving the process from a handler works. Timers come where they come; a tracer comes between any
// two instructions.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <atomic>
#include <csetjmp>
#include <cstdlib>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
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

void set_timer(long microseconds, bool again = true) {
  itimerval timer = {};
  timer.it_interval.tv_usec = again ? microseconds : 0;
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
  // Each time anew: where a fork takes longer than the time between two signals, one after the
  // other would find the program where the last did.
  int seen = -1;
  EXPECT_TRUE(work_until(3, [&seen] {
    if (g_ticks != seen) {
      seen = g_ticks;
      set_timer(2000, false);
    }
    return seen >= 50;
  }));
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

// ---- between any two instructions

// Shared by a traced child and its tracer.
struct Traced {
  volatile int inside;   // the child is in a call of the allocator
  volatile int handling; // ... and in its handler
  volatile int interrupts;
  volatile int left;   // copies of it that left the process from the handler
  volatile int lost;   // ... otherwise than they should
  volatile int broken; // blocks that were not as they had been written
};
Traced *g_traced;

// The handler lets copies of the process leave from here, in the ways that are allowed here.
void interrupted(int) {
  g_traced->handling = 1;
  const int number = ++g_traced->interrupts;
  if (number % 40 == 0) {
    const pid_t copy = _Fork();
    if (copy == 0) {
      alarm(10); // only a dead-lock takes so long
      if (number % 80 == 0)
        std::quick_exit(43);
      std::abort();
    }
    int status = 0;
    waitpid(copy, &status, 0);
    const bool good = number % 80 == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 43
                                       : WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    ++g_traced->left;
    g_traced->lost = g_traced->lost + !good;
  }
  g_traced->handling = 0;
}

template <typename Call> auto while_inside(Call call) {
  g_traced->inside = 1;
  auto result = call();
  g_traced->inside = 0;
  return result;
}

// One block of each kind at a time: small, of a few pages, large; each grown once.
[[noreturn]] void work_traced() {
  install(SIGUSR1, interrupted);
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  raise(SIGSTOP);
  Random random(7);
  for (;;) {
    const size_t size = random.log_uniform(1, random.below(8) == 0 ? 600000 : 9000);
    const size_t more = size + 1 + random.below(size);
    const size_t seen = size < 64 ? size : 64; // writing is stepped through as well
    void *block = while_inside([&] { return api::malloc(size); });
    pattern_fill(block, seen, size);
    block = while_inside([&] { return api::realloc(block, more); });
    g_traced->broken = g_traced->broken + (pattern_mismatch(block, seen, size) != seen);
    while_inside([&] {
      api::free(block);
      return 0;
    });
  }
}

// Returns: whether the child stopped again, after its step or since a copy of it ended.
bool step(pid_t child, int signal_number) {
  int status = 0;
  if (ptrace(PTRACE_SINGLESTEP, child, nullptr, signal_number) != 0 ||
      waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
    return false;
  return WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGCHLD;
}

TEST(Signals, AHandlerBetweenAnyTwoInstructions) {
  g_traced = static_cast<Traced *>(
      mmap(nullptr, sizeof(Traced), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  if (child == 0)
    work_traced();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (!WIFSTOPPED(status) || ptrace(PTRACE_SINGLESTEP, child, nullptr, 0) != 0) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    GTEST_SKIP() << "SKIPPED: this machine lets nobody trace";
  }
  bool stopped = waitpid(child, &status, 0) == child && WIFSTOPPED(status);
  const int most = rounds(25000);
  for (int i = 0, inside = 0; stopped && i < most; ++i) {
    // Every third instruction of the allocator's, so that more of it is gone through.
    const bool now = g_traced->inside != 0 && g_traced->handling == 0 && ++inside % 3 == 0;
    stopped = step(child, now ? SIGUSR1 : 0);
  }
  EXPECT_TRUE(stopped) << "the interrupted process ended by itself";
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  EXPECT_EQ(g_traced->broken, 0);
  EXPECT_EQ(g_traced->lost, 0) << "of " << g_traced->left;
  EXPECT_GT(g_traced->interrupts, most / 100);
  EXPECT_GT(g_traced->left, most / 10000);
  munmap(g_traced, sizeof(Traced));
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
