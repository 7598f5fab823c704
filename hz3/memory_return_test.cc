// After a program has freed everything, idled and done a little more, its memory is back: issue by
// the resident set, as the kernel counts it.
#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <mutex>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

namespace {

constexpr size_t kAllowedKib = 2048;

size_t rss_kib() {
  char text[4096];
  int fd = open("/proc/self/status", O_RDONLY);
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  const char *line = strstr(text, "VmRSS:");
  return line ? strtoul(line + 6, nullptr, 10) : 0;
}

void *volatile kept;

void a_thousand_calls() {
  std::mt19937_64 random(3);
  std::vector<void *> blocks(1000);
  for (void *&p : blocks) {
    p = malloc(16 + random() % 4000);
    memset(p, 1, 16);
  }
  for (void *p : blocks)
    free(p);
}

enum class Order { kForward, kBackward, kRandom };
enum class Floor { kAsItIs, kTrimmed };

void frees_everything(size_t count, size_t largest, Order order, Floor before = Floor::kAsItIs) {
  a_thousand_calls();
  std::mt19937_64 random(7);
  std::vector<void *> blocks(count);
  memset(blocks.data(), 0, count * sizeof(void *));
  if (before == Floor::kTrimmed)
    malloc_trim(0);
  a_thousand_calls();
  size_t floor = rss_kib();
  for (void *&p : blocks) {
    double u = static_cast<double>(random() % 1000000) / 1e6;
    size_t bytes = 16 + static_cast<size_t>(static_cast<double>(largest) * u * u * u);
    p = malloc(bytes);
    memset(p, 1, bytes);
  }
  size_t peak = rss_kib();
  if (order == Order::kRandom)
    std::shuffle(blocks.begin(), blocks.end(), random);
  if (order == Order::kBackward)
    std::reverse(blocks.begin(), blocks.end());
  for (void *p : blocks)
    free(p);
  size_t freed = rss_kib();
  usleep(1000000);
  size_t idle = rss_kib();
  a_thousand_calls();
  size_t after = rss_kib();
  malloc_trim(0);
  size_t trimmed = rss_kib();
  printf("KiB: floor %zu, peak +%zu, freed +%zd, idle +%zd, after a thousand calls +%zd, trimmed "
         "+%zd\n",
         floor, peak - floor, static_cast<ssize_t>(freed - floor),
         static_cast<ssize_t>(idle - floor), static_cast<ssize_t>(after - floor),
         static_cast<ssize_t>(trimmed - floor));
  EXPECT_GT(peak, floor + 50 * 1024);
  EXPECT_LE(after, floor + kAllowedKib);
  EXPECT_LE(trimmed, floor + kAllowedKib);
  // Nothing happens while the program idles, so what was bounded at the last free stays: 1 MiB or
  // 1/64 of the peak.
  EXPECT_LE(idle, floor + std::max(kAllowedKib, peak / 64 + kAllowedKib));
}

TEST(MemoryReturn, SmallBlocksForward) {
  frees_everything(200000, 2000, Order::kForward);
}
TEST(MemoryReturn, SmallBlocksAfterATrim) {
  frees_everything(200000, 2000, Order::kForward, Floor::kTrimmed);
}
TEST(MemoryReturn, SmallBlocksInRandomOrder) {
  frees_everything(200000, 2000, Order::kRandom);
}
TEST(MemoryReturn, MixedBlocksBackward) {
  frees_everything(20000, 32768, Order::kBackward);
}
TEST(MemoryReturn, MixedBlocksInRandomOrder) {
  frees_everything(20000, 32768, Order::kRandom);
}
TEST(MemoryReturn, BlocksUpToTheLargestClass) {
  frees_everything(5000, 131072, Order::kRandom);
}

constexpr unsigned kSleepers = 8, kEach = 150000;

// Returns: KiB above the floor while threads sleep that freed all they made, while others still
// allocated.
ssize_t asleep_above_floor() {
  std::mutex mutex;
  std::condition_variable changed;
  unsigned full = 0, empty = 0;
  bool over = false;
  const size_t floor = rss_kib();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kSleepers; t++)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      std::vector<void *> blocks(kEach);
      for (void *&p : blocks) {
        const size_t bytes = 16 + random() % 240;
        p = malloc(bytes);
        memset(p, 1, bytes);
      }
      std::shuffle(blocks.begin(), blocks.end(), random);
      std::unique_lock<std::mutex> lock(mutex);
      if (++full < kSleepers / 2) // the others meet those who free
        changed.wait(lock, [&] { return full >= kSleepers / 2; });
      changed.notify_all();
      lock.unlock();
      for (void *p : blocks)
        free(p);
      std::vector<void *>().swap(blocks);
      lock.lock();
      empty++;
      changed.notify_all();
      changed.wait(lock, [&] { return over; });
    });
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return empty == kSleepers; });
  const size_t asleep = rss_kib();
  over = true;
  changed.notify_all();
  lock.unlock();
  for (std::thread &thread : threads)
    thread.join();
  return static_cast<ssize_t>(asleep) - static_cast<ssize_t>(floor);
}

// What lies in the bins of threads that sleep must not hold a span for each block. How much it
// holds depends on who ran when: the median of many times.
TEST(MemoryReturn, ThreadsThatSleepHoldLittle) {
  constexpr ssize_t kLive = ssize_t{kSleepers} * kEach * 136 / 1024;
  a_thousand_calls();
  std::vector<ssize_t> held(41);
  for (ssize_t &kib : held)
    kib = asleep_above_floor();
  std::sort(held.begin(), held.end());
  printf("KiB: live %zd, asleep +%zd to +%zd, median +%zd\n", kLive, held.front(), held.back(),
         held[held.size() / 2]);
  EXPECT_LE(held[held.size() / 2], kLive / 4);
}

} // namespace
