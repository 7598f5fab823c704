// Bins: their sentinels, their bounds, and what is left when threads end.
#include "hz3/cache.h"

#include <thread>
#include <vector>

#include "hz3/route.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "gtest/gtest.h"

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

TEST(Cache, HoldsItsInvariantsUnderEveryTraffic) {
  Random random{42};
  std::vector<void *> held(2000);
  for (int i = 0; i < 200000; i++) {
    void *&p = held[random.next() % held.size()];
    if (p) {
      hz3_free(p, HZ_API_FREE);
      p = nullptr;
    } else {
      unsigned doubling = static_cast<unsigned>(random.next() % 14);
      p = hz3_alloc((16u << doubling) - random.next() % 16, HZ_API_MALLOC);
      ASSERT_NE(p, nullptr);
    }
    if (i % 1000 == 0) {
      ASSERT_TRUE(hz3_cache_is_valid(hz3_cache)) << i;
    }
  }
  for (void *p : held)
    hz3_free(p, HZ_API_FREE);
  EXPECT_TRUE(hz3_cache_is_valid(hz3_cache));
}

TEST(Cache, CapacityNeverExceedsTheThreadsCredit) {
  std::vector<void *> held;
  for (int turn = 0; turn < 50; turn++) {
    for (int i = 0; i < 100; i++)
      for (size_t bytes : {1000, 20000, 100000})
        held.push_back(hz3_alloc(bytes, HZ_API_MALLOC));
    for (void *p : held)
      hz3_free(p, HZ_API_FREE);
    held.clear();
    EXPECT_LE(hz3_cache->charged, 8 * HZ_MIB);
    EXPECT_LE(hz3_credit_used, hz3_bound_bytes / 8 * 5);
  }
  EXPECT_TRUE(hz3_cache_is_valid(hz3_cache));
}

TEST(Cache, AThreadThatOnlyFreesKeepsLittle) {
  constexpr unsigned kBlocks = 20000;
  std::vector<void *> held(kBlocks);
  for (void *&p : held)
    p = hz3_alloc(600, HZ_API_MALLOC);
  hz3_cache_stats before;
  hz3_cache_stats_read(&before);
  std::thread([&held, &before] {
    for (void *p : held)
      hz3_free(p, HZ_API_FREE);
    hz3_cache_stats stats;
    hz3_cache_stats_read(&stats);
    EXPECT_LT(stats.cached_bytes - before.cached_bytes, 512 * HZ_KIB);
  }).join();
}

TEST(Cache, OfAnEndedThreadIsEmptyAndUsedAgain) {
  void *cache = nullptr, *block = nullptr;
  uint64_t used = 0;
  hz3_free(hz3_alloc(100, HZ_API_MALLOC), HZ_API_FREE);
  for (int i = 0; i < 100; i++) {
    void *now = nullptr;
    std::thread([&] {
      block = hz3_alloc(25000, HZ_API_MALLOC);
      hz3_free(hz3_alloc(25000, HZ_API_MALLOC), HZ_API_FREE);
      now = hz3_cache;
    }).join();
    hz3_free(block, HZ_API_FREE);
    if (i == 50)
      used = hz3_credit_used;
    EXPECT_TRUE(i == 0 || now == cache);
    cache = now;
  }
  EXPECT_LE(hz3_credit_used, used + 64 * HZ_KIB);
}

TEST(Cache, BlocksOfAnEndedThreadAreServedToOthers) {
  void *block = nullptr;
  std::thread([&] { block = hz3_alloc(70000, HZ_API_MALLOC); }).join();
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(hz3_usable(block, HZ_API_USABLE_SIZE), 73728u);
  hz3_free(block, HZ_API_FREE);
}

} // namespace
