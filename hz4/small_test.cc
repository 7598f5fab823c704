#include "hz4/small.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "common/os/os.h"
#include "hz4/init.h"
#include "hz4/shared.h"
#include "hz4/tick.h"
#include "gtest/gtest.h"

namespace {

unsigned fresh;

uint32_t spans_of(unsigned cls) {
  uint32_t spans = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    spans += hz4_small_central[shard][cls].spans;
  return spans;
}

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
  size_t n = 0;
  while (n < want) {
    unsigned k = hz4_small_take(cls, 0, &got[n], 50, &fresh);
    ASSERT_GT(k, 0u);
    n += k;
  }
  got.resize(n);
  std::vector<void *> sorted(got); // one block; a set's nodes would be of the classes under test
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
  for (void *p : got) {
    uint64_t g = hz_granule_of(p);
    ASSERT_LT(g, hz_arena.end);
    EXPECT_EQ(hz_arena.granules[g].tag, cls);
    uint32_t offset = (uint32_t)hz_arena.granules[g].index << 16 | ((uintptr_t)p & 0xffff);
    EXPECT_TRUE(hz4_is_block_start(cls, offset));
    EXPECT_LT(offset / 16, hz_arena.granules[g].limit16);
    EXPECT_LE(offset + bytes, (size_t)hz_class_layout_table[cls].span_granules << 16);
  }
  EXPECT_TRUE(hz4_small_is_valid(cls));
  uint32_t spans = spans_of(cls);
  EXPECT_GE(spans, 3u);
  std::mt19937 random(cls);
  std::shuffle(got.begin(), got.end(), random);
  for (size_t i = 0; i < got.size(); i += 37) {
    hz4_small_give(cls, 0, &got[i], (unsigned)std::min<size_t>(37, got.size() - i), false);
    if (i % 5 == 0) {
      EXPECT_TRUE(hz4_small_is_valid(cls));
    }
  }
  EXPECT_TRUE(hz4_small_is_valid(cls));
  EXPECT_LE(spans_of(cls) + 2, spans) << "whole spans go back";
}

TEST_P(Small, FreeBlocksAreUsedBeforeFreshOnes) {
  unsigned cls = GetParam();
  void *a[20], *b[20];
  unsigned n = hz4_small_take(cls, 0, a, 20, &fresh);
  ASSERT_GT(n, 3u);
  void *keep = a[0];
  hz4_small_give(cls, 0, a + 1, n - 1, false);
  uint64_t made = hz4_small_central[0][cls].spans_made;
  unsigned m = hz4_small_take(cls, 0, b, n - 1, &fresh);
  EXPECT_EQ(hz4_small_central[0][cls].spans_made, made);
  hz4_small_give(cls, 0, b, m, false);
  hz4_small_give(cls, 0, &keep, 1, false);
}

TEST_P(Small, SecondFreeIsNamed) {
  unsigned cls = GetParam();
  void *blocks[4];
  ASSERT_EQ(hz4_small_take(cls, 0, blocks, 4, &fresh), 4u);
  void *twice[2] = {blocks[1], blocks[1]};
  EXPECT_DEATH(hz4_small_give(cls, 0, twice, 2, false), "hz4: double free: 0x[0-9a-f]+ passed to");
  void *inside = (char *)blocks[2] + 8;
  EXPECT_DEATH(hz4_small_give(cls, 0, &inside, 1, false),
               "hz4: invalid free: 0x[0-9a-f]+ passed to");
  hz4_small_give(cls, 0, blocks, 4, false);
}

INSTANTIATE_TEST_SUITE_P(Classes, Small,
                         ::testing::Values(1u, 2u, 3u, 24u, 29u, 30u, 36u, 37u, 38u, 45u, 54u,
                                           60u));

