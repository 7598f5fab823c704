// Spans: every block out once, empty ones gone, and what a wrong pointer meets.
#include "hz3/span.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "hz3/init.h"
#include "gtest/gtest.h"

namespace {

// Classes that neither googletest nor libstdc++ uses meanwhile.
constexpr size_t kQuiet[] = {5120, 11264, 20480, 45056, 90112, 114688};

std::vector<void *> take(unsigned cls, unsigned count) {
  std::vector<void *> blocks(count);
  for (unsigned n = 0; n < count;) {
    unsigned got = hz3_span_take(cls, &blocks[n], std::min(count - n, 63u));
    EXPECT_NE(got, 0u);
    n += got;
  }
  return blocks;
}

hz3_span_stats stats(unsigned cls) {
  hz3_span_stats s;
  hz3_span_stats_read(cls, &s);
  return s;
}

TEST(Span, EveryBlockIsOutOnceAndSpansCloseWhenEmpty) {
  ASSERT_TRUE(hz3_init_ensure());
  for (size_t bytes : kQuiet) {
    unsigned cls = hz_class_of(bytes);
    hz3_span_stats before = stats(cls);
    std::vector<void *> blocks = take(cls, 500);
    EXPECT_EQ(std::set<void *>(blocks.begin(), blocks.end()).size(), 500u);
    for (void *p : blocks)
      memset(p, 0x5a, 16);
    EXPECT_TRUE(hz3_span_is_valid(cls));
    EXPECT_EQ(stats(cls).blocks_out, before.blocks_out + 500);
    std::reverse(blocks.begin(), blocks.begin() + 250);
    hz3_span_put(cls, blocks.data(), 500, HZ_API_FREE);
    EXPECT_TRUE(hz3_span_is_valid(cls));
    EXPECT_EQ(stats(cls).blocks_out, before.blocks_out);
    EXPECT_EQ(stats(cls).spans, before.spans);
  }
}

TEST(Span, BitmapsOfEveryClassAgreeAfterManyTurns) {
  ASSERT_TRUE(hz3_init_ensure());
  uint64_t seed = 7;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    std::vector<void *> held = take(cls, 200);
    for (int turn = 0; turn < 50; turn++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      unsigned n = static_cast<unsigned>(seed >> 33) % 150 + 1;
      std::rotate(held.begin(), held.begin() + static_cast<long>(seed >> 40) % 200, held.end());
      hz3_span_put(cls, held.data(), n, HZ_API_FREE);
      std::vector<void *> again = take(cls, n);
      std::copy(again.begin(), again.end(), held.begin());
    }
    EXPECT_EQ(std::set<void *>(held.begin(), held.end()).size(), 200u);
    EXPECT_TRUE(hz3_span_is_valid(cls)) << hz_class_bytes(cls);
    hz3_span_put(cls, held.data(), 200, HZ_API_FREE);
    EXPECT_TRUE(hz3_span_is_valid(cls)) << hz_class_bytes(cls);
  }
}

TEST(Span, TheFullestSpanServes) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(5120); // 12 blocks a span
  unsigned per_span = hz3_shape[cls].span_blocks;
  std::vector<void *> blocks = take(cls, 3 * per_span);
  std::sort(blocks.begin(), blocks.end());
  // One block of the first span stays, all but one of the second, all of the third.
  std::vector<void *> back(blocks.begin(), blocks.begin() + per_span - 1);
  back.push_back(blocks[2 * per_span - 1]);
  hz3_span_put(cls, back.data(), static_cast<unsigned>(back.size()), HZ_API_FREE);
  void *p = nullptr;
  ASSERT_EQ(hz3_span_take(cls, &p, 1), 1u);
  EXPECT_EQ(p, back.back());
  hz3_span_put(cls, &p, 1, HZ_API_FREE);
  blocks.erase(blocks.begin() + 2 * per_span - 1);
  hz3_span_put(cls, &blocks[per_span - 1], 2 * per_span, HZ_API_FREE);
}

TEST(Span, RecordsSayHowFarBlocksWereHandedOut) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(11264);
  std::vector<void *> blocks = take(cls, 40);
  for (void *p : blocks) {
    const hz_granule &r = hz_arena.granules[hz_granule_of(p)];
    uintptr_t start = reinterpret_cast<uintptr_t>(hz_granule_address(hz_granule_of(p) - r.index));
    EXPECT_EQ(r.tag, cls);
    EXPECT_LT((reinterpret_cast<uintptr_t>(p) - start) / 16, r.limit16);
  }
  hz3_span_put(cls, blocks.data(), 40, HZ_API_FREE);
}

TEST(Span, OneBlockThatWasNeverUsedReadsAsZero) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(45056);
  std::vector<void *> blocks;
  for (int i = 0; i < 50; i++) {
    bool zeroed = false;
    unsigned char *p = static_cast<unsigned char *>(hz3_span_take_one(cls, &zeroed));
    ASSERT_NE(p, nullptr);
    for (size_t at = 0; zeroed && at < 45056; at += 64)
      ASSERT_EQ(p[at], 0);
    memset(p, 0xff, 45056);
    blocks.push_back(p);
    if (i % 3 == 0) {
      hz3_span_put(cls, &blocks.back(), 1, HZ_API_FREE);
      blocks.pop_back();
    }
  }
  hz3_span_put(cls, blocks.data(), static_cast<unsigned>(blocks.size()), HZ_API_FREE);
  EXPECT_TRUE(hz3_span_is_valid(cls));
}

TEST(SpanDeathTest, ABlockThatIsFreeInItsSpanIsADoubleFree) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(5120);
  std::vector<void *> blocks = take(cls, 4);
  hz3_span_put(cls, blocks.data(), 1, HZ_API_FREE);
  EXPECT_DEATH(hz3_span_put(cls, blocks.data(), 1, HZ_API_FREE),
               "^hz3: double free: 0x[0-9a-f]+ passed to free \\(5120-byte block\\)");
  hz3_span_put(cls, &blocks[1], 3, HZ_API_FREE);
  EXPECT_DEATH(hz3_span_put(cls, blocks.data(), 1, HZ_API_DELETE),
               "^hz3: double free: 0x[0-9a-f]+ passed to operator delete");
}

} // namespace
