// What --touch writes, and what --check notices.
#include "bench/workloads/common/block.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

size_t page_bytes() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class Pages : public ::testing::Test {
protected:
  void SetUp() override {
    bytes_ = 8 * page_bytes();
    void *memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    base_ = static_cast<unsigned char *>(memory);
  }
  void TearDown() override { munmap(base_, bytes_); }

  std::vector<size_t> written() const {
    std::vector<size_t> offsets;
    for (size_t i = 0; i < bytes_; i++) {
      if (base_[i] != 0) {
        offsets.push_back(i);
      }
    }
    return offsets;
  }

  unsigned char *base_ = nullptr;
  size_t bytes_ = 0;
};

TEST_F(Pages, EdgesOfABlockWithinOnePage) {
  wl_touch_edges(base_ + 100, 50);
  EXPECT_EQ(written(), (std::vector<size_t>{100, 149}));
}

TEST_F(Pages, EdgesOfABlockAcrossPages) {
  const size_t page = page_bytes();
  wl_touch_edges(base_ + 16, 2 * page);
  EXPECT_EQ(written(),
            (std::vector<size_t>{16, page - 1, page, 2 * page - 1, 2 * page, 2 * page + 15}));
}

TEST_F(Pages, EdgesOfWholePages) {
  const size_t page = page_bytes();
  wl_touch_edges(base_ + page, page);
  EXPECT_EQ(written(), (std::vector<size_t>{page, 2 * page - 1}));
}

TEST_F(Pages, EdgesOfOneByteAndOfNone) {
  wl_touch_edges(base_, 0);
  EXPECT_TRUE(written().empty());
  wl_touch_edges(base_ + 7, 1);
  EXPECT_EQ(written(), (std::vector<size_t>{7}));
}

TEST_F(Pages, AllIsAllAndNoMore) {
  wl_block_dress(base_ + 32, 1000, WL_CARE_ALL);
  const std::vector<size_t> offsets = written();
  ASSERT_EQ(offsets.size(), 1000u);
  EXPECT_EQ(offsets.front(), 32u);
  EXPECT_EQ(offsets.back(), 1031u);
}

TEST(Check, AcceptsWhatWasWritten) {
  alignas(16) unsigned char block[300];
  for (size_t bytes = 1; bytes <= sizeof(block); bytes++) {
    wl_pattern_fill(block, bytes, wl_block_key(block, bytes));
    wl_pattern_verify(block, bytes, wl_block_key(block, bytes));
  }
}

TEST(Check, StaysWithinTheBlock) {
  alignas(16) unsigned char block[64];
  for (size_t bytes = 1; bytes < 48; bytes++) {
    memset(block, 0xEE, sizeof(block));
    wl_pattern_fill(block, bytes, 1);
    for (size_t i = bytes; i < sizeof(block); i++) {
      ASSERT_EQ(block[i], 0xEE) << bytes;
    }
  }
}

TEST(CheckDeathTest, NamesTheByte) {
  alignas(16) unsigned char block[100];
  for (const size_t at : {size_t{0}, size_t{7}, size_t{8}, size_t{50}, size_t{96}, size_t{99}}) {
    wl_pattern_fill(block, sizeof(block), 5);
    block[at] = static_cast<unsigned char>(~block[at]);
    EXPECT_EXIT(wl_pattern_verify(block, sizeof(block), 5), ::testing::ExitedWithCode(1),
                "content check failed: byte " + std::to_string(at) + " of the 100-byte block");
  }
}

TEST(CheckDeathTest, NoticesABlockHandedOutTwice) {
  alignas(16) unsigned char block[64];
  wl_block_dress(block, sizeof(block), WL_CARE_CHECK);
  wl_block_dress(block, sizeof(block), WL_CARE_CHECK); // the second holder, of the same size
  wl_block_undress(block, sizeof(block));              // the first one frees
  EXPECT_EXIT(wl_block_undress(block, sizeof(block)), ::testing::ExitedWithCode(1),
              "content check failed: byte 0");
}

TEST(CheckDeathTest, NoticesWrongAlignment) {
  alignas(16) unsigned char block[64] = {};
  wl_block_verify_alignment(block, 16);
  wl_block_verify_alignment(block + 8, 8);
  wl_block_verify_alignment(block + 8, 15);
  wl_block_verify_alignment(block + 1, 1);
  EXPECT_EXIT(wl_block_verify_alignment(block + 8, 16), ::testing::ExitedWithCode(1),
              "16-byte block .* is not aligned to 16");
  EXPECT_EXIT(wl_block_verify_alignment(block + 4, 8), ::testing::ExitedWithCode(1),
              "is not aligned to 8");
}

TEST(CheckDeathTest, NoticesAnothersBytes) {
  unsigned char block[21];
  memset(block, 9, sizeof(block));
  wl_bytes_verify(block, sizeof(block), 9);
  block[20] = 8;
  EXPECT_EXIT(wl_bytes_verify(block, sizeof(block), 9), ::testing::ExitedWithCode(1),
              "byte 20 of the 21-byte block");
}

} // namespace