// As on a machine with many CPUs. Classes that the test program itself does not use.
class SmallShards : public ::testing::Test {
protected:
  static constexpr unsigned kClass = 58;
  void SetUp() override {
    ASSERT_TRUE(hz4_init());
    before = hz4_shards;
    hz4_shards = HZ4_SHARDS_MAX;
  }
  void TearDown() override {
    EXPECT_TRUE(hz4_small_is_valid(kClass));
    EXPECT_EQ(spans_of(kClass), 0u) << "everything went back";
    hz4_shards = before;
  }
  static unsigned shard_of(const void *p) {
    uint64_t g = hz_granule_of(p);
    return hz4_span_at(g - hz_arena.granules[g].index)->shard;
  }
  static std::vector<void *> take(unsigned shard, unsigned want) {
    std::vector<void *> got;
    got.reserve(1 << 10); // no block of the class under test
    while (got.size() < want) {
      void *some[60];
      unsigned n =
          hz4_small_take(kClass, shard, some, std::min(60u, want - (unsigned)got.size()), &fresh);
      EXPECT_GT(n, 0u);
      got.insert(got.end(), some, some + n);
    }
    return got;
  }
  static void give(const std::vector<void *> &blocks, unsigned from = 0) {
    hz4_small_give(kClass, from, blocks.data(), (unsigned)blocks.size(), false);
  }
  // Shard 2 carves blocks time and again, which those who work on `from` bring back, the last time
  // one of three. Returns: the others.
  static std::vector<void *> third_free(unsigned from) {
    for (unsigned back = 0; back < 6000; back += 900)
      give(take(2, 900), from);
    std::vector<void *> all = take(2, 900), back, stay;
    back.reserve(1 << 10), stay.reserve(1 << 10);
    for (unsigned i = 0; i < all.size(); i++)
      (i % 3 == 0 ? back : stay).push_back(all[i]);
    give(back, from);
    return stay;
  }
  // Whose span a block is of that shard 5 takes.
  static unsigned shard_that_serves_5() {
    std::vector<void *> block = take(5, 1);
    unsigned shard = shard_of(block[0]);
    give(block, 5);
    return shard;
  }
  unsigned before = 1;
};

TEST_F(SmallShards, BlocksComeFromTheOwnShardAndGoBackWhereTheyCameFrom) {
  std::vector<void *> mixed;
  mixed.reserve(1 << 10);
  for (unsigned shard : {0u, 3u, 7u})
    for (void *p : take(shard, 90)) {
      EXPECT_EQ(shard_of(p), shard);
      mixed.push_back(p);
    }
  std::mt19937 random(1);
  std::shuffle(mixed.begin(), mixed.end(), random);
  void *last = mixed.back();
  mixed.pop_back();
  give(mixed);
  EXPECT_TRUE(hz4_small_is_valid(kClass));
  EXPECT_EQ(spans_of(kClass), 1u);
  EXPECT_EQ(hz4_small_central[shard_of(last)][kClass].spans, 1u);
  give({last});
}

TEST_F(SmallShards, SecondFreeIsNamedInAMixedBatch) {
  void *a = take(1, 1)[0], *b = take(2, 1)[0], *c = take(1, 1)[0];
  void *twice[] = {a, b, c, b};
  EXPECT_DEATH(hz4_small_give(kClass, 0, twice, 4, false),
               "hz4: double free: 0x[0-9a-f]+ passed to");
  void *late[] = {b, a, a};
  EXPECT_DEATH(hz4_small_give(kClass, 0, late, 3, false),
               "hz4: double free: 0x[0-9a-f]+ passed to");
  give({a, b, c});
}

TEST_F(SmallShards, WhatLiesFreeElsewhereIsFetchedBeforeANewSpanIsMade) {
  // A few blocks stay, so that the spans do.
  std::vector<void *> all = take(2, 120), stay;
  stay.reserve(1 << 10);
  for (unsigned i = 0; i < 120; i += 20) {
    stay.push_back(all[i]);
    hz4_small_give(kClass, 0, &all[i + 1], 19, false);
  }
  uint64_t made = hz4_small_central[5][kClass].spans_made;
  std::vector<void *> fetched = take(5, 20);
  for (void *p : fetched)
    EXPECT_EQ(shard_of(p), 2u);
  EXPECT_EQ(hz4_small_central[5][kClass].spans_made, made);
  give(fetched);
  // Nobody waits for a shard that somebody works on.
  std::atomic<int> stage{0};
  std::thread holder([&] {
    hz_lock_acquire(&hz4_small_central[2][kClass].lock, HZ_RANK_CENTRAL);
    stage = 1;
    while (stage != 2)
      std::this_thread::yield();
    hz_lock_release(&hz4_small_central[2][kClass].lock, HZ_RANK_CENTRAL);
  });
  while (stage != 1)
    std::this_thread::yield();
  void *own[8];
  unsigned n = hz4_small_take(kClass, 5, own, 8, &fresh);
  stage = 2;
  holder.join();
  ASSERT_EQ(n, 8u);
  EXPECT_EQ(shard_of(own[0]), 5u);
  hz4_small_give(kClass, 0, own, n, false);
  give(stay);
}

