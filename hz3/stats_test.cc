// The figures that programs may ask for: they must add up.
#include "hz3/stats.h"

#include <memory>
#include <vector>

#include "hz3/route.h"
#include "gtest/gtest.h"

namespace {

std::unique_ptr<hz_stats> now() {
  std::unique_ptr<hz_stats> s(new hz_stats());
  hz3_stats(s.get());
  return s;
}

TEST(Stats, LiveBytesFollowTheProgram) {
  size_t before = now()->live_bytes;
  std::vector<void *> held;
  for (int i = 0; i < 1000; i++)
    held.push_back(hz3_alloc(2000, HZ_API_MALLOC));
  held.push_back(hz3_alloc(1 << 20, HZ_API_MALLOC));
  size_t during = now()->live_bytes;
  EXPECT_NEAR(static_cast<double>(during - before), 1000 * 2048 + (1 << 20), 256 * 1024);
  EXPECT_GE(now()->live_large_bytes, size_t{1} << 20);
  for (void *p : held)
    hz3_free(p, HZ_API_FREE);
  EXPECT_NEAR(static_cast<double>(now()->live_bytes), static_cast<double>(before), 64 * 1024);
}

TEST(Stats, PartsOfSpansAddUp) {
  std::unique_ptr<hz_stats> s = now();
  size_t out = 0, small = s->live_bytes - s->live_large_bytes;
  for (size_t i = 0; i < s->classes; i++)
    out += s->cls[i].block_bytes * s->cls[i].blocks_out;
  EXPECT_EQ(s->classes, HZ_CLASS_SIZES);
  EXPECT_EQ(out, small + s->cached_thread_bytes + s->cached_shared_bytes);
  EXPECT_STREQ(s->generation, "hz3");
  EXPECT_GE(s->threads, 1u);
}

TEST(Stats, TrimGivesBackWhatIsFree) {
  std::vector<void *> held;
  for (int i = 0; i < 20000; i++) {
    held.push_back(hz3_alloc(1500, HZ_API_MALLOC));
    static_cast<char *>(held.back())[0] = 1;
  }
  for (void *p : held)
    hz3_free(p, HZ_API_FREE);
  EXPECT_TRUE(hz3_trim(0));
  EXPECT_EQ(now()->cached_thread_bytes, 0u);
  EXPECT_EQ(now()->arena.free_dirty_bytes, 0u);
}

} // namespace
