// Bins: their sentinels, their bounds, and what is left when threads end.
#include "hz3/cache.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>
#include <vector>

#include "hz3/route.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "hz3/transfer.h"
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

// Allocates `count` blocks and frees them, so many times.
void swing(size_t bytes, int count, int times) {
  std::vector<void *> held(static_cast<size_t>(count));
  for (int turn = 0; turn < times; turn++) {
    for (void *&p : held)
      p = hz3_alloc(bytes, HZ_API_MALLOC);
    for (void *p : held)
      hz3_free(p, HZ_API_FREE);
  }
}

// First of all: a heap that was larger before would look as if it receded.
TEST(Cache, ABinHasMoreThanItsPartWhileOthersLeaveTheirs) {
  const std::vector<size_t> classes = {400, 500, 600, 700, 800, 900, 1000, 1200};
  const unsigned cls = hz_class_of(1000);
  struct {
    unsigned part, capacity;
    uint64_t charged, quota;
  } alone = {}, all = {};
  bool valid = false;
  swing(16, 1, 1);
  hz3_tick_init(hz3_bound_bytes, UINT32_MAX); // ticks take room from bins: none for weeks
  hz3_tick_maybe();                           // but for one, if it is that long since the start
  std::thread([&] {
    // On one CPU: whoever wakes on another one finds its shelf empty, and nobody takes what he
    // left.
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &here);
    ASSERT_EQ(sched_setaffinity(0, sizeof here, &here), 0);
    swing(16, 1, 1); // this thread is one of them
    const uint32_t alive = hz3_threads_alive;
    hz3_threads_alive = 64;
    hz3_tick_now(0);
    const struct hz3_cache *c = hz3_self.cache;
    const auto look = [&](auto &out) {
      out = {static_cast<unsigned>(c->most + c->fair_bytes / hz_class_bytes(cls)),
             c->bins[cls].capacity, c->charged, c->quota};
    };
    for (size_t bytes : classes)
      swing(bytes, 1, 1);
    swing(1000, 400, 50);
    look(alone);
    for (int turn = 0; turn < 5; turn++)
      for (size_t bytes : classes)
        swing(bytes, 400, 5);
    look(all);
    valid = hz3_cache_is_valid(c);
    hz3_threads_alive = alive;
  }).join();
  hz3_tick_init(hz3_bound_bytes, 100);
  EXPECT_GT(alone.capacity, 2 * alone.part);
  EXPECT_LE(alone.capacity, 4 * alone.part);
  EXPECT_LE(alone.charged, alone.quota / 2); // the other half is the others'
  EXPECT_GT(all.charged, all.quota / 2);
  EXPECT_LE(all.charged, all.quota);
  EXPECT_LE(all.capacity, 2 * all.part);
  EXPECT_TRUE(valid);
}

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
      ASSERT_TRUE(hz3_cache_is_valid(hz3_self.cache)) << i;
    }
  }
  for (void *p : held)
    hz3_free(p, HZ_API_FREE);
  EXPECT_TRUE(hz3_cache_is_valid(hz3_self.cache));
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
    EXPECT_LE(hz3_self.cache->charged, 8 * HZ_MIB);
    EXPECT_LE(hz3_credit_used, hz3_bound_bytes / 8 * 5);
  }
  EXPECT_TRUE(hz3_cache_is_valid(hz3_self.cache));
}

// In a thread that uses one class, which so may have all the room there is.
TEST(Cache, ABinThatGrowsTakesItsBlocksAlong) {
  static std::array<void *, 16384> held; // else its memory would be of classes that want room too
  std::thread([] {
    hz3_free(hz3_alloc(5000, HZ_API_MALLOC), HZ_API_FREE); // the first says of which set it is
    unsigned cls = hz_class_by(hz3_self.classes, 32), tier = 0, capacity = 0;
    for (size_t blocks = 8; blocks <= held.size(); blocks *= 2)
      for (int turn = 0; turn < 12; turn++) {
        for (size_t i = 0; i < blocks; i++)
          held[i] = hz3_alloc(32, HZ_API_MALLOC);
        std::sort(held.begin(), held.begin() + blocks);
        EXPECT_EQ(std::adjacent_find(held.begin(), held.begin() + blocks), held.begin() + blocks);
        for (size_t i = 0; i < blocks; i++)
          hz3_free(held[i], HZ_API_FREE);
        const hz3_bin &bin = hz3_self.cache->bins[cls];
        EXPECT_GE(bin.tier, tier) << "slots are not given back";
        tier = bin.tier;
        capacity = std::max(capacity, unsigned{bin.capacity});
        ASSERT_TRUE(hz3_cache_is_valid(hz3_self.cache)) << blocks;
      }
    EXPECT_EQ(tier, HZ3_TIERS - 1);
    EXPECT_GT(capacity, 8190u);
  }).join();
}

