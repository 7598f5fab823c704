#include "hz4/depot.h"

#include <atomic>
#include <thread>
#include <vector>

#include "hz4/bound.h"
#include "hz4/custody.h"
#include "hz4/init.h"
#include "hz4/shared.h"
#include "gtest/gtest.h"

namespace {

// Classes that the test program itself does not use.
constexpr unsigned kClass = 82;
constexpr unsigned kShard = 0;

void **filled(unsigned cls, unsigned want) {
  void *blocks[HZ4_MAGAZINE_SLOTS];
  unsigned n = hz4_shared_take(cls, kShard, blocks, want);
  EXPECT_GT(n, 0u);
  void **top = hz4_magazine_open(hz4_magazine_get(kShard), want);
  for (unsigned i = 0; i < n; i++)
    *++top = blocks[i];
  hz4_custody_leave(cls, blocks, n); // as owners do before they hand over
  return top;
}

void emptied(unsigned cls, void **top) {
  unsigned n = hz4_top_count(top);
  hz4_shared_give(cls, kShard, top + 1 - n, n, 0);
  hz4_magazine_put(hz4_magazine_of(top), kShard);
}

class Depot : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(hz4_init());
    hz4_depot_empty();
  }
  unsigned retries = 0;
};

TEST_F(Depot, PassesWholeMagazines) {
  EXPECT_EQ(hz4_depot_get(kClass, kShard, 1, &retries), nullptr);
  void **top = filled(kClass, 7);
  unsigned n = hz4_top_count(top);
  ASSERT_TRUE(hz4_depot_put(kClass, kShard, top, 1, &retries));
  EXPECT_EQ(hz4_depot[kShard][kClass].blocks, n);
  void **got = hz4_depot_get(kClass, kShard, 2, &retries);
  EXPECT_EQ(got, top);
  EXPECT_EQ(hz4_top_count(got), n);
  EXPECT_EQ(hz4_depot[kShard][kClass].blocks, 0);
  emptied(kClass, got);
}

TEST_F(Depot, RefusesBeyondItsBound) {
  size_t before = hz4_bound.depot_max;
  hz4_bound.depot_max = 0;
  void **top = filled(kClass, 3);
  hz4_bound.depot_max = 0; // taking refreshed it
  EXPECT_FALSE(hz4_depot_put(kClass, kShard, top, 1, &retries));
  EXPECT_TRUE(hz_idstack_is_empty(&hz4_depot[kShard][kClass].full));
  hz4_bound.depot_max = before;
  emptied(kClass, top);
}

TEST_F(Depot, IdleClassesGoBackWhole) {
  for (int i = 0; i < 5; i++)
    ASSERT_TRUE(hz4_depot_put(kClass, kShard, filled(kClass, 4), 1000, &retries));
  EXPECT_EQ(hz4_depot_trim(1100, 500), 0u) << "used lately";
  EXPECT_GT(hz4_depot_trim(2000, 500), 0u);
  EXPECT_TRUE(hz_idstack_is_empty(&hz4_depot[kShard][kClass].full));
  EXPECT_EQ(hz4_depot[kShard][kClass].blocks, 0);
}

// A magazine is found by whoever looks, wherever it was put, and trimmed wherever it lies.
TEST_F(Depot, ShardsHelpEachOther) {
  unsigned before = hz4_shards;
  hz4_shards = HZ4_SHARDS_MAX;
  for (unsigned shard : {1u, 6u}) {
    void **top = filled(kClass, 4);
    ASSERT_TRUE(hz4_depot_put(kClass, shard, top, 1, &retries));
    EXPECT_EQ(hz4_depot_get(kClass, 3, 1, &retries), top);
    ASSERT_TRUE(hz4_depot_put(kClass, shard, top, 1, &retries));
  }
  EXPECT_GT(hz4_depot_blocks(kClass), 0u);
  EXPECT_GT(hz4_depot_trim(2000, 500), 0u);
  EXPECT_EQ(hz4_depot_blocks(kClass), 0u);
  hz4_shards = before;
}

// Every block is somewhere exactly once, whatever the threads do to each other.
TEST_F(Depot, NothingIsLostOrDoubled) {
  constexpr int kThreads = 6, kMagazines = 24, kRounds = 30000;
  std::vector<void **> tops;
  for (int i = 0; i < kMagazines; i++)
    tops.push_back(filled(kClass, 5));
  size_t blocks = 0;
  for (void **top : tops) {
    for (unsigned i = 0; i < hz4_top_count(top); i++)
      *(uintptr_t *)*(top - i) = 0; // owner word
    blocks += hz4_top_count(top);
    ASSERT_TRUE(hz4_depot_put(kClass, kShard, top, 1, &retries));
  }
  std::vector<std::thread> threads;
  for (int t = 1; t <= kThreads; t++)
    threads.emplace_back([t] {
      unsigned shard = hz4_shard_of((unsigned)t), lost = 0;
      for (int round = 0; round < kRounds; round++) {
        void **top = hz4_depot_get(kClass, shard, 1, &lost);
        if (!top)
          continue;
        unsigned n = hz4_top_count(top);
        for (unsigned i = 0; i < n; i++) { // plain: who has the magazine has the blocks
          ASSERT_EQ(*(uintptr_t *)*(top - i), 0u);
          *(uintptr_t *)*(top - i) = (uintptr_t)t;
        }
        for (unsigned i = 0; i < n; i++) {
          ASSERT_EQ(*(uintptr_t *)*(top - i), (uintptr_t)t);
          *(uintptr_t *)*(top - i) = 0;
        }
        ASSERT_TRUE(hz4_depot_put(kClass, shard, top, 1, &lost));
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(hz4_depot_blocks(kClass), blocks);
  size_t found = 0;
  while (void **top = hz4_depot_get(kClass, kShard, 1, &retries)) {
    found += hz4_top_count(top);
    emptied(kClass, top);
  }
  EXPECT_EQ(found, blocks);
  EXPECT_EQ(hz4_depot_blocks(kClass), 0u);
}

} // namespace
