// The transfer layer: nothing lost, nothing twice, and bounded.
#include "hz3/transfer.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "hz3/init.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "gtest/gtest.h"

namespace {

constexpr size_t kQuietBytes = 3328; // 19 blocks a batch
unsigned quiet() {
  return hz_class_of(kQuietBytes);
}

std::vector<void *> fresh(unsigned cls, unsigned count) {
  std::vector<void *> blocks(count);
  for (unsigned n = 0; n < count;)
    n += hz3_span_take(0, cls, &blocks[n], std::min(count - n, 63u));
  return blocks;
}

// Nothing waits, and `limit` blocks may.
void clear(unsigned cls, uint32_t limit) {
  hz3_transfer_drain(cls, HZ_API_FREE);
  hz3_transfer[cls].limit = limit;
}

void drop_spare(uint32_t spare) {
  if (spare != 0)
    hz3_batch_give(spare);
}

TEST(Transfer, WhatIsGivenIsTaken) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = quiet();
  uint32_t spare = 0;
  std::vector<void *> blocks = fresh(cls, 19), out(19);
  clear(cls, 100);
  hz3_transfer_give(cls, blocks.data(), 19, &spare, HZ_API_FREE);
  EXPECT_EQ(hz3_transfer[cls].blocks, 19u);
  unsigned n = hz3_transfer_take(cls, out.data(), 7, &spare);
  EXPECT_EQ(n, 7u);
  n += hz3_transfer_take(cls, &out[n], 12, &spare);
  EXPECT_EQ(n, 19u);
  EXPECT_EQ(std::set<void *>(out.begin(), out.end()),
            std::set<void *>(blocks.begin(), blocks.end()));
  EXPECT_EQ(hz3_transfer_take(cls, out.data(), 1, &spare), 0u);
  EXPECT_NE(spare, 0u) << "the emptied batch is kept";
  hz3_span_put(cls, blocks.data(), 19, HZ_API_FREE);
  drop_spare(spare);
}

TEST(Transfer, BeyondTheBoundBlocksReturnToTheirSpans) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(kQuietBytes);
  constexpr unsigned most = 100, many = 500;
  clear(cls, most);
  std::vector<void *> blocks = fresh(cls, many);
  hz3_span_stats before, after;
  hz3_span_stats_read(cls, &before);
  uint32_t spare = 0;
  for (unsigned i = 0; i < many; i += 5)
    hz3_transfer_give(cls, &blocks[i], 5, &spare, HZ_API_FREE);
  uint32_t waiting = hz3_transfer[cls].blocks;
  EXPECT_LE(waiting, most);
  EXPECT_GT(waiting, most / 2);
  hz3_span_stats_read(cls, &after);
  EXPECT_EQ(before.blocks_out - after.blocks_out, many - waiting);
  EXPECT_EQ(hz3_transfer_drain(cls, HZ_API_FREE), waiting);
  EXPECT_EQ(hz3_transfer[cls].blocks, 0u);
  drop_spare(spare);
}

TEST(Transfer, WhatNobodyNeedsForAnIntervalLeaves) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = quiet();
  clear(cls, 100);
  std::vector<void *> blocks = fresh(cls, 38);
  uint32_t spare = 0;
  hz3_transfer_give(cls, &blocks[0], 19, &spare, HZ_API_FREE);
  hz3_transfer_give(cls, &blocks[19], 19, &spare, HZ_API_FREE);
  hz3_transfer_age(cls); // begins an interval
  EXPECT_EQ(hz3_transfer[cls].blocks, 38u);
  std::vector<void *> out(19);
  ASSERT_EQ(hz3_transfer_take(cls, out.data(), 19, &spare), 19u);
  hz3_transfer_give(cls, out.data(), 19, &spare, HZ_API_FREE);
  hz3_transfer_age(cls); // one of the two was needed
  EXPECT_EQ(hz3_transfer[cls].blocks, 19u);
  hz3_transfer_age(cls);
  EXPECT_EQ(hz3_transfer[cls].blocks, 0u);
  drop_spare(spare);
}

TEST(Transfer, ThreadsExchangeEveryBlockOnce) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = quiet();
  clear(cls, 100);
  constexpr unsigned kThreads = 4, kEach = 8;
  hz3_span_stats before;
  hz3_span_stats_read(cls, &before);
  std::vector<void *> blocks = fresh(cls, kThreads * kEach);
  uint32_t spare = 0, doubles = 0;
  for (void *p : blocks)
    *static_cast<uint32_t *>(p) = 0;
  for (unsigned i = 0; i < kThreads; i++)
    hz3_transfer_give(cls, &blocks[i * kEach], kEach, &spare, HZ_API_FREE);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; t++)
    threads.emplace_back([cls, &doubles] {
      uint32_t mine = 0;
      void *held[kEach];
      for (int i = 0; i < 20000; i++) {
        unsigned n = hz3_transfer_take(cls, held, 1 + static_cast<unsigned>(i) % kEach, &mine);
        for (unsigned k = 0; k < n; k++)
          if (__atomic_exchange_n(static_cast<uint32_t *>(held[k]), 1u, __ATOMIC_RELAXED) != 0)
            hz_add_relaxed(&doubles, 1u);
        for (unsigned k = 0; k < n; k++)
          __atomic_store_n(static_cast<uint32_t *>(held[k]), 0u, __ATOMIC_RELAXED);
        if (n != 0)
          hz3_transfer_give(cls, held, n, &mine, HZ_API_FREE);
      }
      drop_spare(mine);
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(doubles, 0u);
  hz3_transfer_drain(cls, HZ_API_FREE);
  hz3_span_stats after;
  hz3_span_stats_read(cls, &after);
  EXPECT_EQ(after.blocks_out, before.blocks_out) << "what a tick did not give back, the drain did";
  EXPECT_TRUE(hz3_span_is_valid(cls));
  drop_spare(spare);
}

} // namespace
