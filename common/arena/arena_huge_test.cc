// Huge pages: who gets them, who does not, and that memory comes back.
#include "common/arena/arena_probe.h"

#include <vector>

namespace {

using namespace arena_probe;

uint64_t huge_granules() {
  return hz_os_huge_page_bytes() / HZ_GRANULE_BYTES;
}

// Bytes of huge pages in use by this process.
size_t huge_resident() {
  std::ifstream in("/proc/self/smaps_rollup");
  std::string word;
  size_t kib = 0;
  while (in >> word)
    if (word == "AnonHugePages:")
      in >> kib;
  return kib * HZ_KIB;
}

// Hands out and writes (every `stride` bytes) runs of `count` granules, tagged as used.
void grow_by(size_t bytes, uint64_t count, size_t stride, std::vector<hz_run> *runs) {
  for (size_t had = 0; had < bytes; had += count * HZ_GRANULE_BYTES) {
    hz_run run;
    ASSERT_TRUE(hz_run_alloc(count, 1, &run));
    for (uint64_t g = run.granule; g < run.granule + run.count; g++)
      hz_arena.granules[g].tag = 1;
    for (size_t at = 0; at < count * HZ_GRANULE_BYTES; at += stride)
      address(run.granule)[at] = 1;
    runs->push_back(run);
  }
}

// Hands out a large block and writes every `stride` bytes of it.
hz_run large_block(size_t bytes, size_t stride) {
  hz_run run;
  EXPECT_TRUE(hz_run_alloc(bytes / HZ_GRANULE_BYTES, 1, &run));
  for (uint64_t g = run.granule + 1; g < run.granule + run.count; g++)
    hz_arena.granules[g].tag = HZ_TAG_LARGE_INSIDE;
  hz_arena.granules[run.granule].tag = HZ_TAG_LARGE;
  for (size_t at = 0; at < bytes; at += stride)
    address(run.granule)[at] = 1;
  return run;
}

// Whether any mapping that overlaps a run is marked for huge pages.
bool is_marked(const hz_run &run) {
  std::ifstream in("/proc/self/smaps");
  std::string line;
  uintptr_t low = 0, high = 0, begin = reinterpret_cast<uintptr_t>(address(run.granule));
  uintptr_t end = begin + run.count * HZ_GRANULE_BYTES;
  while (std::getline(in, line)) {
    uintptr_t a, b;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &a, &b) == 2) {
      low = a;
      high = b;
    }
    if (line.rfind("VmFlags:", 0) == 0 && line.find(" hg") != std::string::npos && low < end &&
        high > begin)
      return true;
  }
  return false;
}

// A huge page costs nothing, or as much as if a hypervisor had to find it.
bool is_cheap(enum hz_os_call kind, size_t) {
  return kind == HZ_OS_CALL_POPULATE; // fails: the kernel cannot, nothing is known of the cost
}
unsigned dear_calls;
bool is_dear(enum hz_os_call kind, size_t bytes) {
  if (kind != HZ_OS_CALL_POPULATE)
    return false;
  dear_calls++;
  for (uint64_t began = hz_os_thread_ns(); hz_os_thread_ns() - began < 5 * bytes;)
    continue; // 10 ms for 2 MiB
  return false;
}

class ArenaHuge : public testing::Test {
protected:
  void TearDown() override { hz_os_seam = nullptr; }
  void SetUp() override {
    hz_os_seam = is_cheap;
    if (hz_os_huge_page_bytes() == 0 || hz_os_huge_page_bytes() > 4 * HZ_MIB)
      GTEST_SKIP() << "no huge pages of a size that a test can fill";
  }
  size_t page = hz_os_page_bytes();
};

TEST_F(ArenaHuge, ADenseHeapThatGrowsGetsThem) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    size_t before = rss_bytes();
    grow_by(20 * HZ_MIB, 1, page, &runs);
    EXPECT_EQ(stats().huge_bytes, 0u); // too small
    grow_by(236 * HZ_MIB, 1, page, &runs);
    EXPECT_GE(stats().huge_bytes, 180 * HZ_MIB);
    EXPECT_LE(rss_bytes(), before + 256 * HZ_MIB / 100 * 105); // 5 % of a run without them
    EXPECT_LE(lines_of("/proc/self/maps"), 80u);
    // Everything comes back.
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    hz_runs_purge_all();
    EXPECT_LE(rss_bytes(), before + 4 * HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, NotWhenSwitchedOffNorWithPromptPurging) {
  for (bool on : {false, true})
    in_child([this, on] {
      hz_arena_config c = config(on ? 0 : 100, 0, on);
      ASSERT_TRUE(hz_arena_init(&c));
      std::vector<hz_run> runs;
      grow_by(128 * HZ_MIB, 1, page, &runs);
      EXPECT_EQ(stats().huge_bytes, 0u);
      EXPECT_EQ(os_stats().calls[HZ_OS_CALL_HUGE], 0u);
    });
}

