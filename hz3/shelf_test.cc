// Shelves: nothing lost, nothing twice, bounded, and nobody waits.
#include "hz3/shelf.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <sched.h>
#include <set>
#include <thread>
#include <vector>

#include "hz3/init.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "gtest/gtest.h"

namespace {

constexpr size_t kBytes = 3328;
unsigned cls() {
  return hz_class_of(kBytes);
}

std::vector<void *> fresh(unsigned count) {
  std::vector<void *> blocks(count);
  for (unsigned n = 0; n < count;)
    n += hz3_span_take(0, cls(), &blocks[n], count - n);
  return blocks;
}

// Clears the rows of this class alone, on all shelves.
size_t clear() {
  bool classes[HZ_CLASS_COUNT] = {};
  classes[cls()] = true;
  return hz3_shelf_clear(classes, HZ_API_FREE);
}

// After each test the thread may run where it could before.
class Shelf : public testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(sched_getaffinity(0, sizeof allowed_, &allowed_), 0); }
  void TearDown() override { EXPECT_EQ(sched_setaffinity(0, sizeof allowed_, &allowed_), 0); }
  cpu_set_t allowed_;
};

// Effect: this thread, and those that it starts, run there.
unsigned stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  EXPECT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
  return static_cast<unsigned>(cpu);
}
unsigned stay_here() {
  return stay_on(sched_getcpu());
}

// A shelf of our own, on which nobody else lays anything down, and no limit but the row's.
hz3_shelf *own() {
  alignas(HZ_NO_SHARE_BYTES) static hz3_shelf place;
  EXPECT_TRUE(hz3_init_ensure());
  memset(static_cast<void *>(&place), 0, sizeof place);
  place.cpu = stay_here();
  hz3_shelf_limit_bytes = HZ_GIB;
  return &place;
}

TEST_F(Shelf, TheNewestBlocksAreTakenFirst) {
  hz3_shelf *s = own();
  std::vector<void *> blocks = fresh(5);
  void *out[5];
  unsigned moved;
  ASSERT_TRUE(hz3_shelf_give(s, cls(), &blocks[0], 3, nullptr, 0, &moved));
  ASSERT_TRUE(hz3_shelf_give(s, cls(), &blocks[3], 2, nullptr, 0, &moved));
  EXPECT_TRUE(hz3_shelf_is_valid(s));
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, 2), 2u);
  EXPECT_EQ(out[1], blocks[4]);
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, 5), 3u);
  EXPECT_EQ(out[2], blocks[2]);
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, 5), 0u);
  EXPECT_EQ(s->bytes, 0u);
  EXPECT_TRUE(hz3_shelf_is_valid(s));
  hz3_span_put(cls(), blocks.data(), 5, HZ_API_FREE);
}

TEST_F(Shelf, AFullRowMakesRoomByItsOldest) {
  hz3_shelf *s = own();
  std::vector<void *> blocks = fresh(HZ3_ROW_BLOCKS + 4);
  void *out[HZ3_ROW_BLOCKS];
  unsigned moved;
  for (unsigned i = 0; i < HZ3_ROW_BLOCKS; i += 2)
    ASSERT_TRUE(hz3_shelf_give(s, cls(), &blocks[i], 2, nullptr, 0, &moved));
  EXPECT_FALSE(hz3_shelf_give(s, cls(), &blocks[HZ3_ROW_BLOCKS], 4, out, 0, &moved));
  EXPECT_EQ(moved, 0u);
  EXPECT_TRUE(hz3_shelf_give(s, cls(), &blocks[HZ3_ROW_BLOCKS], 4, out, 19, &moved));
  ASSERT_EQ(moved, 19u);
  for (unsigned i = 0; i < moved; i++)
    EXPECT_EQ(out[i], blocks[i]);
  EXPECT_TRUE(hz3_shelf_is_valid(s));
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, HZ3_ROW_BLOCKS), HZ3_ROW_BLOCKS + 4 - 19);
  hz3_span_put(cls(), blocks.data(), HZ3_ROW_BLOCKS + 4, HZ_API_FREE);
}

