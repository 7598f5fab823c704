// Spans: every block out once, empty ones gone, and what a wrong pointer meets.
#include "hz3/span.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>
#include <thread>
#include <vector>

#include "common/os/os.h"
#include "hz3/init.h"
#include "hz3/tick.h"
#include "gtest/gtest.h"

namespace {

// Classes that neither googletest nor libstdc++ uses meanwhile.
constexpr size_t kQuiet[] = {5120, 11264, 20480, 45056, 90112, 114688};

std::vector<void *> take(unsigned cls, unsigned count, unsigned heap = 0) {
  std::vector<void *> blocks(count);
  for (unsigned n = 0; n < count;) {
    unsigned got = hz3_span_take(heap, cls, &blocks[n], std::min(count - n, 63u));
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
  ASSERT_EQ(hz3_span_take(0, cls, &p, 1), 1u);
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

// The second time from runs that were written.
TEST(Span, ABlockThatWasNeverUsedReadsAsZero) {
  ASSERT_TRUE(hz3_init_ensure());
  constexpr size_t kBytes = 45056;
  unsigned cls = hz_class_of(kBytes), zeroes = 0;
  (void)hz_runs_purge_all(); // what other tests left reads as zero again
  for (int round = 0; round < 2; round++) {
    std::vector<void *> blocks;
    for (int i = 0; i < 50; i++) {
      bool zeroed = false;
      unsigned char *p = static_cast<unsigned char *>(hz3_span_take_fresh(0, cls, &zeroed));
      ASSERT_NE(p, nullptr);
      zeroes += zeroed;
      for (size_t at = 0; zeroed && at < kBytes; at += 64)
        ASSERT_EQ(p[at], 0) << round;
      memset(p, 0xff, kBytes);
      blocks.push_back(p);
    }
    hz3_span_put(cls, blocks.data(), static_cast<unsigned>(blocks.size()), HZ_API_FREE);
    EXPECT_TRUE(hz3_span_is_valid(cls));
  }
  EXPECT_GT(zeroes, 0u);
}

// A program that writes what it gets has its pages ahead, but not those of a class's only span.
TEST(Span, PagesComeAheadFromTheSecondSpanOn) {
  ASSERT_TRUE(hz3_init_ensure());
  auto ahead = [] {
    hz_os_stats s;
    hz_os_stats_read(&s);
    return s.bytes[HZ_OS_CALL_POPULATE];
  };
  (void)hz_runs_purge_all(); // what other tests left reads as zero again
  unsigned written = hz_class_of(5120), cls = hz_class_of(7168);
  ASSERT_EQ(stats(cls).spans, 0u);
  std::vector<void *> blocks;
  for (int i = 0; i < 1000; i++) {
    blocks.push_back(take(written, 1)[0]);
    memset(blocks.back(), 1, 5120);
  }
  if (ahead() == 0)
    GTEST_SKIP() << "pages of another size, larger folios, or Linux before 5.14";
  unsigned per_span = hz3_shape[cls].span_blocks;
  uint64_t before = ahead();
  std::vector<void *> first = take(cls, per_span);
  EXPECT_EQ(ahead(), before);
  std::vector<void *> second = take(cls, per_span);
  EXPECT_GT(ahead(), before);
  hz3_span_put(cls, first.data(), per_span, HZ_API_FREE);
  hz3_span_put(cls, second.data(), per_span, HZ_API_FREE);
  hz3_span_put(written, blocks.data(), 1000, HZ_API_FREE);
}

TEST(Span, NoFreshBlockIsTakenWhereAUsedOneLiesFree) {
  ASSERT_TRUE(hz3_init_ensure());
  unsigned cls = hz_class_of(45056);
  bool zeroed;
  std::vector<void *> blocks;
  for (int i = 0; i < 5; i++)
    blocks.push_back(hz3_span_take_fresh(0, cls, &zeroed));
  hz3_span_put(cls, &blocks[2], 1, HZ_API_FREE);
  EXPECT_EQ(hz3_span_take_fresh(0, cls, &zeroed), nullptr);
  EXPECT_EQ(take(cls, 1)[0], blocks[2]);
  blocks.push_back(hz3_span_take_fresh(0, cls, &zeroed));
  EXPECT_NE(blocks.back(), nullptr);
  hz3_span_put(cls, blocks.data(), static_cast<unsigned>(blocks.size()), HZ_API_FREE);
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

// ---- heaps ----

// A class that has heaps, and that nobody else uses meanwhile.
unsigned shared_out() {
  return hz_class_of(1792);
}
unsigned heap_of(const void *p) {
  return hz_arena.granules[hz_granule_of(p)].flags;
}

TEST(Heaps, OfTwoThreadsShareNoSpan) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out();
  std::set<uint64_t> granules;
  std::vector<void *> mine = take(cls, 100, 0), others = take(cls, 100, 1);
  for (void *p : mine) {
    EXPECT_EQ(heap_of(p), 0u);
    granules.insert(hz_granule_of(p));
  }
  for (void *p : others) {
    EXPECT_EQ(heap_of(p), 1u);
    EXPECT_EQ(granules.count(hz_granule_of(p)), 0u);
  }
  hz3_span_put(cls, mine.data(), 100, HZ_API_FREE);
  hz3_span_put(cls, others.data(), 100, HZ_API_FREE);
}

TEST(Heaps, OfLargeClassesAreOne) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = hz_class_of(5120);
  std::vector<void *> blocks = take(cls, 30, 1);
  for (void *p : blocks)
    EXPECT_EQ(heap_of(p), 0u);
  hz3_span_put(cls, blocks.data(), 30, HZ_API_FREE);
}

TEST(Heaps, BlocksOfAllGoHomeInOneCall) {
  ASSERT_TRUE(hz3_init_ensure());
  constexpr unsigned kHeaps = 5, kEach = 200;
  hz3_span_heap_use(kHeaps - 1);
  unsigned cls = shared_out();
  hz3_span_stats before = stats(cls);
  std::vector<void *> blocks(kHeaps * kEach);
  for (unsigned heap = 0; heap < kHeaps; heap++) {
    std::vector<void *> some = take(cls, kEach, heap);
    for (unsigned i = 0; i < kEach; i++)
      blocks[i * kHeaps + heap] = some[i];
  }
  EXPECT_EQ(stats(cls).blocks_out, before.blocks_out + blocks.size());
  hz3_span_put(cls, blocks.data(), kHeaps * kEach, HZ_API_FREE);
  EXPECT_TRUE(hz3_span_is_valid(cls));
  EXPECT_EQ(stats(cls).blocks_out, before.blocks_out);
  EXPECT_EQ(stats(cls).spans, before.spans);
}

TEST(Heaps, OwnBlocksGoHomeAndTheOthersStayInOrder) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out();
  hz3_span_stats before = stats(cls);
  std::vector<void *> mine = take(cls, 400, 0), others = take(cls, 300, 1), mixed;
  for (unsigned i = 0; i < 400; i++) {
    mixed.push_back(mine[i]);
    if (i >= 100)
      mixed.push_back(others[i - 100]);
  }
  ASSERT_EQ(hz3_span_put_own(0, cls, mixed.data(), 700, HZ_API_FREE), 300u);
  EXPECT_TRUE(std::equal(others.begin(), others.end(), mixed.begin()));
  EXPECT_EQ(stats(cls).blocks_out, before.blocks_out + 300);
  EXPECT_TRUE(hz3_span_is_valid(cls));
  EXPECT_EQ(hz3_span_put_own(0, cls, mixed.data(), 300, HZ_API_FREE), 300u) << "none is its own";
  EXPECT_EQ(hz3_span_put_own(1, cls, mixed.data(), 300, HZ_API_FREE), 0u);
  EXPECT_EQ(stats(cls).spans, before.spans);
}

TEST(Heaps, WhatOneHasInPlentyAnotherAdopts) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out(), per_span = hz3_shape[cls].span_blocks;
  std::vector<void *> blocks = take(cls, 40 * per_span, 1), kept, back;
  for (unsigned i = 0; i < blocks.size(); i++) // one of each span stays out
    (i % per_span == 0 ? kept : back).push_back(blocks[i]);
  hz3_span_put(cls, back.data(), static_cast<unsigned>(back.size()), HZ_API_FREE);
  hz3_span_stats before = stats(cls);
  std::vector<void *> mine = take(cls, 20 * per_span, 0);
  EXPECT_EQ(stats(cls).spans, before.spans) << "none was opened";
  EXPECT_EQ(stats(cls).blocks_out, before.blocks_out + mine.size());
  EXPECT_TRUE(hz3_span_is_valid(cls));
  EXPECT_EQ(hz3_central[1][cls].blocks_out + hz3_central[0][cls].blocks_out,
            kept.size() + mine.size());
  hz3_span_put(cls, kept.data(), static_cast<unsigned>(kept.size()), HZ_API_FREE);
  hz3_span_put(cls, mine.data(), static_cast<unsigned>(mine.size()), HZ_API_FREE);
  EXPECT_EQ(stats(cls).spans, 0u);
  EXPECT_TRUE(hz3_span_is_valid(cls));
}