TEST_F(ArenaHuge, NotForWhatNobodyTouches) {
  in_child([] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    size_t before = rss_bytes();
    grow_by(512 * HZ_MIB, 1, HZ_GRANULE_BYTES, &runs); // a page of each sixteen
    EXPECT_EQ(stats().huge_bytes, 0u);
    EXPECT_LE(rss_bytes(), before + 512 * HZ_MIB / 16 + 4 * HZ_MIB);
  });
}

TEST_F(ArenaHuge, NotForALargeSparseBlock) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    grow_by(100 * HZ_MIB, 1, page, &runs);
    ASSERT_GT(stats().huge_bytes, 0u);
    size_t before = rss_bytes();
    grow_by(512 * HZ_MIB, 512 * HZ_MIB / HZ_GRANULE_BYTES, HZ_MIB, &runs);
    EXPECT_LE(rss_bytes(), before + 8 * HZ_MIB);
    grow_by(40 * HZ_MIB, 64, HZ_MIB, &runs); // smaller ones, within what is committed already
    EXPECT_LE(rss_bytes(), before + 12 * HZ_MIB);
    grow_by(64 * HZ_MIB, 1, page, &runs); // spans behind it get them again
    EXPECT_GE(huge_resident(), 64 * HZ_MIB);
    EXPECT_LE(lines_of("/proc/self/maps"), 80u);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, TheTailGoesBackWhenGrowthPauses) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    size_t before = rss_bytes();
    grow_by(100 * HZ_MIB, 1, page, &runs);
    while (hz_arena_end() % huge_granules() != 1) // the first granule of a huge page
      grow_by(HZ_GRANULE_BYTES, 1, page, &runs);
    size_t held = runs.size() * HZ_GRANULE_BYTES;
    EXPECT_GE(rss_bytes(), before + held + HZ_MIB);
    uint64_t now = hz_os_now_ms();
    for (int i = 1; i <= 3; i++)
      hz_runs_tick(now += 200);
    EXPECT_LE(rss_bytes(), before + held + HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
    // It goes on where it stopped, with what was given back.
    grow_by(64 * HZ_MIB, 1, page, &runs);
    EXPECT_EQ(stats().free_clean_bytes, 0u);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, WhatIsPurgedStaysPurged) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    grow_by(200 * HZ_MIB, 1, page, &runs);
    size_t full = rss_bytes();
    for (size_t i = 0; i < runs.size(); i += 2) // holes everywhere
      hz_run_free(runs[i].granule, runs[i].count);
    hz_runs_purge_all();
    EXPECT_LE(rss_bytes(), full - 97 * HZ_MIB);
    // Nobody may fill the holes up again: no part of it is still marked for that but the frontier.
    std::ifstream in("/proc/self/smaps");
    std::string line;
    uintptr_t from = 0, last = reinterpret_cast<uintptr_t>(address(runs.back().granule));
    while (std::getline(in, line)) {
      uintptr_t low, high;
      if (std::sscanf(line.c_str(), "%lx-%lx ", &low, &high) == 2)
        from = low;
      if (line.rfind("VmFlags:", 0) == 0 && line.find(" hg") != std::string::npos) {
        EXPECT_GE(from, last - 2 * hz_os_huge_page_bytes());
      }
    }
  });
}

TEST_F(ArenaHuge, UpAndDownLeavesNothingBehind) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    runs.reserve(10000);
    size_t before = rss_bytes();
    for (int round = 0; round < 4; round++) {
      for (uint64_t count : {1, 3, 7})
        grow_by(60 * HZ_MIB, count, page, &runs);
      for (size_t i = 0; i < runs.size(); i++)
        std::swap(runs[i], runs[i * 7919 % runs.size()]);
      for (const hz_run &r : runs)
        hz_run_free(r.granule, r.count);
      runs.clear();
      // What is free and resident is known to be so.
      EXPECT_LE(rss_bytes(), before + stats().free_dirty_bytes + 2 * HZ_MIB) << "round " << round;
    }
    hz_runs_purge_all();
    EXPECT_LE(rss_bytes(), before + 2 * HZ_MIB);
  });
}

TEST_F(ArenaHuge, LargeBlocksThatAreWrittenGetThem) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    size_t before = rss_bytes();
    for (int i = 0; i < 40; i++)
      runs.push_back(large_block(10 * HZ_MIB, page));
    EXPECT_GE(huge_resident(), 250 * HZ_MIB);
    EXPECT_LE(rss_bytes(), before + 400 * HZ_MIB / 100 * 105);
    EXPECT_TRUE(hz_arena_is_valid());
    // Given back and taken again they have them again.
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    hz_runs_purge_all();
    EXPECT_LE(rss_bytes(), before + 4 * HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
    for (hz_run &r : runs)
      r = large_block(10 * HZ_MIB, page);
    EXPECT_GE(huge_resident(), 250 * HZ_MIB);
    EXPECT_LE(lines_of("/proc/self/maps"), 160u);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, LargeBlocksThatBecomeSparseLoseThem) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    for (int i = 0; i < 20; i++)
      large_block(10 * HZ_MIB, page);
    size_t before = rss_bytes();
    for (int i = 0; i < 64; i++)
      large_block(20 * HZ_MIB, HZ_MIB);
    EXPECT_LE(rss_bytes(), before + 8 * 20 * HZ_MIB + 16 * HZ_MIB); // until the next witness
  });
}

