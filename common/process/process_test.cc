#include "common/process/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

std::atomic<int> inits, exits, befores, parents, children;
std::atomic<bool> inside_init_refused;
std::atomic<bool> let_init_end;
int made_by_init; // not atomic: whoever passes the gate must see it
std::atomic<void *> exited_cache;
extern const hz_process_hooks kHooks;

void Init() {
  inits++;
  inside_init_refused = !hz_process_enter(&kHooks); // re-entered by the thread that runs it
  while (!let_init_end)
    usleep(1000);
  made_by_init = 7;
}
void Exit(void *cache) {
  exits++;
  exited_cache = cache;
}
void Before() {
  befores++;
}
void Parent() {
  parents++;
}
void Child() {
  children++;
}

const hz_process_hooks kHooks = {Init, Exit, Before, Parent, Child};

// One process, one life: the steps depend on each other, so they are one test.
TEST(Process, Life) {
  ASSERT_FALSE(hz_process_ready());
  std::atomic<int> entered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; i++) {
    threads.emplace_back([&] {
      EXPECT_TRUE(hz_process_enter(&kHooks));
      EXPECT_TRUE(hz_process_ready());
      EXPECT_EQ(made_by_init, 7);
      entered++;
    });
  }
  while (inits == 0)
    usleep(1000);
  EXPECT_EQ(entered, 0) << "nobody may pass before init has ended";
  let_init_end = true;
  for (auto &t : threads)
    t.join();
  EXPECT_EQ(inits, 1);
  EXPECT_EQ(entered, 32);
  EXPECT_TRUE(inside_init_refused);

  // A cache armed before libc is ready belongs to the initial thread and is not lost.
  int early, late;
  EXPECT_TRUE(hz_thread_arm(&early));
  hz_process_libc_ready();
  hz_process_libc_ready();

  std::thread([&] { EXPECT_TRUE(hz_thread_arm(&late)); }).join();
  EXPECT_EQ(exits, 1);
  EXPECT_EQ(exited_cache, &late);
  std::thread([] {}).join();
  EXPECT_EQ(exits, 1) << "a thread without a cache has nothing to give back";

  pid_t child = fork();
  if (child == 0)
    _exit(befores == 1 && children == 1 && parents == 0 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(befores, 1);
  EXPECT_EQ(parents, 1);
  EXPECT_EQ(children, 0);

  errno = 77;
  EXPECT_TRUE(hz_process_enter(&kHooks));
  EXPECT_EQ(errno, 77);
}

} // namespace
