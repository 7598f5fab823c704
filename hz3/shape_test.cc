// The table of classes: what every other room takes for granted.
#include "hz3/shape.h"

#include "hz3/init.h"
#include "gtest/gtest.h"

namespace {

TEST(Shape, BatchesAreBoundedInBlocksAndBytes) {
  ASSERT_TRUE(hz3_init_ensure());
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    const struct hz3_shape &s = hz3_shape[cls];
    unsigned least = hz_class_bytes(cls) <= 32768 ? HZ3_BATCH_LEAST : HZ3_BATCH_LEAST_BIG;
    EXPECT_GE(s.batch, least);
    EXPECT_LE(s.batch, HZ3_BATCH_BLOCKS);
    EXPECT_TRUE(s.batch == least || s.batch * hz_class_bytes(cls) <= HZ3_BATCH_BYTES);
    EXPECT_GE(s.capacity_max, 2 * s.batch);
    EXPECT_LE(s.capacity_max, HZ3_BIN_MOST);
    EXPECT_TRUE(s.capacity_max == 2 * s.batch ||
                s.capacity_max * hz_class_bytes(cls) <= HZ3_BIN_BYTES);
    EXPECT_GE(s.capacity_min, 1u);
    EXPECT_LE(s.capacity_min, s.capacity_max);
    EXPECT_LE(s.span_blocks * hz_class_bytes(cls), s.span_granules * size_t{65536});
  }
}

// Every offset of a multiple of 8 in the longest span, for every class.
TEST(Shape, DivisionByReciprocalIsExact) {
  ASSERT_TRUE(hz3_init_ensure());
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    uint32_t bytes = static_cast<uint32_t>(hz_class_bytes(cls)), wrong = 0;
    for (uint32_t at = 0; at < 8 * 65536; at += 8)
      wrong += hz3_is_block_start(at, cls) != (at % bytes == 0) ||
               hz3_block_index(at, cls) != at / bytes;
    for (uint32_t at = 1; at < 65536; at += 2)
      wrong += hz3_is_block_start(at, cls);
    EXPECT_EQ(wrong, 0u) << bytes;
  }
}

} // namespace
