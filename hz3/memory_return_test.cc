// After a program has freed everything, idled and done a little more, its memory is back: issue by
// the resident set, as the kernel counts it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <random>
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

void frees_everything(size_t count, size_t largest, Order order) {
  a_thousand_calls();
  std::mt19937_64 random(7);
  std::vector<void *> blocks(count);
  memset(blocks.data(), 0, count * sizeof(void *));
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
  // Nothing happens while the program idles, so the bound of the arena holds: 1 MiB or 1/64 of the
  // peak.
  EXPECT_LE(idle, floor + std::max(kAllowedKib, peak / 64 + kAllowedKib));
}

TEST(MemoryReturn, SmallBlocksForward) {
  frees_everything(200000, 2000, Order::kForward);
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

} // namespace
