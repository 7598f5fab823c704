#include "common/fail/check.h"
#include "common/fail/fail.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

namespace {

std::string format_to(size_t cap, const std::function<size_t(char *, size_t)> &call) {
  std::vector<char> out(cap + 8, '#');
  size_t n = call(out.data(), cap);
  EXPECT_LT(n, cap);
  EXPECT_EQ(out[n], '\0');
  for (size_t i = cap; i < out.size(); i++)
    EXPECT_EQ(out[i], '#'); // nothing behind the end
  return std::string(out.data(), n);
}

#define FORMAT(cap, ...)                                                                           \
  format_to(cap, [&](char *out_, size_t cap_) { return hz_format(out_, cap_, __VA_ARGS__); })

TEST(Format, EachConversion) {
  EXPECT_EQ(FORMAT(64, "plain"), "plain");
  EXPECT_EQ(FORMAT(64, "%s and %s", "one", "two"), "one and two");
  EXPECT_EQ(FORMAT(64, "%u %u", 0u, 4294967295u), "0 4294967295");
  EXPECT_EQ(FORMAT(64, "%lu", UINT64_MAX), "18446744073709551615");
  EXPECT_EQ(FORMAT(64, "%zu", static_cast<size_t>(48)), "48");
  EXPECT_EQ(FORMAT(64, "%x %lx", 0xdeadbeefu, UINT64_MAX), "deadbeef ffffffffffffffff");
  EXPECT_EQ(FORMAT(64, "%p", reinterpret_cast<void *>(0x7f12a0010040)), "0x7f12a0010040");
  EXPECT_EQ(FORMAT(64, "%p", static_cast<void *>(nullptr)), "0x0");
  EXPECT_EQ(FORMAT(64, "100%%"), "100%");
}

TEST(Format, WhatDoesNotFitIsDropped) {
  EXPECT_EQ(FORMAT(1, "%s", "text"), "");
  EXPECT_EQ(FORMAT(4, "%s", "text"), "tex");
  EXPECT_EQ(FORMAT(6, "%u%u", 1234u, 5678u), "12345");
  char untouched = '#';
  EXPECT_EQ(hz_format(&untouched, 0, "%s", "text"), 0u);
  EXPECT_EQ(untouched, '#');
}

TEST(Write, AllOfItThroughAPipeThatIsFull) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  std::string text(300000, 'x'), got;
  std::thread reader([&] {
    char part[4096];
    while (got.size() < text.size()) {
      struct pollfd ready = {ends[0], POLLIN, 0};
      if (poll(&ready, 1, 5000) != 1)
        return;
      ssize_t n = read(ends[0], part, sizeof part);
      if (n > 0)
        got.append(part, static_cast<size_t>(n));
    }
  });
  errno = 4711;
  hz_write_all(ends[1], text.data(), text.size());
  EXPECT_EQ(errno, 4711);
  reader.join();
  EXPECT_EQ(got, text);
  close(ends[0]);
  close(ends[1]);
}

TEST(Write, ToNobodyReturns) {
  errno = 4711;
  hz_write_all(-1, "text", 4);
  EXPECT_EQ(errno, 4711);
}

// ---- faults; each in a child whose stderr we read ----

struct End {
  std::string text;
  int signal = 0;
};

End run(const std::function<void()> &body, bool with_stderr = true) {
  int ends[2];
  End end;
  if (pipe(ends) != 0)
    return end;
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    if (with_stderr)
      dup2(ends[1], STDERR_FILENO);
    else
      close(STDERR_FILENO);
    close(ends[1]);
    alarm(60);
    hz_fail_set_generation("hz9");
    body();
    _exit(0);
  }
  close(ends[1]);
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
    end.text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return end;
}

void expect_line(const std::function<void()> &body, const std::string &expression) {
  End end = run(body);
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_EQ(std::count(end.text.begin(), end.text.end(), '\n'), 1) << end.text;
  EXPECT_TRUE(testing::internal::RE::FullMatch(end.text, testing::internal::RE(expression + "\n")))
      << end.text;
}

const void *const kPointer = reinterpret_cast<const void *>(0x7f12a0010040);