TEST(Heaps, AHeapKeepsWhatItHasNoPlentyOf) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out(), per_span = hz3_shape[cls].span_blocks;
  std::vector<void *> others = take(cls, 8 * per_span + 1, 1); // the last span is nearly empty
  hz3_span_stats before = stats(cls);
  std::vector<void *> mine = take(cls, 1, 0);
  EXPECT_EQ(stats(cls).spans, before.spans + 1);
  hz3_span_put(cls, mine.data(), 1, HZ_API_FREE);
  hz3_span_put(cls, others.data(), static_cast<unsigned>(others.size()), HZ_API_FREE);
}

void put(unsigned cls, std::vector<void *> blocks) {
  hz3_span_put(cls, blocks.data(), static_cast<unsigned>(blocks.size()), HZ_API_FREE);
}
void put_by_its_own_threads(unsigned cls, std::vector<void *> blocks) {
  unsigned n = static_cast<unsigned>(blocks.size());
  EXPECT_EQ(hz3_span_put_own(1, cls, blocks.data(), n, HZ_API_FREE), 0u);
}

// Heap 1 fills 40 spans time and again, the last time every second block comes back. Returns: the
// blocks that stay out.
std::vector<void *> half_free(unsigned cls,
                              void (*bring)(unsigned cls, std::vector<void *> blocks)) {
  unsigned per_span = hz3_shape[cls].span_blocks;
  for (unsigned back = 0; back < 6000; back += 40 * per_span)
    bring(cls, take(cls, 40 * per_span, 1));
  std::vector<void *> kept, back;
  std::vector<void *> blocks = take(cls, 40 * per_span, 1);
  for (unsigned i = 0; i < blocks.size(); i++)
    (i % 2 == 0 ? kept : back).push_back(blocks[i]);
  bring(cls, back);
  return kept;
}

