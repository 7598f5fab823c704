#include "common/large/large.h"
#include "common/os/os.h"

#include <algorithm>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace {

constexpr size_t kMiB = 1 << 20;

class Large : public ::testing::Test {
protected:
  // The arena is one for the process: both suites share it.
  static void SetUpTestSuite() {
    static bool ready = false;
    if (ready)
      return;
    ready = true;
    hz_arena_config arena = {};
    arena.purge_delay_ms = 100;
    ASSERT_TRUE(hz_arena_init(&arena));
    hz_large_config large = {64 * kMiB, 32 * kMiB, 100};
    hz_large_init(&large);
    hz_fail_set_generation("large_test");
  }
  void TearDown() override {
    hz_large_trim();
    hz_large_stats stats;
    hz_large_stats_read(&stats);
    EXPECT_EQ(stats.live_bytes, 0u);
    EXPECT_EQ(stats.live_blocks, 0u);
    EXPECT_EQ(stats.cached_bytes, 0u);
    EXPECT_EQ(stats.cached_blocks, 0u);
  }
  static void *Alloc(size_t bytes, size_t align = 16, bool zero = false) {
    void *p = hz_large_alloc(bytes, align, zero);
    EXPECT_NE(p, nullptr);
    EXPECT_EQ((uintptr_t)p % align, 0u);
    EXPECT_GE(hz_large_usable(p, HZ_API_USABLE_SIZE), bytes);
    return p;
  }
};

// Writes a word into each page, different for each block, and checks it.
void Fill(void *p, size_t bytes, uint64_t key) {
  for (size_t at = 0; at + 8 <= bytes; at += 4096)
    memcpy((char *)p + at, &(key += at), 8);
}
bool Holds(const void *p, size_t bytes, uint64_t key) {
  for (size_t at = 0; at + 8 <= bytes; at += 4096) {
    key += at;
    if (memcmp((const char *)p + at, &key, 8) != 0)
      return false;
  }
  return true;
}

char *PageOf(void *p) {
  return (char *)hz_align_down((uintptr_t)p, 4096);
}
// Granules of a block, in bytes.
size_t Span(void *p) {
  return hz_align_up(hz_large_usable(p, HZ_API_USABLE_SIZE), HZ_GRANULE_BYTES);
}

TEST_F(Large, WholeBlockIsUsable) {
  for (size_t bytes : {131073ul, 200000ul, 1 * kMiB, 5 * kMiB + 1, 40 * kMiB}) {
    void *p = Alloc(bytes);
    memset(p, 0x5a, hz_large_usable(p, HZ_API_USABLE_SIZE));
    hz_large_free(p, HZ_API_FREE);
  }
}

TEST_F(Large, AlignedUpToOneGib) {
  for (size_t align = 16; align <= HZ_GIB; align *= 2) {
    void *p = Alloc(150000, align);
    *(volatile char *)p = 1;
    hz_large_free(p, HZ_API_FREE);
  }
  EXPECT_EQ(hz_large_alloc(150000, 2 * HZ_GIB, false), nullptr);
}

// Blocks of whole pages that begin in the same sets of a cache drive each other out of it.
TEST_F(Large, BlocksBeginOnManyLines) {
  for (size_t bytes : {192ul << 10, 1 * kMiB, 2 * kMiB}) {
    std::vector<void *> blocks;
    std::set<uintptr_t> lines;
    for (int i = 0; i < 48; i++) {
      blocks.push_back(Alloc(bytes));
      lines.insert((uintptr_t)blocks.back() % 4096 / HZ_LINE_BYTES);
    }
    EXPECT_GT(lines.size(), 16u) << bytes;
    for (void *p : blocks)
      hz_large_free(p, HZ_API_FREE);
  }
}

// 63 lines of 64 bytes: none begins further into its granule.
TEST_F(Large, WhereABlockMayBeginIsAllThatIsAdded) {
  void *fits = Alloc(256 * 1024 - 63 * 64), *more = Alloc(256 * 1024 - 63 * 64 + 1);
  hz_large_stats stats;
  hz_large_stats_read(&stats);
  EXPECT_EQ(stats.live_bytes, (4u + 5u) * HZ_GRANULE_BYTES);
  hz_large_free(fits, HZ_API_FREE);
  hz_large_free(more, HZ_API_FREE);
}

