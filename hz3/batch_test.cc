// Batches: each has one owner, and memory is made once.
#include "hz3/batch.h"

#include <set>
#include <thread>
#include <vector>

#include "hz3/init.h"
#include "gtest/gtest.h"

namespace {

TEST(Batch, NumbersAreDistinctAndComeBack) {
  ASSERT_TRUE(hz3_init_ensure());
  std::set<uint32_t> ids;
  for (int i = 0; i < 300; i++) {
    uint32_t id = hz3_batch_take();
    ASSERT_NE(id, 0u);
    ASSERT_TRUE(ids.insert(id).second);
    EXPECT_TRUE(hz_is_aligned(reinterpret_cast<uintptr_t>(hz3_batch_of(id)), HZ_LINE_BYTES));
  }
  uint32_t last = *ids.begin();
  for (uint32_t id : ids)
    if (id != last)
      hz3_batch_give(id);
  hz3_batch_give(last);
  EXPECT_EQ(hz3_batch_take(), last) << "the one given last is warm";
  hz3_batch_give(last);
}

TEST(Batch, TwoThreadsNeverOwnOne) {
  ASSERT_TRUE(hz3_init_ensure());
  constexpr int kThreads = 4, kRounds = 20000;
  std::vector<std::thread> threads;
  uint32_t clashes = 0;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([t, &clashes] {
      void *mine = reinterpret_cast<void *>(static_cast<uintptr_t>(t) * 16 + 16);
      for (int i = 0; i < kRounds; i++) {
        uint32_t a = hz3_batch_take(), b = hz3_batch_take();
        hz3_batch_of(a)->blocks[5] = mine;
        hz3_batch_of(b)->blocks[5] = mine;
        if (i % 16 == 0)
          std::this_thread::yield();
        if (hz3_batch_of(a)->blocks[5] != mine || hz3_batch_of(b)->blocks[5] != mine)
          hz_add_relaxed(&clashes, 1u);
        hz3_batch_give(a);
        hz3_batch_give(b);
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(clashes, 0u);
}

} // namespace