// Effect: heap 0 takes a block. Returns: whether a span was opened for it.
bool opens_for_heap_0(unsigned cls, std::vector<void *> &taken) {
  hz3_span_stats before = stats(cls);
  taken.push_back(take(cls, 1, 0)[0]);
  return stats(cls).spans > before.spans;
}

TEST(Heaps, WhatOnesOwnThreadsFreeIsAdoptedOnlyWhereMostOfASpanIsFree) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out();
  std::vector<void *> kept = half_free(cls, put_by_its_own_threads), taken;
  EXPECT_TRUE(opens_for_heap_0(cls, taken));
  // All but two blocks of one span: that one may go.
  uint64_t granule = hz_granule_of(kept[100]);
  std::vector<void *> more;
  auto in_span = [granule](void *p) { return hz_granule_of(p) == granule; };
  std::copy_if(kept.begin(), kept.end(), std::back_inserter(more), in_span);
  kept.erase(std::remove_if(kept.begin(), kept.end(), in_span), kept.end());
  ASSERT_GT(more.size(), 2u);
  kept.insert(kept.end(), more.end() - 2, more.end());
  more.resize(more.size() - 2);
  put_by_its_own_threads(cls, more);
  std::vector<void *> rest = take(cls, hz3_shape[cls].span_blocks - 1, 0); // of the span it opened
  EXPECT_FALSE(opens_for_heap_0(cls, taken));
  EXPECT_EQ(hz_granule_of(taken.back()), granule);
  EXPECT_TRUE(hz3_span_is_valid(cls));
  put(cls, rest);
  put(cls, taken);
  put(cls, kept);
  EXPECT_EQ(stats(cls).spans, 0u);
}

