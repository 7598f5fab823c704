#include "hz4/magazine.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "hz4/init.h"
#include "hz4/shard.h"
#include "gtest/gtest.h"

namespace {

class Magazine : public ::testing::Test {
protected:
  static void SetUpTestSuite() { ASSERT_TRUE(hz4_init()); }
};

TEST_F(Magazine, NothingAndStoppedAreEmptyAndFull) {
  for (void **top : {HZ4_TOP_NOTHING, HZ4_TOP_STOPPED}) {
    EXPECT_TRUE(hz4_top_is_empty(top));
    EXPECT_TRUE(hz4_top_is_full(top));
    EXPECT_FALSE(hz4_top_is_real(top));
  }
  EXPECT_NE(HZ4_TOP_NOTHING, HZ4_TOP_STOPPED);
  EXPECT_FALSE(hz4_top_is_real(nullptr));
}

TEST_F(Magazine, EveryCapacityFillsAndEmpties) {
  struct hz4_magazine *m = hz4_magazine_get(0);
  ASSERT_NE(m, nullptr);
  uint32_t id = m->id;
  for (unsigned cap = 1; cap <= HZ4_MAGAZINE_CAP_MAX; cap++) {
    void **top = hz4_magazine_open(m, cap);
    EXPECT_TRUE(hz4_top_is_empty(top));
    for (uintptr_t i = 1; i <= cap; i++) {
      EXPECT_FALSE(hz4_top_is_full(top));
      *++top = (void *)(i * 16);
      EXPECT_EQ(hz4_top_count(top), i);
      EXPECT_EQ(hz4_magazine_of(top), m);
    }
    EXPECT_TRUE(hz4_top_is_full(top));
    m->count = (uint8_t)hz4_top_count(top);
    EXPECT_EQ(hz4_magazine_top(m), top);
    for (uintptr_t i = cap; i >= 1; i--)
      EXPECT_EQ(*top--, (void *)(i * 16));
    EXPECT_TRUE(hz4_top_is_empty(top));
  }
  EXPECT_EQ(m->id, id) << "slots overlap the header";
  hz4_magazine_put(m, 0);
}

TEST_F(Magazine, NumbersAreTheirs) {
  std::vector<struct hz4_magazine *> held;
  std::set<uint32_t> ids;
  for (int i = 0; i < 1000; i++) {
    struct hz4_magazine *m = hz4_magazine_get(0);
    ASSERT_NE(m, nullptr);
    EXPECT_EQ((uintptr_t)m % HZ4_MAGAZINE_BYTES, 0u);
    EXPECT_EQ(hz4_magazine_by_id(m->id), m);
    EXPECT_TRUE(ids.insert(m->id).second);
    held.push_back(m);
  }
  for (struct hz4_magazine *m : held)
    hz4_magazine_put(m, 0);
}

// What one shard was given serves the others before new ones are made.
TEST_F(Magazine, ShardsHelpEachOther) {
  unsigned before = hz4_shards;
  hz4_shards = HZ4_SHARDS_MAX;
  struct hz4_magazine *held[300];
  for (auto &m : held)
    m = hz4_magazine_get(0);
  for (auto *m : held)
    hz4_magazine_put(m, 3);
  size_t made = hz4_magazine_made();
  for (auto &m : held)
    m = hz4_magazine_get(5);
  EXPECT_EQ(hz4_magazine_made(), made);
  for (auto *m : held)
    hz4_magazine_put(m, 0);
  hz4_shards = before;
}

TEST_F(Magazine, OneHolderAtATime) {
  constexpr int kThreads = 8, kRounds = 20000, kHeld = 5;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([t] {
      struct hz4_magazine *held[kHeld];
      unsigned shard = hz4_shard_of((unsigned)t);
      for (int round = 0; round < kRounds; round++) {
        for (int i = 0; i < kHeld; i++) {
          held[i] = hz4_magazine_get(shard);
          held[i]->slot[63] = (void *)(uintptr_t)(t * 100 + i);
        }
        for (int i = 0; i < kHeld; i++) {
          ASSERT_EQ(held[i]->slot[63], (void *)(uintptr_t)(t * 100 + i));
          hz4_magazine_put(held[i], shard);
        }
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_LT(hz4_magazine_made(), 5000u);
}

} // namespace
