#include "hz4/mid.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "common/os/os.h"
#include "hz4/init.h"
#include "gtest/gtest.h"

namespace {

unsigned fresh;

class Mid : public ::testing::TestWithParam<unsigned> {
protected:
  void SetUp() override { ASSERT_TRUE(hz4_init()); }
};

TEST_P(Mid, TakesDistinctBlocksAndGivesThemBackInAnyOrder) {
  unsigned cls = GetParam();
  std::vector<void *> got(64 + 100);
  size_t n = 0;
  while (n < 100) {
    unsigned k = hz4_mid_take(cls, &got[n], 17, &fresh);
    ASSERT_GT(k, 0u);
    n += k;
  }
  got.resize(n);
  std::set<void *> distinct(got.begin(), got.end());
  EXPECT_EQ(distinct.size(), n);
  for (void *p : got)
    memset(p, 0x5a, hz_class_bytes(cls));
  EXPECT_TRUE(hz4_mid_is_valid(cls));
  std::mt19937 random(cls);
  std::shuffle(got.begin(), got.end(), random);
  for (size_t i = 0; i < n; i += 13) {
    hz4_mid_give(cls, &got[i], (unsigned)std::min<size_t>(13, n - i), 0);
    EXPECT_TRUE(hz4_mid_is_valid(cls));
  }
  EXPECT_LE(hz4_mid_central[cls - HZ4_MID_FIRST_CLASS].spans, 1u) << "the program's own, if any";
}

TEST_P(Mid, PagesOfFreeBlocksGoBackAndNeighboursStay) {
  unsigned cls = GetParam();
  size_t bytes = hz_class_bytes(cls), page = hz_os_page_bytes();
  if (bytes < 2 * page)
    GTEST_SKIP() << "blocks without a page of their own";
  void *blocks[64];
  unsigned n = 0;
  while (n < 40)
    n += hz4_mid_take(cls, blocks + n, 40 - n, &fresh);
  for (unsigned i = 0; i < n; i++)
    memset(blocks[i], (int)i + 1, bytes);
  std::vector<void *> odd, even;
  for (unsigned i = 0; i < n; i++)
    (i % 2 ? odd : even).push_back(blocks[i]);
  hz4_mid_give(cls, odd.data(), (unsigned)odd.size(), 1000);
  EXPECT_EQ(hz4_mid_purge(999), 0u) << "too young";
  hz4_mid_purge(1000);
  EXPECT_TRUE(hz4_mid_is_valid(cls));
  for (unsigned i = 0; i < n; i += 2)
    for (size_t at = 0; at < bytes; at += 512)
      ASSERT_EQ(((unsigned char *)blocks[i])[at], i + 1);
  // What is inside whole pages of the free ones is gone, if their span is still there.
  for (void *p : odd) {
    uint64_t g = hz_granule_of(p);
    if (hz_arena.granules[g].tag != cls)
      continue;
    char *inside = (char *)hz_align_up((uintptr_t)p, page);
    EXPECT_EQ(hz_os_resident_pages(inside, page), 0u);
  }
  EXPECT_EQ(hz4_mid_purge(5000), 0u) << "once is enough";
  std::vector<void *> again(odd.size());
  size_t m = 0;
  while (m < again.size()) {
    unsigned k = hz4_mid_take(cls, &again[m], (unsigned)(again.size() - m), &fresh);
    ASSERT_GT(k, 0u);
    m += k;
  }
  for (void *p : again)
    memset(p, 0xee, bytes);
  EXPECT_TRUE(hz4_mid_is_valid(cls));
  hz4_mid_give(cls, again.data(), (unsigned)m, 0);
  hz4_mid_give(cls, even.data(), (unsigned)even.size(), 0);
  EXPECT_TRUE(hz4_mid_is_valid(cls));
}

TEST_P(Mid, SecondFreeIsNamed) {
  unsigned cls = GetParam();
  void *blocks[2];
  unsigned n = hz4_mid_take(cls, blocks, 2, &fresh);
  ASSERT_GT(n, 0u);
  EXPECT_DEATH(
      {
        hz4_mid_give(cls, blocks, 1, 0);
        hz4_mid_give(cls, blocks, 1, 0);
      },
      "hz4: (double|invalid) free: 0x[0-9a-f]+ passed to");
  hz4_mid_give(cls, blocks, n, 0);
}

INSTANTIATE_TEST_SUITE_P(Classes, Mid,
                         ::testing::Values(61u, 66u, 70u, 79u, 84u, 88u, 95u, 103u, 109u));

} // namespace