TEST(Fail, OneLineForEachFault) {
  const std::string where = "0x7f12a0010040 passed to ";
  const std::string thread = ", thread [0-9]+";
  expect_line([] { hz_fail_double_free(kPointer, 48, HZ_API_FREE); },
              "hz9: double free: " + where + "free \\(48-byte block\\)" + thread);
  expect_line([] { hz_fail_double_free(kPointer, 0, HZ_API_DELETE_ARRAY); },
              "hz9: double free: " + where + "operator delete\\[\\]" + thread);
  expect_line([] { hz_fail_invalid_free(kPointer, 0, HZ_API_REALLOC); },
              "hz9: invalid free: " + where + "realloc \\(in no block\\)" + thread);
  expect_line([] { hz_fail_invalid_free(kPointer, 64, HZ_API_FREE); },
              "hz9: invalid free: " + where + "free \\(not the start of a 64-byte block\\)" +
                  thread);
  expect_line([] { hz_fail_size_mismatch(kPointer, 10, 64, HZ_API_FREE_SIZED); },
              "hz9: size mismatch: " + where + "free_sized \\(size 10 given, 64-byte block\\)" +
                  thread);
  expect_line([] { hz_fail_overflow(kPointer, SIZE_MAX, 32, HZ_API_FREE); },
              "hz9: overflow: " + where + "free \\(32-byte block\\)" + thread);
  expect_line([] { hz_fail_overflow(kPointer, 20, 32, HZ_API_FREE); },
              "hz9: overflow: " + where + "free \\(20 bytes in a 32-byte block\\)" + thread);
  expect_line([] { hz_fail_write_after_free(kPointer, 32, HZ_API_MALLOC); },
              "hz9: write after free: " + where + "malloc \\(32-byte block\\)" + thread);
  expect_line([] { hz_fail_family_mismatch(kPointer, 20, HZ_API_NEW_ARRAY, HZ_API_FREE); },
              "hz9: family mismatch: " + where +
                  "free \\(20 bytes allocated by operator new\\[\\]\\)" + thread);
  expect_line([] { hz_fail_corrupt(kPointer, "span header"); },
              "hz9: corrupt metadata: 0x7f12a0010040 \\(span header\\)" + thread);
  expect_line([] { hz_fail_assert("a == b", "x.c", 42); },
              "hz9: internal fault: a == b does not hold at x\\.c:42" + thread);
}

TEST(Fail, TheThreadIsTheOneThatFailed) {
  End end = run([] { hz_fail_double_free(kPointer, 16, HZ_API_FREE); });
  End other = run([] {
    std::thread([] {
      char text[32];
      hz_format(text, sizeof text, "%u\n", static_cast<unsigned>(syscall(SYS_gettid)));
      hz_write_all(STDERR_FILENO, text, strlen(text));
      hz_fail_double_free(kPointer, 16, HZ_API_FREE);
    }).join();
  });
  std::string id = other.text.substr(0, other.text.find('\n'));
  EXPECT_NE(other.text.find(", thread " + id + "\n"), std::string::npos) << other.text;
}

TEST(Fail, AForeignPointerIsShownWhereItLies) {
  expect_line([] { hz_fail_foreign_pointer(reinterpret_cast<void *>(64), HZ_API_FREE); },
              "hz9: foreign pointer: 0x40 passed to free \\(not mapped\\), thread [0-9]+");
  expect_line(
      [] {
        int local = 0;
        hz_fail_foreign_pointer(&local, HZ_API_FREE);
      },
      "hz9: foreign pointer: 0x[0-9a-f]+ passed to free \\(in \\[stack\\]\\), thread [0-9]+");
  expect_line(
      [] {
        static int data = 1;
        hz_fail_foreign_pointer(&data, HZ_API_REALLOC);
      },
      "hz9: foreign pointer: 0x[0-9a-f]+ passed to realloc \\(in [^ /]+\\), thread [0-9]+");
  expect_line(
      [] {
        void *p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        hz_fail_foreign_pointer(p, HZ_API_USABLE_SIZE);
      },
      "hz9: foreign pointer: 0x[0-9a-f]+ passed to malloc_usable_size \\(in an anonymous "
      "mapping\\), thread [0-9]+");
}

TEST(Fail, WithStderrClosedItStillAborts) {
  End end = run([] { hz_fail_double_free(kPointer, 16, HZ_API_FREE); }, false);
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_EQ(end.text, "");
}