TEST_F(Large, ImpossibleSizesAreRefused) {
  EXPECT_EQ(hz_large_alloc(SIZE_MAX, 16, false), nullptr);
  EXPECT_EQ(hz_large_alloc(PTRDIFF_MAX, 16, false), nullptr);
  EXPECT_EQ(hz_large_alloc((size_t)1 << 62, 16, false), nullptr);
  void *p = Alloc(1 * kMiB);
  EXPECT_EQ(hz_large_realloc(p, SIZE_MAX, HZ_API_REALLOC), nullptr);
  EXPECT_EQ(hz_large_realloc(p, (size_t)1 << 62, HZ_API_REALLOC), nullptr);
  hz_large_free(p, HZ_API_FREE);
}

TEST_F(Large, CachedBlockIsReusedAndCleared) {
  for (size_t bytes : {300000ul, 1 * kMiB}) {
    void *p = Alloc(bytes);
    memset(p, 0xff, bytes);
    hz_large_free(p, HZ_API_FREE);
    hz_large_stats before, after;
    hz_large_stats_read(&before);
    EXPECT_GE(before.cached_bytes, bytes);
    auto *q = (unsigned char *)Alloc(bytes, 16, true);
    hz_large_stats_read(&after);
    EXPECT_EQ(after.hits, before.hits + 1);
    EXPECT_EQ(q, p);
    for (size_t i = 0; i < bytes; i++)
      ASSERT_EQ(q[i], 0) << "byte " << i;
    hz_large_free(q, HZ_API_FREE);
  }
}

// Memory whose last owner used all of it is cleared where it is; of which he used little, given
// back and fresh.
TEST_F(Large, ZeroedMemoryKeepsItsPagesWhereAllWereUsed) {
  for (bool dense : {true, false}) {
    hz_large_trim();
    hz_runs_purge_all();
    void *wall = Alloc(24 * kMiB); // so that as much may stay resident
    auto *p = (char *)Alloc(4 * kMiB);
    for (size_t at = 0; at < 4 * kMiB; at += dense ? 4096 : 65536)
      p[at] = 1;
    hz_large_free(p, HZ_API_FREE);
    auto *q = (char *)Alloc(4 * kMiB, 16, true);
    EXPECT_EQ(q, p);
    const size_t resident = hz_os_resident_pages(PageOf(q), HZ_OS_RESIDENT_MOST * 4096);
    EXPECT_EQ(resident, dense ? size_t{HZ_OS_RESIDENT_MOST} : 0u);
    EXPECT_EQ(std::count(q, q + 4 * kMiB, 0), 4 * (ptrdiff_t)kMiB);
    hz_large_free(q, HZ_API_FREE);
    hz_large_free(wall, HZ_API_FREE);
  }
}

// Kept whole in the cache, large blocks of mixed sizes need a fifth more memory than as free runs,
// where they join their neighbours and serve any size.
TEST_F(Large, FreedLargeBlocksJoinTheFreeRuns) {
  std::vector<void *> blocks;
  for (int i = 0; i < 4; i++)
    blocks.push_back(Alloc(5 * kMiB));
  hz_arena_stats before, after;
  hz_arena_stats_read(&before);
  size_t bytes = 0;
  for (void *p : blocks) {
    bytes += Span(p);
    hz_large_free(p, HZ_API_FREE);
  }
  hz_arena_stats_read(&after);
  EXPECT_EQ(after.used_bytes + bytes, before.used_bytes);
}

TEST_F(Large, CacheNeverServesMuchMoreThanAsked) {
  void *p = Alloc(3 * kMiB);
  hz_large_free(p, HZ_API_FREE);
  void *q = Alloc(2 * kMiB);
  EXPECT_LE(hz_large_usable(q, HZ_API_USABLE_SIZE), 2 * kMiB + kMiB / 2);
  hz_large_free(q, HZ_API_FREE);
}

