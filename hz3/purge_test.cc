// Pages of blocks that are free in spans that go on.
#include "hz3/purge.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "common/os/os.h"
#include "hz3/init.h"
#include "hz3/span.h"
#include "hz3/stats.h"
#include "hz3/tick.h"
#include "gtest/gtest.h"

namespace {

constexpr unsigned kCount = 2000;

// Blocks of one class; each eighth stays out, the others are free; those whose spans go on are kept
// in mind.
struct Sparse {
  unsigned cls;
  std::vector<void *> kept, freed;

  explicit Sparse(size_t bytes) : cls(hz_class_of(bytes)) {
    std::vector<void *> all(kCount);
    kept.reserve(kCount);
    freed.reserve(kCount);
    for (unsigned n = 0; n < kCount;)
      n += hz3_span_take(0, cls, &all[n], std::min(kCount - n, 63u));
    std::sort(all.begin(), all.end());
    for (unsigned i = 0; i < kCount; i++) {
      memset(all[i], 0x5a, hz_class_bytes(cls));
      (i % 8 == 0 ? kept : freed).push_back(all[i]);
    }
    hz3_span_put(cls, freed.data(), static_cast<unsigned>(freed.size()), HZ_API_FREE);
    // Spans of which none stayed out are gone.
    freed.erase(
        std::remove_if(freed.begin(), freed.end(),
                       [this](void *p) { return hz_arena.granules[hz_granule_of(p)].tag != cls; }),
        freed.end());
  }
  ~Sparse() { hz3_span_put(cls, kept.data(), static_cast<unsigned>(kept.size()), HZ_API_FREE); }
  Sparse(const Sparse &) = delete;
  Sparse &operator=(const Sparse &) = delete;