TEST_F(Shelf, KeepsToItsLimit) {
  hz3_shelf *s = own();
  hz3_shelf_limit_bytes = 10 * kBytes;
  std::vector<void *> blocks = fresh(30);
  void *out[HZ3_ROW_BLOCKS];
  unsigned moved, gone = 0;
  for (void *&p : blocks) {
    if (!hz3_shelf_give(s, cls(), &p, 1, out, 4, &moved))
      moved = 1;
    gone += moved;
    EXPECT_LE(s->bytes, hz3_shelf_limit_bytes);
  }
  EXPECT_EQ(gone + s->rows[cls()].count, 30u);
  EXPECT_GE(s->rows[cls()].count, 6u);
  hz3_span_put(cls(), blocks.data(), 30, HZ_API_FREE);
}

TEST_F(Shelf, AllTogetherKeepToTheirPartOfTheBound) {
  ASSERT_TRUE(hz3_init_ensure());
  ASSERT_NE(hz3_shelf_here(nullptr), nullptr);
  hz3_spread_most = 0; // bins have all the use they can have: shelves have the smaller part
  hz3_tick_now(0);
  size_t shelves = 0;
  for (hz3_shelf *s : hz3_shelves)
    shelves += s != nullptr;
  ASSERT_GT(shelves, 0u);
  EXPECT_LE(shelves * hz3_shelf_limit_bytes, hz3_bound_bytes / 8 * 2);
}

TEST_F(Shelf, WhatNobodyNeedsForAnIntervalLeaves) {
  ASSERT_TRUE(hz3_init_ensure());
  (void)clear();
  stay_here();
  hz3_shelf *s = hz3_shelf_here(nullptr);
  ASSERT_NE(s, nullptr);
  hz3_shelf_limit_bytes = HZ_GIB;
  std::vector<void *> blocks = fresh(8);
  void *out[8];
  unsigned moved;
  ASSERT_TRUE(hz3_shelf_give(s, cls(), blocks.data(), 8, nullptr, 0, &moved));
  (void)hz3_shelf_age();
  EXPECT_EQ(hz3_shelf_blocks(cls()), 8u) << "begins an interval";
  ASSERT_EQ(hz3_shelf_take(s, cls(), out, 3), 3u);
  ASSERT_TRUE(hz3_shelf_give(s, cls(), out, 3, nullptr, 0, &moved));
  EXPECT_GE(hz3_shelf_age(), 5u);
  EXPECT_EQ(hz3_shelf_blocks(cls()), 3u);
  EXPECT_EQ(clear(), 3u);
  EXPECT_TRUE(hz3_span_is_valid(cls()));
}

TEST_F(Shelf, ARowIsClearedFromItsOwnCpuOnly) {
  hz3_shelf *s = own();
  std::vector<void *> blocks = fresh(3);
  unsigned moved;
  EXPECT_EQ(hz3_shelf_clear_row(s, cls(), HZ_API_FREE), 0u);
  ASSERT_TRUE(hz3_shelf_give(s, cls(), blocks.data(), 3, nullptr, 0, &moved));
  if (hz3_shelf_cpu.claims) {
    s->cpu = HZ3_SHELVES_MOST; // as after a migration
    EXPECT_EQ(hz3_shelf_clear_row(s, cls(), HZ_API_FREE), 0u);
    s->cpu = stay_here();
  }
  EXPECT_EQ(hz3_shelf_clear_row(s, cls(), HZ_API_FREE), 3u);
  EXPECT_EQ(s->rows[cls()].count, 0u);
  EXPECT_TRUE(hz3_shelf_is_valid(s));
  EXPECT_TRUE(hz3_span_is_valid(cls()));
}

