#include "bench/lab/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

double now_s() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

// A shell command as a cell; its output is dropped.
pid_t spawn(launcher *l, const char *command, const char *folder = "/") {
  static int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  const char *argv[] = {"/bin/sh", "-c", command, nullptr};
  const char *env[] = {"PATH=/usr/bin:/bin", nullptr};
  launch what = {
      const_cast<char **>(argv), const_cast<char **>(env), folder, nullptr, nothing, nothing};
  return launcher_spawn(l, &what);
}

bool gone_within(pid_t pid, double seconds) {
  for (double end = now_s() + seconds; now_s() < end; poll(nullptr, 0, 10))
    if (kill(pid, 0) != 0 && errno == ESRCH)
      return true;
  return false;
}

pid_t read_pid(const std::string &path) {
  for (int i = 0; i < 300; i++) {
    FILE *in = fopen(path.c_str(), "r");
    int pid = 0;
    bool got = in != nullptr && fscanf(in, "%d", &pid) == 1;
    if (in != nullptr)
      fclose(in);
    if (got)
      return pid;
    poll(nullptr, 0, 10);
  }
  return 0;
}

class Launcher : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder), nullptr);
    ASSERT_TRUE(launcher_start(&l));
  }
  void TearDown() override {
    launcher_shutdown(&l);
    unlink(file("child").c_str());
    unlink(file("cell").c_str());
    rmdir(folder);
  }
  std::string file(const char *name) { return std::string(folder) + "/" + name; }
  launcher l;
  launch_end end;
  char folder[sizeof P_tmpdir "/launcher_test_XXXXXX"] = P_tmpdir "/launcher_test_XXXXXX";
};

TEST_F(Launcher, GivesStatusAndAccount) {
  ASSERT_GT(spawn(&l, "exit 7"), 0);
  launcher_go(&l);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  EXPECT_EQ(WEXITSTATUS(end.status), 7);
  EXPECT_GT(end.usage.ru_maxrss, 0);
  EXPECT_GT(end.wall_s, 0);
}

TEST_F(Launcher, PeakMemoryIsTheCellsOwn) {
  // The test grows first; a child forked from it directly would start at that size.
  const size_t bytes = 256u << 20;
  char *block = static_cast<char *>(malloc(bytes));
  for (size_t i = 0; i < bytes; i += 4096)
    block[i] = 1;
  ASSERT_GT(spawn(&l, "exit 0"), 0);
  launcher_go(&l);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  EXPECT_LT(end.usage.ru_maxrss, 64 * 1024);
  EXPECT_EQ(block[0], 1);
  free(block);
}

TEST_F(Launcher, NothingRunsBeforeTheGate) {
  std::string command = "echo $$ >" + file("cell");
  ASSERT_GT(spawn(&l, command.c_str()), 0);
  poll(nullptr, 0, 100);
  EXPECT_NE(access(file("cell").c_str(), F_OK), 0);
  launcher_go(&l);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  EXPECT_EQ(access(file("cell").c_str(), F_OK), 0);
}

TEST_F(Launcher, StopIsTermThenKill) {
  ASSERT_GT(spawn(&l, "trap '' TERM; while :; do sleep 0.05; done"), 0);
  launcher_go(&l);
  poll(nullptr, 0, 200);
  double before = now_s();
  launcher_stop(&l, 300);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  EXPECT_EQ(WTERMSIG(end.status), SIGKILL);
  EXPECT_GE(now_s() - before, 0.29);
  EXPECT_LT(now_s() - before, 2);
}

TEST_F(Launcher, WhatACellLeavesBehindEndsWithIt) {
  std::string command = "setsid sleep 1000 & echo $! >" + file("child") + "; exit 0";
  ASSERT_GT(spawn(&l, command.c_str()), 0);
  launcher_go(&l);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  pid_t child = read_pid(file("child"));
  ASSERT_GT(child, 0);
  EXPECT_TRUE(gone_within(child, 1));
}

TEST_F(Launcher, ADeadLauncherTakesTheCellWithIt) {
  pid_t cell = spawn(&l, "sleep 1000");
  ASSERT_GT(cell, 0);
  launcher_go(&l);
  kill(l.pid, SIGKILL);
  ASSERT_TRUE(launcher_ended(&l, 5000, &end));
  EXPECT_EQ(WTERMSIG(end.status), SIGKILL);
  EXPECT_TRUE(gone_within(cell, 2));
  EXPECT_EQ(spawn(&l, "exit 0"), -1);
}

TEST_F(Launcher, AKilledLabLeavesNothing) {
  // A lab in a process of its own, killed without a chance to clean up.
  pid_t lab = fork();
  if (lab == 0) {
    launcher inner;
    if (!launcher_start(&inner))
      _exit(1);
    std::string command =
        "sleep 1000 & echo $! >" + file("child") + "; echo $$ >" + file("cell") + "; wait";
    spawn(&inner, command.c_str());
    launcher_go(&inner);
    pause();
    _exit(0);
  }
  pid_t cell = read_pid(file("cell")), child = read_pid(file("child"));
  ASSERT_GT(cell, 0);
  ASSERT_GT(child, 0);
  kill(lab, SIGKILL);
  waitpid(lab, nullptr, 0);
  EXPECT_TRUE(gone_within(cell, 4));
  EXPECT_TRUE(gone_within(child, 4));
}

} // namespace
