// The arena where pages are larger: hz_os_page_bytes and hz_os_huge_page_bytes are replaced by the
// linker (--wrap), so the arithmetic is that of kernels with 16 and 64 KiB pages, and every call to
// this kernel is still aligned.
#include "common/arena/arena_probe.h"

#include <vector>

namespace {
size_t page_bytes = 4096, huge_bytes = 0;
}
extern "C" size_t __wrap_hz_os_page_bytes() {
  return page_bytes;
}
extern "C" size_t __wrap_hz_os_huge_page_bytes() {
  return huge_bytes;
}

namespace {

using namespace arena_probe;

bool unaligned;
bool watch(hz_os_call kind, size_t bytes) {
  if (kind != HZ_OS_CALL_RELEASE &&
      bytes % page_bytes != 0) // reservations trim by the kernel's own page
    unaligned = true;
  if (kind == HZ_OS_CALL_HUGE && bytes % huge_bytes != 0)
    unaligned = true;
  return false;
}

struct Sizes {
  size_t page, huge;
};
class ArenaPage : public testing::TestWithParam<Sizes> {};

TEST_P(ArenaPage, ServesAndPurges) {
  page_bytes = GetParam().page;
  huge_bytes = GetParam().huge;
  in_child([] {
    hz_os_seam = watch;
    hz_arena_config c = config(100, 0, true);
    c.side_bytes = 40;
    ASSERT_TRUE(hz_arena_init(&c));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(hz_arena.granules) % page_bytes, 0u);
    std::vector<hz_run> runs;
    for (int i = 0; i < 3000; i++) {
      hz_run run;
      ASSERT_TRUE(hz_run_alloc(1 + uint64_t(i) % 7, i % 50 ? 1 : 32, &run));
      touch(run);
      for (uint64_t g = run.granule; g < run.granule + run.count; g++) {
        hz_arena.granules[g].tag = 1;
        hz_arena_side[g * 40 + 39] = 1;
      }
      runs.push_back(run);
      if (i % 3 == 0) {
        hz_run_free(runs[size_t(i) / 2].granule, runs[size_t(i) / 2].count);
        runs[size_t(i) / 2] = runs.back();
        runs.pop_back();
      }
      ASSERT_NE(hz_meta_alloc(100, 64), nullptr);
    }
    EXPECT_TRUE(hz_arena_is_valid());
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    hz_runs_purge_all();
    EXPECT_EQ(stats().free_dirty_bytes, 0u);
    EXPECT_TRUE(hz_arena_is_valid());
    EXPECT_FALSE(unaligned);
  });
}

INSTANTIATE_TEST_SUITE_P(Kernels, ArenaPage,
                         testing::Values(Sizes{4096, 2 * HZ_MIB}, Sizes{4096, 0},
                                         Sizes{16384, 32 * HZ_MIB}, Sizes{65536, 512 * HZ_MIB},
                                         Sizes{65536, 2 * HZ_MIB}));

} // namespace
