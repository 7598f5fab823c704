// Pages made resident ahead of a program that writes what it gets, and only of such a one.
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "common/arena/arena.h"
#include "common/arena/arena_probe.h"
#include "common/os/os.h"

namespace {

using namespace arena_probe;

constexpr uint8_t kClass = 7;
constexpr size_t kBlock = 1024, kBatch = 16;
constexpr unsigned kBlocks = HZ_GRANULE_BYTES / kBlock;

uint64_t populated() {
  return os_stats().bytes[HZ_OS_CALL_POPULATE];
}

// Hands out a fresh span in batches, as generations do. Returns: what of it was made resident
// ahead.
template <typename Use> uint64_t serve_span(const Use &use, size_t block = kBlock) {
  hz_run run;
  EXPECT_TRUE(hz_run_alloc(1, 1, &run));
  hz_granule *record = &hz_arena.granules[run.granule];
  *record = {0, 0, kClass, 0};
  uint64_t before = populated();
  const size_t batch = kBatch * kBlock / block;
  for (size_t i = 0; i + batch <= HZ_GRANULE_BYTES / block; i += batch) {
    record->limit16 = static_cast<uint32_t>((i + batch) * block / 16);
    unsigned char *first = address(run.granule) + i * block;
    hz_run_ahead(first, batch, block);
    for (size_t at = 0; at < batch; at++)
      use(first + at * block);
  }
  return populated() - before;
}

void write(unsigned char *block) {
  *block = 1;
}
void hold(unsigned char *) {}

template <typename Use> uint64_t serve(size_t spans, const Use &use, size_t block = kBlock) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < spans; i++)
    bytes += serve_span(use, block);
  return bytes;
}

bool starts(uint32_t delay_ms = 100) {
  hz_arena_config c = config(delay_ms);
  return hz_arena_init(&c);
}

// Whether this system has what is tested: pages of 4 KiB, each alone, and the call for several.
class Ahead : public testing::Test {
protected:
  void SetUp() override {
    constexpr size_t kBytes = 2 * HZ_MIB;
    void *at =
        mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
    auto *first =
        reinterpret_cast<unsigned char *>(hz_align_up(reinterpret_cast<uintptr_t>(at), kBytes));
    *first = 1;
    bool alone = hz_os_resident_pages(first + 4096, 4096) == 0;
    bool applies = hz_os_page_bytes() == 4096 && alone && hz_os_populate(first + 4096, 4096);
    EXPECT_EQ(munmap(at, 2 * kBytes), 0);
    if (!applies)
      GTEST_SKIP() << "pages of another size, larger folios, or Linux before 5.14";
  }
};

TEST_F(Ahead, PagesOfBlocksThatAreWrittenComeTogether) {
  in_child([] {
    ASSERT_TRUE(starts());
    EXPECT_EQ(serve(16, write), 0u); // nothing is known yet
    uint64_t bytes = serve(64, write);
    EXPECT_EQ(bytes, 64 * HZ_GRANULE_BYTES * 3 / 4); // but the first of each span
    EXPECT_EQ(os_stats().failures[HZ_OS_CALL_POPULATE], 0u);
  });
}

TEST_F(Ahead, TheyReadAsZero) {
  in_child([] {
    ASSERT_TRUE(starts());
    std::vector<unsigned char> zero(kBlock);
    serve(64, [&](unsigned char *block) {
      EXPECT_EQ(std::memcmp(block, zero.data(), kBlock), 0);
      std::memset(block, 0xee, kBlock);
    });
    EXPECT_GT(populated(), 0u);
  });
}

TEST_F(Ahead, BlocksThatNobodyWritesStayWithoutPages) {
  in_child([] {
    ASSERT_TRUE(starts());
    size_t before = rss_bytes();
    EXPECT_EQ(serve(256, hold), 0u);
    EXPECT_LT(rss_bytes() - before, HZ_MIB);
  });
}

TEST_F(Ahead, WhoStopsWritingIsSeen) {
  in_child([] {
    ASSERT_TRUE(starts());
    serve(64, write);
    ASSERT_GT(serve(64, write), 0u);
    serve(32, hold); // the witnesses are of these now
    EXPECT_EQ(serve(64, hold), 0u);
    serve(32, write);
    EXPECT_GT(serve(64, write), 0u);
  });
}

TEST_F(Ahead, LargeBlocksAreLeftAlone) {
  in_child([] {
    ASSERT_TRUE(starts());
    ASSERT_GT(serve(64, write), 0u);
    EXPECT_EQ(serve(64, write, size_t{16} << 10), 0u);
  });
}

// A page beyond what was handed out is there: the system brings more than what is written.
TEST_F(Ahead, WhereTheSystemBringsMoreWitnessesSayNothing) {
  in_child([] {
    ASSERT_TRUE(starts());
    uint64_t bytes = 0;
    for (int i = 0; i < 128; i++)
      bytes += serve_span([](unsigned char *block) {
        unsigned char *span = block - reinterpret_cast<uintptr_t>(block) % HZ_GRANULE_BYTES;
        for (size_t at = 0; at < HZ_GRANULE_BYTES; at += 4096)
          span[at] = 1;
      });
    EXPECT_EQ(bytes, 0u);
  });
}

TEST_F(Ahead, NotWhereNothingIsKept) {
  in_child([] {
    ASSERT_TRUE(starts(0)); // lean
    EXPECT_EQ(serve(128, write), 0u);
  });
}

} // namespace
