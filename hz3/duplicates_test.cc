// The search for an address that lies in a bin twice.
#include "hz3/duplicates.h"

#include <vector>

#include "hz3/init.h"
#include "hz3/shape.h"
#include "gtest/gtest.h"

namespace {

std::vector<void *> addresses(unsigned count, uintptr_t step) {
  std::vector<void *> blocks(count);
  for (unsigned i = 0; i < count; i++)
    blocks[i] = reinterpret_cast<void *>(uintptr_t{0x700000000000} + i * step);
  return blocks;
}

TEST(Duplicates, DistinctAddressesPass) {
  for (uintptr_t step : {16, 48, 512, 4096, 65536, 131072}) {
    for (unsigned count : {126u, 252u, HZ3_BIN_MOST}) { // tables of all sizes, and in shares
      std::vector<void *> blocks = addresses(count, step);
      hz3_duplicates_refuse(blocks.data(), count, 3, HZ_API_FREE);
    }
  }
  hz3_duplicates_refuse(nullptr, 0, 3, HZ_API_FREE);
}

TEST(DuplicatesDeathTest, OneTwiceIsNamedWhereverItLies) {
  ASSERT_TRUE(hz3_init_ensure());
  for (unsigned at : {0u, 1u, 60u, 124u}) {
    std::vector<void *> blocks = addresses(126, 48);
    blocks[125] = blocks[at];
    EXPECT_DEATH(hz3_duplicates_refuse(blocks.data(), 126, 3, HZ_API_FREE),
                 "^hz3: double free: 0x70000[0-9a-f]+ passed to free \\(48-byte block\\)");
  }
  for (unsigned at : {0u, 1u, 2u, 3u, 5000u, HZ3_BIN_MOST - 2}) {
    std::vector<void *> blocks = addresses(HZ3_BIN_MOST, 48);
    blocks[HZ3_BIN_MOST - 1] = blocks[at];
    EXPECT_DEATH(hz3_duplicates_refuse(blocks.data(), HZ3_BIN_MOST, 3, HZ_API_FREE),
                 "^hz3: double free: 0x70000[0-9a-f]+ passed to free \\(48-byte block\\)");
  }
}

} // namespace
