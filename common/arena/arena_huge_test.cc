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

class ArenaHuge : public testing::Test {
protected:
  void SetUp() override {
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
    EXPECT_LE(rss_bytes() - before, 256 * HZ_MIB / 100 * 105); // 5 % of a run without them
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
    EXPECT_LE(rss_bytes() - before, 512 * HZ_MIB / 16 + 4 * HZ_MIB);
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
    EXPECT_LE(rss_bytes() - before, 8 * HZ_MIB);
    grow_by(40 * HZ_MIB, 64, HZ_MIB, &runs); // smaller ones, within what is committed already
    EXPECT_LE(rss_bytes() - before, 12 * HZ_MIB);
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
    EXPECT_GE(rss_bytes() - before, held + HZ_MIB);
    uint64_t now = hz_os_now_ms();
    for (int i = 1; i <= 3; i++)
      hz_runs_tick(now += 200);
    EXPECT_LE(rss_bytes() - before, held + HZ_MIB);
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

} // namespace