TEST_F(SmallShards, WhatItsOwnThreadsFreeIsFetchedOnlyWhereHalfIsFree) {
  std::vector<void *> stay = third_free(2);
  EXPECT_EQ(shard_that_serves_5(), 5u);
  std::vector<void *> back;
  back.reserve(1 << 10);
  for (unsigned i = 0; i < stay.size(); i++)
    if (i % 3 == 0)
      std::swap(stay[i], stay.back()), back.push_back(stay.back()), stay.pop_back();
  give(back, 2); // half is free now
  EXPECT_EQ(shard_that_serves_5(), 2u);
  give(stay);
}

TEST_F(SmallShards, WhatOthersFreeIsFetched) {
  give(third_free(2), 2); // as it was before
  std::vector<void *> stay = third_free(3);
  EXPECT_EQ(shard_that_serves_5(), 2u);
  give(stay);
}

TEST_F(SmallShards, WhatLiesIdleIsFetched) {
  std::vector<void *> stay = third_free(2);
  uint64_t due_ms = hz4_tick_state.due_ms;
  hz4_tick_state.due_ms += 500;
  EXPECT_EQ(shard_that_serves_5(), 2u);
  EXPECT_EQ(shard_that_serves_5(), 2u) << "who fetches is not of the shard";
  hz4_tick_state.due_ms = due_ms;
  give(stay);
}

TEST_F(SmallShards, AQuarterIsNear) {
  std::vector<void *> own = take(2, 15), others = take(5, 45), mixed;
  mixed.reserve(1 << 10);
  for (unsigned i = 0; i < 60; i++)
    mixed.push_back(i % 4 == 0 ? own[i / 4] : others[i - i / 4 - 1]);
  EXPECT_TRUE(hz4_small_is_near(kClass, 2, mixed.data(), 60));
  EXPECT_TRUE(hz4_small_is_near(kClass, 5, mixed.data(), 60));
  EXPECT_FALSE(hz4_small_is_near(kClass, 3, mixed.data(), 60));
  EXPECT_FALSE(hz4_small_is_near(kClass, 2, others.data(), 45));
  EXPECT_FALSE(hz4_small_is_near(kClass, 5, mixed.data(), 7)) << "too few to say";
  give(mixed);
}

TEST_F(SmallShards, ASpanThatHasABatchServesBeforeOneThatHasAFewBlocks) {
  unsigned per_span = hz_class_layout_table[kClass].span_blocks, half = per_span / 2;
  std::vector<void *> all = take(2, 3 * per_span);
  auto give_part = [&](unsigned from, unsigned to) {
    give(std::vector<void *>(all.begin() + from, all.begin() + to), 2);
  };
  give_part(0, 2);
  give_part(per_span, per_span + half);
  std::vector<void *> got = take(2, per_span / 4);
  for (void *p : got)
    EXPECT_EQ(hz_granule_of(p), hz_granule_of(all[2 * per_span - 1]));
  std::vector<void *> rest = take(2, half - per_span / 4 + 2);
  EXPECT_EQ(spans_of(kClass), 3u) << "and those few before a new one";
  give(got, 2), give(rest, 2);
  give_part(2, per_span);
  give_part(per_span + half, 3 * per_span);
}