TEST_F(ArenaHuge, BlocksFilledHalfCostNoMore) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    size_t before = rss_bytes();
    for (int i = 0; i < 32; i++) {
      hz_run run = large_block(40 * HZ_MIB, 40 * HZ_MIB);
      for (size_t at = 0; at < 20 * HZ_MIB; at += page)
        address(run.granule)[at] = 1;
    }
    EXPECT_GE(huge_resident(), 300 * HZ_MIB);
    EXPECT_LE(rss_bytes(), before + 32 * 20 * HZ_MIB / 100 * 107);
  });
}

TEST_F(ArenaHuge, WhatIsPurgedOfALargeBlockStaysPurged) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    for (int i = 0; i < 20; i++)
      runs.push_back(large_block(10 * HZ_MIB, page));
    size_t marked = 0;
    for (size_t i = 0; i + 1 < runs.size(); i += 2) {
      marked += is_marked(runs[i]);
      hz_run_free(runs[i].granule, runs[i].count);
    }
    EXPECT_GE(marked, 4u);
    hz_runs_purge_all();
    EXPECT_TRUE(hz_arena_is_valid());
    for (size_t i = 0; i + 1 < runs.size(); i += 2)
      EXPECT_FALSE(is_marked(runs[i])) << i;
    size_t before = rss_bytes();
    std::vector<hz_run> spans;
    grow_by(64 * HZ_MIB, 1, HZ_GRANULE_BYTES, &spans); // into the holes, a page each
    EXPECT_LE(rss_bytes(), before + 6 * HZ_MIB);
  });
}

TEST_F(ArenaHuge, PagesCanBeMovedOutOfAUnifiedBlock) {
  in_child([this] {
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    for (int i = 0; i < 20; i++)
      large_block(10 * HZ_MIB, page);
    // Not at the frontier, where all is marked: in a hole, only whole huge pages of it.
    hz_run hole = large_block(30 * HZ_MIB, page), to = large_block(10 * HZ_MIB, page);
    hz_run_free(hole.granule, hole.count);
    hz_runs_purge_all();
    for (int i = 0; i < 2; i++) {
      hz_run from = large_block(10 * HZ_MIB - HZ_GRANULE_BYTES, page);
      hz_run_unify(from.granule, from.count);
      size_t bytes = from.count * HZ_GRANULE_BYTES;
      EXPECT_FALSE(is_marked(from));
      EXPECT_TRUE(hz_os_move_pages(address(from.granule), address(to.granule), bytes)) << i;
    }
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, WhereTheyAreDearTheyAreLeft) {
  in_child([this] {
    hz_os_seam = is_dear;
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    grow_by(256 * HZ_MIB, 1, page, &runs);
    EXPECT_LE(huge_resident(), 10 * HZ_MIB);
    EXPECT_GE(dear_calls, 2u); // looked at again
    EXPECT_LE(dear_calls, 5u);
    // When they become cheap they are used again, within the pause.
    hz_os_seam = is_cheap;
    grow_by(512 * HZ_MIB, 1, page, &runs);
    EXPECT_GE(huge_resident(), 200 * HZ_MIB);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

TEST_F(ArenaHuge, WhereTheyAreDearLargeBlocksGoWithout) {
  in_child([this] {
    hz_os_seam = is_dear;
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs;
    for (int i = 0; i < 60; i++)
      runs.push_back(large_block(10 * HZ_MIB, page));
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    hz_runs_purge_all();
    dear_calls = 0;
    for (int i = 0; i < 40; i++) // from the free runs
      large_block(10 * HZ_MIB, page);
    EXPECT_GE(dear_calls, 1u);
    EXPECT_LE(dear_calls, 5u);
    EXPECT_LE(huge_resident(), 12 * HZ_MIB);
  });
}

// One that was timed has a huge page whether it is written or not.
TEST_F(ArenaHuge, BlocksThatNobodyTouchesAreNotAllTimed) {
  in_child([this] {
    hz_os_seam = nullptr;
    hz_arena_config c = config(100, 0, true);
    ASSERT_TRUE(hz_arena_init(&c));
    for (int i = 0; i < 20; i++)
      large_block(10 * HZ_MIB, page);
    size_t before = rss_bytes();
    for (int i = 0; i < 60; i++) {
      hz_run run;
      EXPECT_TRUE(hz_run_alloc(10 * HZ_MIB / HZ_GRANULE_BYTES, 1, &run));
      for (uint64_t g = run.granule; g < run.granule + run.count; g++)
        hz_arena.granules[g].tag = HZ_TAG_LARGE_INSIDE;
    }
    EXPECT_LE(rss_bytes(), before + 8 * HZ_MIB);
  });
}

} // namespace
