// main of the tests that run once with each front end (HZ4_FRONT), and once as it comes.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/base/units.h"
#include "gtest/gtest.h"

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!HZ_FAST && !getenv("HZ4_FRONT")) {
    for (const char *front : {"thread", "cpu"}) {
      pid_t child = fork();
      if (child == 0) {
        setenv("HZ4_FRONT", front, 1);
        execv("/proc/self/exe", argv);
        _exit(127);
      }
      int status = 0;
      waitpid(child, &status, 0);
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "front=%s failed\n", front);
        return 1;
      }
    }
  }
  return RUN_ALL_TESTS();
}