TEST_F(Shelf, ARowInUseIsNotWaitedFor) {
  hz3_shelf *s = own();
  std::vector<void *> blocks = fresh(2);
  void *out[2];
  unsigned moved;
  ASSERT_TRUE(hz3_shelf_give(s, cls(), &blocks[0], 1, nullptr, 0, &moved));
  s->rows[cls()].lock = 1;
  EXPECT_FALSE(hz3_shelf_give(s, cls(), &blocks[1], 1, nullptr, 0, &moved));
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, 1), 0u);
  s->rows[cls()].lock = 0;
  EXPECT_EQ(hz3_shelf_take(s, cls(), out, 1), 1u);
  hz3_span_put(cls(), blocks.data(), 2, HZ_API_FREE);
}

// By claims on one CPU, or by swaps from any.
void threads_exchange(hz3_shelf *s) {
  constexpr unsigned kThreads = 4, kEach = 8;
  std::vector<void *> blocks = fresh(kThreads * kEach);
  uint32_t doubles = 0;
  for (void *p : blocks)
    *static_cast<uint32_t *>(p) = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; t++)
    threads.emplace_back([s, t, &blocks, &doubles] {
      std::vector<void *> mine(&blocks[t * kEach], &blocks[t * kEach] + kEach);
      void *held[kThreads * kEach];
      unsigned moved;
      for (unsigned i = 0; i < 20000; i++) {
        unsigned some = std::min<unsigned>(1 + i % kEach, static_cast<unsigned>(mine.size()));
        if (some != 0 && hz3_shelf_give(s, cls(), mine.data(), some, nullptr, 0, &moved))
          mine.erase(mine.begin(), mine.begin() + some);
        unsigned n = hz3_shelf_take(s, cls(), held, 1 + i % 5);
        for (unsigned k = 0; k < n; k++)
          if (__atomic_exchange_n(static_cast<uint32_t *>(held[k]), 1u, __ATOMIC_RELAXED) != 0)
            hz_add_relaxed(&doubles, 1u);
        for (unsigned k = 0; k < n; k++)
          __atomic_store_n(static_cast<uint32_t *>(held[k]), 0u, __ATOMIC_RELAXED);
        mine.insert(mine.end(), held, held + n);
      }
      while (!mine.empty())
        if (hz3_shelf_give(s, cls(), &mine.back(), 1, nullptr, 0, &moved))
          mine.pop_back();
        else // what two count at once is lost until a tick counts anew, and none does here
          hz_store_relaxed(&s->bytes, uint64_t{0});
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(doubles, 0u);
  std::vector<void *> found(blocks.size() + 1);
  ASSERT_EQ(hz3_shelf_take(s, cls(), found.data(), 100), blocks.size());
  found.pop_back();
  EXPECT_EQ(std::set<void *>(found.begin(), found.end()),
            std::set<void *>(blocks.begin(), blocks.end()));
  hz3_span_put(cls(), blocks.data(), static_cast<unsigned>(blocks.size()), HZ_API_FREE);
}

TEST_F(Shelf, ThreadsExchangeEveryBlockOnce) {
  threads_exchange(own());
}

TEST_F(Shelf, ThreadsOfAnyCpuExchangeEveryBlockOnce) {
  hz3_shelf *s = own();
  ASSERT_EQ(sched_setaffinity(0, sizeof allowed_, &allowed_), 0);
  const bool claims = hz3_shelf_cpu.claims;
  hz3_shelf_cpu.claims = false; // nobody but this test is at work
  threads_exchange(s);
  hz3_shelf_cpu.claims = claims;
}

// Two threads of a CPU use their shelf while others clear it: no block is handed out twice. Their
// other stores go far, so that what they do to a lock is seen late.
TEST_F(Shelf, OthersTakeAwayWhatLiesThere) {
  ASSERT_TRUE(hz3_init_ensure());
  int first = 0, last = 0;
  for (int cpu = CPU_SETSIZE; cpu-- > 0;)
    if (CPU_ISSET(cpu, &allowed_)) {
      first = cpu;
      last = std::max(last, cpu);
    }
  constexpr size_t kFar = 64 * HZ_MIB;
  auto far = std::make_unique<char[]>(kFar);
  hz3_shelf_limit_bytes = HZ_GIB;
  constexpr size_t kPlaces = size_t{1} << 24; // of 16 bytes
  auto held = std::make_unique<std::atomic<uint8_t>[]>(kPlaces);
  std::atomic<unsigned> doubles{0}, users{2};
  std::atomic<size_t> given{0}, cleared{0};
  const auto mark = [&](void *p, uint8_t out) {
    const size_t at = (reinterpret_cast<uintptr_t>(p) - hz_arena.base) / 16;
    if (at >= kPlaces)
      abort();
    doubles += held[at].exchange(out, std::memory_order_relaxed) == out;
  };
  // Of every span that is used something stays out: none passes through the arena, of which the
  // thread sanitizer sees nothing here.
  std::vector<void *> kept = fresh(600), most;
  for (size_t i = kept.size(); i-- > 0;)
    if (i % 8 != 0) {
      most.push_back(kept[i]);
      kept.erase(kept.begin() + static_cast<ptrdiff_t>(i));
    }
  hz3_span_put(cls(), most.data(), static_cast<unsigned>(most.size()), HZ_API_FREE);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; t++)
    threads.emplace_back([&, t] {
      stay_on(first);
      std::vector<void *> mine;
      void *some[4];
      unsigned moved;
      for (size_t i = 0; i < 60000; i++) {
        for (size_t k = 0; k < 8; k++)
          hz_store_relaxed(&far[(i * 8 + k + t) * 4160 % kFar], char{1});
        hz3_shelf *s = hz3_shelf_here(nullptr);
        unsigned n = hz3_shelf_take(s, cls(), some, 4);
        if (n == 0 && mine.size() < 16)
          n = hz3_span_take(0, cls(), some, 4);
        for (unsigned k = 0; k < n; k++)
          mark(some[k], 1);
        mine.insert(mine.end(), some, some + n);
        if (mine.size() < 8)
          continue;
        std::copy(mine.end() - 4, mine.end(), some);
        for (void *p : some)
          mark(p, 0);
        if (hz3_shelf_give(s, cls(), some, 4, nullptr, 0, &moved))
          given += 4;
        else
          hz3_span_put(cls(), some, 4, HZ_API_FREE);
        mine.resize(mine.size() - 4);
      }
      for (void *p : mine)
        mark(p, 0);
      hz3_span_put(cls(), mine.data(), static_cast<unsigned>(mine.size()), HZ_API_FREE);
      users--;
    });
  for (unsigned t = 0; t < 2; t++)
    threads.emplace_back([&] {
      stay_on(last);
      while (users != 0)
        cleared += clear();
    });
  for (std::thread &t : threads)
    t.join();
  cleared += clear();
  EXPECT_EQ(doubles, 0u);
  EXPECT_GT(given, 0u);
  EXPECT_GT(cleared, 0u);
  EXPECT_EQ(hz3_shelf_blocks(cls()), 0u);
  EXPECT_TRUE(hz3_span_is_valid(cls()));
  hz3_span_put(cls(), kept.data(), static_cast<unsigned>(kept.size()), HZ_API_FREE);
}

TEST_F(Shelf, AForkedChildDropsWhatWasBeingMoved) {
  ASSERT_TRUE(hz3_init_ensure());
  stay_here();
  hz3_shelf *s = hz3_shelf_here(nullptr);
  ASSERT_NE(s, nullptr);
  (void)clear();
  std::vector<void *> blocks = fresh(2);
  unsigned moved;
  ASSERT_TRUE(hz3_shelf_give(s, cls(), blocks.data(), 2, nullptr, 0, &moved));
  s->rows[cls()].lock = s->rows[cls()].moving = 1;
  hz3_shelf_after_fork_child();
  EXPECT_EQ(s->rows[cls()].count, 0u);
  EXPECT_EQ(s->rows[cls()].lock, 0u);
  hz3_span_put(cls(), blocks.data(), 2, HZ_API_FREE);
}

} // namespace
