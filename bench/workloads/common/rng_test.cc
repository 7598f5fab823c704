// The generator draws uniformly, slots and sizes independently, streams differently.
#include "bench/workloads/common/rng.h"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace {

// Pearson's statistic against equal counts, in standard deviations from its mean (degrees d of
// freedom: mean d, variance 2 d; near normal for the hundreds of cells used here).
double deviations(const std::vector<uint64_t> &counts, uint64_t draws) {
  const double expected = static_cast<double>(draws) / static_cast<double>(counts.size());
  double chi = 0;
  for (const uint64_t count : counts) {
    const double miss = static_cast<double>(count) - expected;
    chi += miss * miss / expected;
  }
  const double freedom = static_cast<double>(counts.size() - 1);
  return (chi - freedom) / std::sqrt(2 * freedom);
}

constexpr uint64_t kDraws = 2000000;
constexpr double kTolerated = 5; // the seed is fixed: this either always passes or never

TEST(Rng, SlotsAndSizesAreUniform) {
  struct wl_rng rng = wl_rng_make(1, 0);
  std::vector<uint64_t> slots(400);
  std::vector<uint64_t> sizes(2033);
  for (uint64_t i = 0; i < kDraws; i++) {
    const uint64_t draw = wl_rng_next(&rng);
    slots.at(wl_below(wl_high_bits(draw), slots.size()))++;
    sizes.at(wl_below(wl_low_bits(draw), sizes.size()))++;
  }
  EXPECT_LT(std::fabs(deviations(slots, kDraws)), kTolerated);
  EXPECT_LT(std::fabs(deviations(sizes, kDraws)), kTolerated);
}

TEST(Rng, SlotAndSizeOfOneDrawAreIndependent) {
  struct wl_rng rng = wl_rng_make(2, 0);
  std::vector<uint64_t> pairs(32 * 32);
  for (uint64_t i = 0; i < kDraws; i++) {
    const uint64_t draw = wl_rng_next(&rng);
    pairs.at(wl_below(wl_high_bits(draw), 32) * 32 + wl_below(wl_low_bits(draw), 32))++;
  }
  EXPECT_LT(std::fabs(deviations(pairs, kDraws)), kTolerated);
}

TEST(Rng, ConsecutiveDrawsAreIndependent) {
  struct wl_rng rng = wl_rng_make(3, 0);
  std::vector<uint64_t> pairs(32 * 32);
  uint64_t last = wl_rng_next(&rng);
  for (uint64_t i = 0; i < kDraws; i++) {
    const uint64_t draw = wl_rng_next(&rng);
    pairs.at(wl_below(wl_high_bits(last), 32) * 32 + wl_below(wl_high_bits(draw), 32))++;
    last = draw;
  }
  EXPECT_LT(std::fabs(deviations(pairs, kDraws)), kTolerated);
}

TEST(Rng, StreamsAndSeedsDiffer) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 64; seed++) {
    for (uint64_t stream = 0; stream < 64; stream++) {
      struct wl_rng rng = wl_rng_make(seed, stream);
      first.insert(wl_rng_next(&rng));
    }
  }
  EXPECT_EQ(first.size(), 64u * 64u);
}

TEST(Rng, SameSeedDrawsTheSame) {
  struct wl_rng a = wl_rng_make(7, 3);
  struct wl_rng b = wl_rng_make(7, 3);
  for (int i = 0; i < 1000; i++) {
    ASSERT_EQ(wl_rng_next(&a), wl_rng_next(&b));
  }
}

TEST(Rng, BelowStaysBelow) {
  EXPECT_EQ(wl_below(0, 10), 0u);
  EXPECT_EQ(wl_below(UINT32_MAX, 10), 9u);
  EXPECT_EQ(wl_below(UINT32_MAX, UINT64_C(1) << 32), UINT32_MAX);
  EXPECT_EQ(wl_below(UINT32_MAX, 1), 0u);
  EXPECT_EQ(wl_below(UINT32_MAX, 0), 0u);
}

} // namespace