// What others want may be kept at hand: the bin grows while it is full. A second one has the slots
// that the first left.
TEST(Cache, ABinThatGrowsWhileItIsFullLosesNothing) {
  constexpr unsigned kBlocks = 300;
  std::set<void *> blocks[2];
  size_t bytes[2] = {80, 336};
  for (int i = 0; i < 2; i++)
    while (blocks[i].size() < kBlocks)
      blocks[i].insert(hz3_alloc(bytes[i], HZ_API_MALLOC));
  std::thread([&] {
    for (int i = 0; i < 2; i++) {
      unsigned cls = hz_class_of(bytes[i]), most = 0;
      for (void *p : blocks[i]) {
        hz3_transfer_ask(cls);
        hz3_free(p, HZ_API_FREE);
        ASSERT_TRUE(hz3_cache_is_valid(hz3_self.cache));
        most = std::max(most, hz3_bin_count(hz3_self.cache, cls));
      }
      // A tick may have come between, and halved it.
      EXPECT_GT(most, HZ3_TIER_SLOTS(0));
      // Copied before anything is allocated: a tick may come with every allocation.
      const unsigned count = hz3_bin_count(hz3_self.cache, cls);
      void *bin[kBlocks];
      ASSERT_LE(count, kBlocks);
      std::copy_n(hz3_self.cache->bins[cls].bottom + 1, count, bin);
      std::set<void *> held(bin, bin + count);
      EXPECT_EQ(held.size(), count);
      EXPECT_TRUE(std::includes(blocks[i].begin(), blocks[i].end(), held.begin(), held.end()));
    }
  }).join();
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
    EXPECT_LT(stats.cached_bytes, before.cached_bytes + 512 * HZ_KIB);
  }).join();
}

// Nothing happens when a program has freed its last block: what bins had room for then would stay.
TEST(Cache, OfAHeapThatShrinksBinsHaveRoomForAShare) {
  size_t peak = 0, out = 0, room = 0;
  hz3_tick_init(hz3_bound_bytes, UINT32_MAX); // no tick takes room
  std::thread([&] {
    Random random{3};
    std::vector<void *> held(200000);
    for (size_t bytes = 16; bytes <= 1024; bytes += 16) // bins grow
      swing(bytes, 4000, 4);
    for (void *&p : held)
      p = hz3_alloc(16 + random.next() % 1000, HZ_API_MALLOC);
    peak = hz3_span_out_bytes();
    for (void *p : held) {
      hz3_free(p, HZ_API_FREE);
      if (out == 0 && hz3_span_out_bytes() < peak / 7) { // before it counts as receding
        out = hz3_span_out_bytes();
        room = hz3_self.cache->charged;
      }
    }
  }).join();
  EXPECT_GT(out, peak / 8);
  EXPECT_LT(room, out / 5);
}

// Frees blocks of a class that this thread never allocates from. Returns: blocks that wait for
// others then. asked: whether somebody asks for some all the time.
size_t waiting_when_freed(const std::vector<void *> &blocks, unsigned cls, bool asked) {
  size_t waiting = 0;
  std::thread([&] {
    hz3_free(hz3_alloc(5000, HZ_API_MALLOC), HZ_API_FREE);
    for (void *p : blocks) {
      if (asked)
        hz3_transfer_ask(cls);
      hz3_free(p, HZ_API_FREE);
    }
    if (asked) {
      EXPECT_GE(hz3_self.cache->bins[cls].capacity, hz3_shape[cls].batch);
    }
    EXPECT_TRUE(hz3_cache_is_valid(hz3_self.cache));
    waiting = hz3_transfer_waiting(cls) + hz3_shelf_blocks(cls);
  }).join();
  return waiting;
}

TEST(Cache, WhatAThreadOnlyFreesGoesInBatchesToThoseWhoAsk) {
  const unsigned cls = hz_class_of(112);
  hz3_tick_init(hz3_bound_bytes, UINT32_MAX); // no tick takes room
  for (bool asked : {false, true}) {
    std::vector<void *> blocks(4000);
    for (void *&p : blocks)
      p = hz3_alloc(112, HZ_API_MALLOC);
    hz3_transfer_drain(cls, HZ_API_FREE);
    const size_t out = hz3_span_out_bytes(), waiting = waiting_when_freed(blocks, cls, asked);
    if (asked) {
      EXPECT_GE(waiting, hz3_shape[cls].batch);
    } else {
      EXPECT_LT(waiting, hz3_shape[cls].batch);
      EXPECT_LT(hz3_span_out_bytes(), out - 3000 * 112) << "they are in their spans";
    }
  }
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
      now = hz3_self.cache;
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
