#include "common/base/bits.h"

#include "gtest/gtest.h"

namespace {

TEST(Bits, PowersOfTwo) {
  EXPECT_FALSE(hz_is_pow2(0));
  for (unsigned shift = 0; shift < 64; shift++) {
    size_t power = (size_t)1 << shift;
    EXPECT_TRUE(hz_is_pow2(power));
    if (shift > 1) {
      EXPECT_FALSE(hz_is_pow2(power - 1));
      EXPECT_FALSE(hz_is_pow2(power + 1));
    }
  }
}

TEST(Bits, Alignment) {
  for (unsigned shift = 0; shift < 16; shift++) {
    size_t power = (size_t)1 << shift;
    for (size_t x = 0; x < 1000; x++) {
      size_t up = hz_align_up(x, power), down = hz_align_down(x, power);
      EXPECT_EQ(up % power, 0u);
      EXPECT_EQ(down % power, 0u);
      EXPECT_GE(up, x);
      EXPECT_LT(up - x, power);
      EXPECT_LE(down, x);
      EXPECT_LT(x - down, power);
      EXPECT_EQ(hz_is_aligned(x, power), x % power == 0);
    }
  }
}

TEST(Bits, HighestAndLowestBit) {
  for (unsigned shift = 0; shift < 64; shift++) {
    size_t power = (size_t)1 << shift;
    EXPECT_EQ(hz_log2_floor(power), shift);
    EXPECT_EQ(hz_log2_floor(power | (power - 1)), shift);
    EXPECT_EQ(hz_lowest_bit(power), shift);
    EXPECT_EQ(hz_lowest_bit(~(power - 1)), shift);
  }
}

TEST(Bits, MinMaxClampDivide) {
  EXPECT_EQ(hz_min(3, 4), 3u);
  EXPECT_EQ(hz_max(3, 4), 4u);
  EXPECT_EQ(hz_clamp(1, 2, 5), 2u);
  EXPECT_EQ(hz_clamp(9, 2, 5), 5u);
  EXPECT_EQ(hz_clamp(3, 2, 5), 3u);
  EXPECT_EQ(hz_div_up(0, 7), 0u);
  EXPECT_EQ(hz_div_up(7, 7), 1u);
  EXPECT_EQ(hz_div_up(8, 7), 2u);
  EXPECT_EQ(hz_div_up(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
}

} // namespace