TEST_F(Large, CacheIsBounded) {
  std::vector<void *> blocks;
  for (int i = 0; i < 100; i++) // more than its bound, of every size that it takes
    blocks.push_back(Alloc(kMiB / 4 * (1 + i % 16)));
  for (void *p : blocks)
    hz_large_free(p, HZ_API_FREE);
  hz_large_stats stats;
  hz_large_stats_read(&stats);
  EXPECT_LE(stats.cached_bytes, 80 * kMiB);
}

TEST_F(Large, DecayReturnsOldBlocksOnly) {
  void *p = Alloc(1 * kMiB);
  hz_large_free(p, HZ_API_FREE);
  hz_large_stats stats;
  uint64_t now = hz_os_now_ms();
  hz_large_tick(now);
  hz_large_stats_read(&stats);
  EXPECT_EQ(stats.cached_blocks, 1u);
  hz_large_tick(now + 1000);
  hz_large_stats_read(&stats);
  EXPECT_EQ(stats.cached_blocks, 0u);
}

TEST_F(Large, ReallocKeepsContent) {
  std::mt19937_64 random(7);
  void *p = Alloc(200000);
  size_t bytes = 200000;
  Fill(p, bytes, 1);
  for (int i = 1; i < 300; i++) {
    size_t wanted = 140000 + random() % (20 * kMiB);
    void *q = hz_large_realloc(p, wanted, HZ_API_REALLOC);
    ASSERT_NE(q, nullptr);
    ASSERT_TRUE(Holds(q, std::min(bytes, wanted) / 4096 * 4096, (uint64_t)i)) << wanted;
    p = q;
    bytes = wanted;
    ASSERT_GE(hz_large_usable(p, HZ_API_USABLE_SIZE), bytes);
    Fill(p, bytes, (uint64_t)i + 1);
  }
  hz_large_free(p, HZ_API_FREE);
}

TEST_F(Large, GrowthMovesPagesInsteadOfCopying) {
  void *p = Alloc(16 * kMiB);
  Fill(p, 16 * kMiB, 3);
  // A neighbour right behind forbids growth in place.
  std::vector<void *> wall;
  for (int i = 0; i < 64; i++)
    wall.push_back(Alloc(200000));
  hz_large_stats before, after;
  hz_large_stats_read(&before);
  void *q = hz_large_realloc(p, 48 * kMiB, HZ_API_REALLOC);
  hz_large_stats_read(&after);
  ASSERT_NE(q, nullptr);
  EXPECT_TRUE(Holds(q, 16 * kMiB, 3));
  EXPECT_TRUE(q == p || after.moved == before.moved + 1);
  hz_large_free(q, HZ_API_FREE);
  // The place it left is whole again.
  void *r = Alloc(16 * kMiB);
  memset(r, 1, 16 * kMiB);
  hz_large_free(r, HZ_API_FREE);
  for (void *w : wall)
    hz_large_free(w, HZ_API_FREE);
}

// A block of some MiB is copied where the pages for it are there already, so that its own stay for
// whoever comes next.
TEST_F(Large, GrowthCopiesToResidentMemory) {
  void *p = Alloc(2 * kMiB), *wall = Alloc(200000), *free_soon = Alloc(6 * kMiB);
  Fill(p, 2 * kMiB, 5);
  memset(free_soon, 1, 6 * kMiB);
  hz_large_free(free_soon, HZ_API_FREE);
  hz_large_stats before, after;
  hz_large_stats_read(&before);
  void *q = hz_large_realloc(p, 4 * kMiB, HZ_API_REALLOC);
  hz_large_stats_read(&after);
  ASSERT_NE(q, nullptr);
  EXPECT_NE(q, p);
  EXPECT_TRUE(Holds(q, 2 * kMiB, 5));
  EXPECT_EQ(after.moved, before.moved);
  hz_large_free(q, HZ_API_FREE);
  hz_large_free(wall, HZ_API_FREE);
}

