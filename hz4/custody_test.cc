#include "hz4/custody.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "hz4/init.h"
#include "hz4/route.h"
#include "hz4/shared.h"
#include "gtest/gtest.h"

namespace {

class Custody : public ::testing::TestWithParam<unsigned> {
protected:
  void SetUp() override {
    ASSERT_TRUE(hz4_init());
    if (HZ_FAST)
      GTEST_SKIP() << "left out of this variant";
  }
};

// Each block has a byte of its own: leaving and entering one does not touch another.
TEST_P(Custody, OneByteForEachBlock) {
  unsigned cls = GetParam();
  std::vector<void *> blocks(5000);
  unsigned n = 0;
  while (n < blocks.size() && (size_t)n * hz_class_bytes(cls) < 300000)
    n += hz4_shared_take(cls, 0, &blocks[n],
                         40 < blocks.size() - n ? 40 : (unsigned)(blocks.size() - n));
  hz4_custody_leave(cls, blocks.data(), n); // would fault if two shared a byte
  hz4_custody_enter(cls, blocks.data(), n);
  for (unsigned i = 0; i < n; i += 3)
    hz4_custody_leave(cls, &blocks[i], 1);
  for (unsigned i = 0; i < n; i += 3)
    hz4_custody_enter(cls, &blocks[i], 1);
  hz4_custody_leave(cls, blocks.data(), n);
  EXPECT_DEATH(hz4_custody_leave(cls, &blocks[n / 2], 1),
               "hz4: double free: 0x[0-9a-f]+ passed to");
  hz4_shared_give(cls, 0, blocks.data(), n, 0);
}

// Small's blocks leave their owner and reach their spans in one go; both are looked at.
TEST_P(Custody, LeavesOnTheWayToTheSpans) {
  unsigned cls = GetParam();
  void *blocks[40];
  unsigned n = hz4_shared_take(cls, 0, blocks, 40);
  ASSERT_GT(n, 0u);
  void *again = blocks[n / 2];
  hz4_custody_leave(cls, &again, 1); // lies in the depot, so to say
  EXPECT_DEATH(hz4_shared_leave(cls, 0, blocks, n, 0), "hz4: double free: 0x[0-9a-f]+ passed to");
  hz4_custody_enter(cls, &again, 1);
  void *twice[] = {again, again};
  EXPECT_DEATH(hz4_shared_leave(cls, 0, twice, 2, 0), "hz4: double free: 0x[0-9a-f]+ passed to");
  hz4_shared_leave(cls, 0, blocks, n, 0);
  if (hz_arena.granules[hz_granule_of(again)].tag == cls) { // its span is still there
    EXPECT_DEATH(hz4_custody_leave(cls, &again, 1), "hz4: double free: 0x[0-9a-f]+ passed to");
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, Custody,
                         ::testing::Values(1u, 2u, 3u, 24u, 26u, 29u, 30u, 37u, 42u, 45u, 52u, 53u,
                                           54u, 60u, 61u, 76u, 87u, 95u, 109u));

TEST(CustodyOfFreed, SecondFreeIsNamedWhenItsBatchLeaves) {
  if (HZ_FAST)
    GTEST_SKIP() << "left out of this variant";
  auto twice_with_others_between = [](size_t bytes, int others) {
    std::vector<void *> more;
    for (int i = 0; i < others; i++)
      more.push_back(hz4_alloc(bytes, HZ_API_MALLOC));
    void *p = hz4_alloc(bytes, HZ_API_MALLOC);
    hz4_free(p, HZ_API_FREE);
    for (void *q : more)
      hz4_free(q, HZ_API_FREE);
    hz4_free(p, HZ_API_FREE);
    // More than an owner keeps: batches leave.
    for (unsigned i = 0; i < 5 * HZ4_BIN_BLOCKS_MAX; i++)
      more.push_back(hz4_alloc(bytes, HZ_API_MALLOC));
    for (size_t i = (size_t)others; i < more.size(); i++)
      hz4_free(more[i], HZ_API_FREE);
  };
  for (size_t bytes : {16, 400, 3000, 100000})
    for (int others : {1, 60, 700})
      EXPECT_DEATH(twice_with_others_between(bytes, others),
                   "hz4: double free: 0x[0-9a-f]+ passed to free")
          << bytes << " " << others;
}

// Its granule is nobody's, or of another class, whose array may be shorter than the block's number.
TEST(CustodyOfFreed, SecondFreeIsNamedWhereTheSpanHasGone) {
  if (HZ_FAST)
    GTEST_SKIP() << "left out of this variant";
  ASSERT_TRUE(hz4_init());
  constexpr unsigned kLong = 1, kShort = 52;        // 4096 blocks a span, and 65 or a few more
  std::vector<void *> blocks(200000), others(4000); // dozens of spans: the test itself takes some
  unsigned n = 0;
  while (n < blocks.size())
    n += hz4_shared_take(kLong, 0, &blocks[n], (unsigned)std::min<size_t>(200, blocks.size() - n));
  hz4_custody_leave(kLong, blocks.data(), n);
  hz4_shared_give(kLong, 0, blocks.data(), n, 0);
  auto tag_of = [](void *p) { return hz_arena.granules[hz_granule_of(p)].tag; };
  const auto gone = std::find_if(blocks.rbegin(), blocks.rend(),
                                 [&](void *p) { return tag_of(p) == HZ_TAG_NONE; });
  ASSERT_NE(gone, blocks.rend());
  EXPECT_DEATH(hz4_custody_leave(kLong, &*gone, 1), "hz4: double free: 0x[0-9a-f]+ passed to");
  auto again = blocks.end(); // the last block of a granule that serves the other class now
  for (n = 0; n < others.size() && again == blocks.end();) {
    n += hz4_shared_take(kShort, 0, &others[n], (unsigned)std::min<size_t>(60, others.size() - n));
    again = std::find_if(blocks.begin(), blocks.end(), [&](void *p) {
      return tag_of(p) == kShort && ((uintptr_t)p & 0xffff) == 0xfff0;
    });
  }
  ASSERT_NE(again, blocks.end());
  EXPECT_DEATH(hz4_custody_leave(kLong, &*again, 1), "hz4: double free: 0x[0-9a-f]+ passed to");
  hz4_custody_leave(kShort, others.data(), n);
  hz4_shared_give(kShort, 0, others.data(), n, 0);
}

TEST(CustodyOfFreed, SecondFreeByAnotherThreadIsNamed) {
  if (HZ_FAST)
    GTEST_SKIP() << "left out of this variant";
  EXPECT_DEATH(
      {
        void *p = hz4_alloc(1000, HZ_API_MALLOC);
        std::thread([p] { hz4_free(p, HZ_API_FREE); }).join();
        hz4_free(p, HZ_API_FREE);
        hz4_trim(0);
      },
      "hz4: double free: 0x[0-9a-f]+ passed to");
}

} // namespace