TEST(Heaps, WhatStrangersFreeIsAdopted) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out();
  put(cls, half_free(cls, put_by_its_own_threads)); // as it was before
  std::vector<void *> kept = half_free(cls, put), taken;
  EXPECT_FALSE(opens_for_heap_0(cls, taken));
  put(cls, taken);
  put(cls, kept);
}

TEST(Heaps, WhatLiesIdleIsAdopted) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_span_heap_use(1);
  unsigned cls = shared_out();
  std::vector<void *> kept = half_free(cls, put_by_its_own_threads), taken;
  hz_store_relaxed(&hz3_tick_count, hz_load_relaxed(&hz3_tick_count) + 20);
  EXPECT_FALSE(opens_for_heap_0(cls, taken));
  put(cls, taken);
  put(cls, kept);
}

// Every thread takes for its own heap, gives back blocks of all, and leaves plenty to adopt.
TEST(Heaps, ThreadsHaveEveryBlockOnce) {
  ASSERT_TRUE(hz3_init_ensure());
  constexpr unsigned kThreads = 4, kSlots = 2000;
  hz3_span_heap_use(kThreads - 1);
  unsigned cls = shared_out();
  hz3_span_stats before = stats(cls);
  std::vector<void *> slots(kSlots);
  std::vector<std::thread> threads;
  uint32_t doubles = 0;
  for (unsigned t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      uint64_t seed = t + 1;
      for (int turn = 0; turn < 400; turn++) {
        void *held[50], *old[50];
        unsigned n = hz3_span_take(t, cls, held, 50), olds = 0;
        for (unsigned i = 0; i < n; i++) {
          if (__atomic_exchange_n(static_cast<uint32_t *>(held[i]), 1u, __ATOMIC_RELAXED) == 1)
            hz_add_relaxed(&doubles, 1u);
          seed = seed * 6364136223846793005u + 1442695040888963407u;
          void *was = __atomic_exchange_n(&slots[(seed >> 33) % kSlots], held[i], __ATOMIC_ACQ_REL);
          if (was) {
            __atomic_store_n(static_cast<uint32_t *>(was), 0u, __ATOMIC_RELAXED);
            old[olds++] = was;
          }
        }
        unsigned left = hz3_span_put_own(t, cls, old, olds, HZ_API_FREE);
        hz3_span_put(cls, old, left, HZ_API_FREE);
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(doubles, 0u);
  EXPECT_TRUE(hz3_span_is_valid(cls));
  for (void *p : slots)
    if (p) {
      *static_cast<uint32_t *>(p) = 0;
      hz3_span_put(cls, &p, 1, HZ_API_FREE);
    }
  EXPECT_EQ(stats(cls).blocks_out, before.blocks_out);
  EXPECT_EQ(stats(cls).spans, before.spans);
  EXPECT_TRUE(hz3_span_is_valid(cls));
}

} // namespace