TEST(Fail, WithoutDescriptorsToSpareItStillSpeaks) {
  End end = run([] {
    int local = 0;
    while (open("/dev/null", O_RDONLY) >= 0) {
    }
    hz_fail_foreign_pointer(&local, HZ_API_FREE);
  });
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_NE(end.text.find("hz9: foreign pointer: 0x"), std::string::npos);
  EXPECT_NE(end.text.find(" passed to free, thread "), std::string::npos) << end.text;
}

TEST(Fail, OnASmallSignalStack) {
  End end = run([] {
    static char stack[16384];
    stack_t alternative = {};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, nullptr);
    struct sigaction action = {};
    action.sa_handler = [](int) {
      hz_fail_set_backtrace(true);
      int local = 0;
      hz_fail_foreign_pointer(&local, HZ_API_FREE);
    };
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
  });
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_NE(end.text.find("hz9: foreign pointer: 0x"), std::string::npos) << end.text;
}

TEST(Fail, SeveralAtOnceGiveWholeLines) {
  End end = run([] {
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int i = 0; i < 8; i++)
      threads.emplace_back([] { hz_fail_double_free(kPointer, 16, HZ_API_FREE); });
    for (std::thread &t : threads)
      t.join();
  });
  EXPECT_EQ(end.signal, SIGABRT);
  size_t lines = 0;
  for (size_t at = 0; at < end.text.size(); lines++) {
    EXPECT_EQ(end.text.compare(at, 17, "hz9: double free:"), 0) << end.text;
    at = end.text.find('\n', at) + 1;
    ASSERT_NE(at, 0u);
  }
  EXPECT_GE(lines, 1u);
}

__attribute__((noinline)) void fail_with_backtrace() {
  hz_fail_set_backtrace(true);
  hz_fail_double_free(kPointer, 16, HZ_API_FREE);
}

TEST(Fail, ABacktraceFollowsTheLine) {
  End end = run(fail_with_backtrace);
  EXPECT_EQ(end.signal, SIGABRT);
  size_t line_end = end.text.find('\n');
  ASSERT_NE(line_end, std::string::npos);
  EXPECT_EQ(end.text.compare(0, 17, "hz9: double free:"), 0) << end.text;
  std::string frames = end.text.substr(line_end + 1);
  EXPECT_GE(std::count(frames.begin(), frames.end(), '\n'), 4) << end.text;
  EXPECT_TRUE(testing::internal::RE::PartialMatch(
      frames, testing::internal::RE("  #0 0x[0-9a-f]+ [^ ]+\\+0x[0-9a-f]+\n")))
      << frames;
  char self[4096] = "";
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
  std::string name = strrchr(self, '/') + 1;
  EXPECT_NE(frames.find(" " + name.substr(0, 55) + "+0x"), std::string::npos) << frames;
}

TEST(Fail, AWarningIsALineAndNoMore) {
  End end = run([] { hz_warn("memory is short"); });
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.text, "hz9: memory is short\n");
  End big = run([] { hz_warn(std::string(5000, 'x').c_str()); });
  EXPECT_EQ(big.text.back(), '\n');
  EXPECT_EQ(std::count(big.text.begin(), big.text.end(), '\n'), 1);
}

TEST(Fail, EveryFunctionHasItsName) {
  std::vector<std::string> names;
  for (int api = 0; api < HZ_API_COUNT; api++) {
    std::string name = hz_api_name(static_cast<enum hz_api>(api));
    EXPECT_NE(name, "an unknown function");
    for (const std::string &other : names)
      EXPECT_NE(name, other);
    names.push_back(name);
  }
  EXPECT_STREQ(hz_api_name(HZ_API_COUNT), "an unknown function");
}

TEST(Check, AlwaysChecks) {
  HZ_CHECK(2 + 2 == 4);
  expect_line([] { HZ_CHECK(2 + 2 == 5); },
              "hz9: internal fault: 2 \\+ 2 == 5 does not hold at .*fail_test\\.cc:[0-9]+, thread "
              "[0-9]+");
}

TEST(Check, AssertsInDebugBuildsOnly) {
  int evaluated = 0;
  HZ_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, HZ_DEBUG ? 1 : 0);
  End end = run([] { HZ_ASSERT(2 + 2 == 5); });
  EXPECT_EQ(end.signal, HZ_DEBUG ? SIGABRT : 0);
}

} // namespace
