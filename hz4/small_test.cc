#include "hz4/small.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "hz4/init.h"
#include "gtest/gtest.h"

namespace {

unsigned fresh;

class Small : public ::testing::TestWithParam<unsigned> {
protected:
  void SetUp() override { ASSERT_TRUE(hz4_init()); }
};

// The program under the test uses some of these classes itself: counts are compared, not absolute.
TEST_P(Small, TakesDistinctBlocksAndGivesThemBackInAnyOrder) {
  unsigned cls = GetParam();
  size_t bytes = hz_class_bytes(cls);
  unsigned blocks_in_span = hz_class_layout_table[cls].span_blocks;
  size_t want = blocks_in_span * 3 + 5;
  std::vector<void *> got(want + 64);
  std::set<void *> distinct;
  size_t n = 0;
  while (n < want) {
    unsigned k = hz4_small_take(cls, &got[n], 50, &fresh);
    ASSERT_GT(k, 0u);
    n += k;
  }
  got.resize(n);
  for (void *p : got) {
    EXPECT_TRUE(distinct.insert(p).second);
    uint64_t g = hz_granule_of(p);
    ASSERT_LT(g, hz_arena.end);
    EXPECT_EQ(hz_arena.granules[g].tag, cls);
    uint32_t offset = (uint32_t)hz_arena.granules[g].index << 16 | ((uintptr_t)p & 0xffff);
    EXPECT_TRUE(hz4_is_block_start(cls, offset));
    EXPECT_LT(offset / 16, hz_arena.granules[g].limit16);
    EXPECT_LE(offset + bytes, (size_t)hz_class_layout_table[cls].span_granules << 16);
  }
  EXPECT_TRUE(hz4_small_is_valid(cls));
  uint32_t spans = hz4_small_central[cls].spans;
  EXPECT_GE(spans, 3u);
  std::mt19937 random(cls);
  std::shuffle(got.begin(), got.end(), random);
  for (size_t i = 0; i < got.size(); i += 37) {
    hz4_small_give(cls, &got[i], (unsigned)std::min<size_t>(37, got.size() - i));
    if (i % 5 == 0) {
      EXPECT_TRUE(hz4_small_is_valid(cls));
    }
  }
  EXPECT_TRUE(hz4_small_is_valid(cls));
  EXPECT_LE(hz4_small_central[cls].spans + 2, spans) << "whole spans go back";
}

TEST_P(Small, FreeBlocksAreUsedBeforeFreshOnes) {
  unsigned cls = GetParam();
  void *a[20], *b[20];
  unsigned n = hz4_small_take(cls, a, 20, &fresh);
  ASSERT_GT(n, 3u);
  void *keep = a[0];
  hz4_small_give(cls, a + 1, n - 1);
  uint64_t made = hz4_small_central[cls].spans_made;
  unsigned m = hz4_small_take(cls, b, n - 1, &fresh);
  EXPECT_EQ(hz4_small_central[cls].spans_made, made);
  hz4_small_give(cls, b, m);
  hz4_small_give(cls, &keep, 1);
}

TEST_P(Small, SecondFreeIsNamed) {
  unsigned cls = GetParam();
  void *blocks[4];
  ASSERT_EQ(hz4_small_take(cls, blocks, 4, &fresh), 4u);
  void *twice[2] = {blocks[1], blocks[1]};
  EXPECT_DEATH(hz4_small_give(cls, twice, 2), "hz4: double free: 0x[0-9a-f]+ passed to");
  void *inside = (char *)blocks[2] + 8;
  EXPECT_DEATH(hz4_small_give(cls, &inside, 1), "hz4: invalid free: 0x[0-9a-f]+ passed to");
  hz4_small_give(cls, blocks, 4);
}

INSTANTIATE_TEST_SUITE_P(Classes, Small,
                         ::testing::Values(1u, 2u, 3u, 8u, 9u, 15u, 16u, 17u, 24u, 33u, 39u));

TEST(SmallIndex, ReciprocalsDivideExactly) {
  ASSERT_TRUE(hz4_init());
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    uint32_t bytes = hz_class_bytes_table[cls];
    uint32_t span = (uint32_t)hz_class_layout_table[cls].span_granules << 16;
    for (uint32_t offset = 0; offset < span; offset++) {
      ASSERT_EQ(hz4_is_block_start(cls, offset), offset % bytes == 0) << cls << " " << offset;
      ASSERT_EQ(hz4_block_index(cls, offset), offset / bytes);
    }
  }
}

} // namespace