  size_t freed_bytes() const { return freed.size() * hz_class_bytes(cls); }
  bool kept_is_whole() const {
    const size_t bytes = hz_class_bytes(cls);
    for (void *p : kept)
      for (size_t i = 0; i < bytes; i++)
        if (static_cast<unsigned char *>(p)[i] != 0x5a)
          return false;
    return true;
  }
  // Bytes of whole pages in freed blocks that are resident.
  size_t resident_bytes() const {
    const size_t page = hz_os_page_bytes();
    size_t bytes = 0;
    for (void *p : freed) {
      const uintptr_t from = (reinterpret_cast<uintptr_t>(p) + page - 1) / page * page;
      const uintptr_t to = (reinterpret_cast<uintptr_t>(p) + hz_class_bytes(cls)) / page * page;
      if (from < to)
        bytes += page * hz_os_resident_pages(reinterpret_cast<void *>(from), to - from);
    }
    return bytes;
  }
};

// 2,560 bytes: no block fills a page, its neighbours with it do.
constexpr size_t kSizes[] = {2560, 5120, 20480, 90112};

TEST(Purge, WhatLiesFreeBetweenBlocksThatAreOutGoesBackOnce) {
  ASSERT_TRUE(hz3_init_ensure());
  for (size_t bytes : kSizes) {
    Sparse sparse(bytes);
    if (bytes > 2 * 4096) {
      ASSERT_GT(sparse.resident_bytes(), sparse.freed_bytes() / 2);
    }
    EXPECT_GE(hz3_purge_blocks(0), sparse.freed_bytes() / 2) << bytes;
    EXPECT_EQ(sparse.resident_bytes(), 0u) << bytes;
    EXPECT_TRUE(sparse.kept_is_whole()) << bytes;
    EXPECT_TRUE(hz3_span_is_valid(sparse.cls));
    EXPECT_EQ(hz3_central[0][sparse.cls].blocks_unpurged, 0u);
    EXPECT_LT(hz3_purge_blocks(0), sparse.freed_bytes() / 100) << "twice";
  }
}

TEST(Purge, TheyServeAgainAndSpansCloseAsEver) {
  ASSERT_TRUE(hz3_init_ensure());
  for (size_t bytes : kSizes) {
    hz3_span_stats before, after;
    const unsigned cls = hz_class_of(bytes);
    hz3_span_stats_read(cls, &before);
    {
      Sparse sparse(bytes);
      hz3_purge_blocks(0);
      std::vector<void *> again(sparse.freed.size());
      for (unsigned n = 0; n < again.size();)
        n += hz3_span_take(0, cls, &again[n], std::min(unsigned(again.size()) - n, 63u));
      std::sort(again.begin(), again.end());
      EXPECT_EQ(again, sparse.freed) << "others were taken";
      EXPECT_TRUE(hz3_span_is_valid(cls));
      for (void *p : again)
        memset(p, 0x11, bytes);
      EXPECT_TRUE(sparse.kept_is_whole());
      // What is free again is to be purged again.
      hz3_span_put(cls, again.data(), static_cast<unsigned>(again.size()), HZ_API_FREE);
      EXPECT_GE(hz3_purge_blocks(0), sparse.freed_bytes() / 2);
    }
    hz3_span_stats_read(cls, &after);
    EXPECT_EQ(after.spans, before.spans);
    EXPECT_EQ(after.blocks_out, before.blocks_out);
  }
}

TEST(Purge, WhatCameBackOfLateStays) {
  ASSERT_TRUE(hz3_init_ensure());
  Sparse sparse(20480);
  EXPECT_EQ(hz3_purge_blocks(4), 0u);
  hz_add_relaxed(&hz3_tick_count, 4u);
  EXPECT_GE(hz3_purge_blocks(4), sparse.freed_bytes() / 2);
}

// A program that has given back most of what it had.
TEST(Purge, ATickPurgesWhileTheHeapRecedes) {
  ASSERT_TRUE(hz3_init_ensure());
  Sparse sparse(20480);
  const uint64_t now = hz_os_now_ms();
  hz3_tick_now(now); // sees a heap that is what it was
  std::vector<void *> more(20 * kCount);
  for (unsigned n = 0; n < more.size();)
    n += hz3_span_take(0, sparse.cls, &more[n],
                       63 < more.size() - n ? 63 : unsigned(more.size() - n));
  hz3_tick_now(now);
  hz3_span_put(sparse.cls, more.data(), static_cast<unsigned>(more.size()), HZ_API_FREE);
  for (int i = 0; i < 6; i++)
    hz3_tick_now(now);
  EXPECT_EQ(sparse.resident_bytes(), 0u);
  EXPECT_TRUE(sparse.kept_is_whole());
}

TEST(Purge, TrimPurgesThem) {
  ASSERT_TRUE(hz3_init_ensure());
  Sparse sparse(20480);
  EXPECT_TRUE(hz3_trim(0));
  EXPECT_EQ(sparse.resident_bytes(), 0u);
}

// Its last block comes back while the others are claimed.
TEST(Purge, ASpanThatRanEmptyMeanwhileCloses) {
  ASSERT_TRUE(hz3_init_ensure());
  const unsigned cls = hz_class_of(20480);
  hz3_span_stats before, after;
  hz3_span_stats_read(cls, &before);
  hz3_purge_blocks(0); // what else is free there
  hz3_claim claims[1000];
  unsigned n = 0;
  {
    Sparse sparse(20480);
    n = hz3_span_claim(cls, 0, claims, 1000);
    EXPECT_GT(n, 100u);
    EXPECT_TRUE(hz3_span_is_valid(cls));
  }
  hz3_span_stats_read(cls, &after);
  EXPECT_GE(after.spans, before.spans + n) << "a span went with blocks that are claimed";
  hz3_span_unclaim(cls, claims, n);
  EXPECT_TRUE(hz3_span_is_valid(cls));
  hz3_span_stats_read(cls, &after);
  EXPECT_EQ(after.spans, before.spans);
  EXPECT_EQ(after.blocks_out, before.blocks_out);
}

TEST(Purge, ThreadsTakeAndGiveMeanwhile) {
  ASSERT_TRUE(hz3_init_ensure());
  // What it keeps holds the spans: the sanitizer does not see the arena's lock, by which a span
  // that closes is handed on.
  Sparse sparse(5120);
  const unsigned cls = sparse.cls;
  hz3_span_stats before, after;
  hz3_span_stats_read(cls, &before);
  std::atomic<int> running{3}, faults{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++)
    threads.emplace_back([&running, &faults, cls, t] {
      std::vector<void *> mine(300);
      for (int round = 0; round < 200; round++) {
        unsigned n = 0;
        while (n < mine.size())
          n += hz3_span_take(0, cls, &mine[n], std::min(unsigned(mine.size()) - n, 40u));
        for (void *p : mine)
          memset(p, t + 1, 5120);
        for (void *p : mine)
          faults += static_cast<unsigned char *>(p)[5119] != t + 1 ||
                    static_cast<unsigned char *>(p)[0] != t + 1;
        hz3_span_put(cls, mine.data(), static_cast<unsigned>(mine.size()), HZ_API_FREE);
      }
      running--;
    });
  while (running.load() > 0)
    hz3_purge_blocks(0);
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(faults, 0);
  EXPECT_TRUE(sparse.kept_is_whole());
  EXPECT_TRUE(hz3_span_is_valid(cls));
  hz3_span_stats_read(cls, &after);
  EXPECT_EQ(after.blocks_out, before.blocks_out);
  EXPECT_EQ(after.spans, before.spans);
}

} // namespace