TEST_F(SmallShards, ASpanThatServesGoesOnToItsEnd) {
  unsigned per_span = hz_class_layout_table[kClass].span_blocks, part = per_span / 4;
  std::vector<void *> first = take(2, per_span), second = take(2, per_span - part);
  // The first has less to give than the second, which served last.
  give(std::vector<void *>(first.begin(), first.begin() + part - 1), 2);
  std::vector<void *> got = take(2, part);
  for (void *p : got)
    EXPECT_EQ(hz_granule_of(p), hz_granule_of(second[0]));
  std::vector<void *> next = take(2, part - 1);
  EXPECT_EQ(spans_of(kClass), 2u) << "and then the other before a new one";
  give(got, 2), give(next, 2), give(second, 2);
  give(std::vector<void *>(first.begin() + part - 1, first.end()), 2);
}

// Threads on all shards pass blocks on, and give back whatever they were passed.
TEST_F(SmallShards, NothingIsLostOrDoubledAmongThreads) {
  constexpr unsigned kThreads = 6, kRounds = 2000;
  std::mutex lock;
  std::vector<void *> pool;
  pool.reserve(1 << 16); // no block of the class under test
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (unsigned round = 0; round < kRounds; round++) {
        void *mine[60];
        unsigned some;
        unsigned n = hz4_small_take(kClass, t % HZ4_SHARDS_MAX, mine, 1 + random() % 60, &some);
        for (unsigned i = 0; i < n; i++)
          *(uintptr_t *)mine[i] = (uintptr_t)mine[i] + t;
        for (unsigned i = 0; i < n; i++)
          ASSERT_EQ(*(uintptr_t *)mine[i], (uintptr_t)mine[i] + t) << "another thread has it too";
        std::unique_lock<std::mutex> hold(lock);
        pool.insert(pool.end(), mine, mine + n);
        std::shuffle(pool.end() - n, pool.end(), random);
        std::vector<void *> back;
        back.reserve(1 << 10);
        while (pool.size() > 200 && back.size() < 150) {
          std::swap(pool[random() % pool.size()], pool.back());
          back.push_back(pool.back());
          pool.pop_back();
        }
        hold.unlock();
        give(back);
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_TRUE(hz4_small_is_valid(kClass));
  give(pool);
}

// A program that writes what it gets has its pages ahead, but not those of a class's only span.
TEST_F(SmallShards, PagesComeAheadFromTheSecondSpanOn) {
  constexpr unsigned kShard = 5;
  auto ahead = [] {
    hz_os_stats s;
    hz_os_stats_read(&s);
    return s.bytes[HZ_OS_CALL_POPULATE];
  };
  auto take_all = [](unsigned cls, unsigned count) {
    std::vector<void *> got(count);
    for (unsigned n = 0; n < count;)
      n += hz4_shared_take(cls, kShard, &got[n], std::min(count - n, 8u));
    return got;
  };
  unsigned written = hz_class_of(1280), cls = hz_class_of(1792);
  (void)hz_runs_purge_all(); // what other tests left reads as zero again
  ASSERT_EQ(hz4_small_central[kShard][cls].spans, 0u);
  std::vector<void *> blocks;
  for (int i = 0; i < 500; i++)
    for (void *p : take_all(written, 8)) {
      memset(p, 1, 1280);
      blocks.push_back(p);
    }
  if (ahead() == 0)
    GTEST_SKIP() << "pages of another size, larger folios, or Linux before 5.14";
  unsigned per_span = hz_class_layout_table[cls].span_blocks;
  uint64_t at_first = ahead();
  std::vector<void *> first = take_all(cls, per_span);
  EXPECT_EQ(ahead(), at_first);
  std::vector<void *> second = take_all(cls, per_span);
  EXPECT_GT(ahead(), at_first);
  for (auto *some : {&first, &second})
    hz4_shared_leave(cls, kShard, some->data(), per_span, 0);
  for (size_t i = 0; i < blocks.size(); i += 50)
    hz4_shared_leave(written, kShard, &blocks[i], 50, 0);
}

TEST(SmallIndex, EverySpanIsOneGranule) {
  for (unsigned cls = HZ_CLASS_FIRST; cls < HZ4_MID_FIRST_CLASS; cls++)
    EXPECT_EQ(hz_class_layout_table[cls].span_granules, 1u) << cls;
}

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