// What cached blocks hold serves a request that none of them fits before fresh pages are touched.
TEST_F(Large, CachedBlocksJoinForALargerOne) {
  hz_large_trim();
  hz_runs_purge_all();
  void *live = Alloc(20 * kMiB); // as much may be cached as is live
  std::vector<void *> blocks;
  for (int i = 0; i < 8; i++) {
    blocks.push_back(Alloc(1 * kMiB));
    memset(blocks.back(), 1, 1 * kMiB);
  }
  for (void *p : blocks)
    hz_large_free(p, HZ_API_FREE);
  hz_large_stats before, after;
  hz_large_stats_read(&before);
  ASSERT_GE(before.cached_bytes, 8 * kMiB);
  void *p = Alloc(6 * kMiB);
  hz_large_stats_read(&after);
  EXPECT_LE(after.cached_bytes + 6 * kMiB, before.cached_bytes);
  EXPECT_EQ(hz_os_resident_pages(PageOf(p), 6 * kMiB / 8), 6 * kMiB / 8 / hz_os_page_bytes());
  hz_large_free(p, HZ_API_FREE);
  hz_large_free(live, HZ_API_FREE);
}

TEST_F(Large, ThreadsShareTheCache) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([t] {
      std::mt19937_64 random((uint64_t)t);
      std::vector<std::pair<void *, size_t>> held(8, {nullptr, 0});
      for (int i = 0; i < 2000; i++) {
        auto &slot = held[random() % held.size()];
        uint64_t key = (uint64_t)(&slot - held.data()) + (uint64_t)t * 100;
        if (slot.first) {
          ASSERT_TRUE(Holds(slot.first, slot.second, key));
          hz_large_free(slot.first, HZ_API_FREE);
          slot.first = nullptr;
        } else {
          slot.second = 131072 + random() % (512 * 1024);
          slot.first = hz_large_alloc(slot.second, 16, false);
          ASSERT_NE(slot.first, nullptr);
          Fill(slot.first, slot.second, key);
        }
      }
      for (auto &slot : held)
        if (slot.first)
          hz_large_free(slot.first, HZ_API_FREE);
    });
  }
  for (auto &t : threads)
    t.join();
}

using LargeDeath = Large;

TEST_F(LargeDeath, DoubleFreeInCacheAndBeyond) {
  EXPECT_DEATH(
      {
        void *p = hz_large_alloc(kMiB, 16, false);
        hz_large_free(p, HZ_API_FREE);
        hz_large_free(p, HZ_API_FREE);
      },
      "large_test: double free: 0x[0-9a-f]+ passed to free");
  EXPECT_DEATH(
      {
        void *p = hz_large_alloc(48 * kMiB, 16, false);
        hz_large_free(p, HZ_API_FREE);
        hz_large_free(p, HZ_API_REALLOC);
      },
      "large_test: double free: 0x[0-9a-f]+ passed to realloc");
}

TEST_F(LargeDeath, InteriorPointer) {
  EXPECT_DEATH(
      {
        char *p = (char *)hz_large_alloc(kMiB, 16, false);
        hz_large_free(p + 16, HZ_API_FREE);
      },
      "large_test: invalid free: 0x[0-9a-f]+ passed to free");
  EXPECT_DEATH(
      {
        char *p = (char *)hz_large_alloc(kMiB, 16, false);
        hz_large_free(p + HZ_GRANULE_BYTES, HZ_API_FREE);
      },
      "large_test: invalid free: 0x[0-9a-f]+ passed to free");
  EXPECT_DEATH(
      {
        char *p = nullptr; // of many, one that does not begin where its run does
        for (int i = 0; i < 100 && hz_is_aligned((uintptr_t)p, HZ_GRANULE_BYTES); i++)
          p = (char *)hz_large_alloc(kMiB, 16, false);
        hz_large_free((char *)hz_align_down((uintptr_t)p, HZ_GRANULE_BYTES), HZ_API_FREE);
      },
      "large_test: invalid free: 0x[0-9a-f]+ passed to free");
}

} // namespace
