// Reference values, computed elsewhere:
//  - the mouse data of Efron and Tibshirani, An Introduction to the Bootstrap (1993), table 2.1:
//  the
//    bootstrap standard error of the median with infinitely many resamples is 37.83;
//  - intervals and errors of odd samples exactly, without resampling: a resampled median is at most
//  the
//    k-th smallest of n with the chance that a binomial (n, k/n) reaches (n + 1) / 2 (Python 3.11,
//    math.comb); for the mouse control group the exact standard error is 13.0759;
//  - quantiles: statistics.quantiles(method='inclusive') of Python 3.11, which is type 7;
//  - deviation: statistics.stdev of Python 3.11.
#include "bench/lab/stats.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace {

const std::vector<double> treated = {94, 197, 16, 38, 99, 141, 23};
const std::vector<double> control = {52, 104, 146, 10, 51, 30, 40, 27, 46};

double quantile(std::vector<double> values, double q) {
  stats_sort(values.data(), values.size());
  return stats_quantile(values.data(), values.size(), q);
}

TEST(Stats, Median) {
  EXPECT_EQ(stats_median(treated.data(), treated.size()), 94);
  EXPECT_EQ(stats_median(control.data(), control.size()), 46);
  const double even[] = {4, 1, 3, 2};
  EXPECT_EQ(stats_median(even, 4), 2.5);
  EXPECT_TRUE(std::isnan(stats_median(nullptr, 0)));
}

TEST(Stats, QuantilesAreType7) {
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4, 8, 16}, 0.25), 2);
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4, 8, 16}, 0.75), 8);
  const double tenths[] = {1.0, 1.4, 2.1, 2.8, 3.5, 4.2, 4.9, 5.6, 6.9};
  for (int i = 0; i < 9; i++)
    EXPECT_NEAR(quantile({3, 1, 4, 1, 5, 9, 2, 6}, (i + 1) / 10.0), tenths[i], 1e-12) << i;
  EXPECT_EQ(quantile({7}, 0.3), 7);
}

TEST(Stats, Deviation) {
  const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_NEAR(stats_deviation(values, 8), 2.138089935299395, 1e-12);
  EXPECT_NEAR(stats_variation(values, 8), 2.138089935299395 / 5, 1e-12);
  EXPECT_TRUE(std::isnan(stats_deviation(values, 1)));
}

TEST(Stats, Spread) {
  const double values[] = {1, 2, 4, 8, 16};
  EXPECT_DOUBLE_EQ(stats_spread(values, 5), (8.0 - 2.0) / (2 * 4.0));
  EXPECT_EQ(stats_spread(values, 1), 0);
}

TEST(Stats, ErrorOfTheMedian) {
  EXPECT_NEAR(stats_median_error(treated.data(), treated.size(), 200000, 1), 37.8347, 0.25);
  EXPECT_NEAR(stats_median_error(control.data(), control.size(), 200000, 1), 13.0759, 0.1);
}

TEST(Stats, IntervalIsTheExactOne) {
  // Cumulated exactly: 0.0072 at 9.8, 0.0512 at 9.9, 0.9488 at 10.2, 0.9928 at 10.3.
  const double values[] = {10.2, 9.8, 10.1, 10.4, 9.9, 10.0, 10.3, 11.5, 9.7, 10.05, 10.15};
  for (uint64_t seed = 1; seed < 20; seed++) {
    const interval i = stats_median_interval(values, 11, seed);
    EXPECT_DOUBLE_EQ(i.low, 9.9);
    EXPECT_DOUBLE_EQ(i.high, 10.3);
  }
}

TEST(Stats, IntervalOfTheMice) {
  // Cumulated exactly: 0.0102 at 16, 0.1083 at 23, 0.8917 at 141, 0.9898... at 141's neighbour: the
  // 97.5 % quantile is 141, the 2.5 % quantile is 23.
  const interval i = stats_median_interval(treated.data(), treated.size(), 7);
  EXPECT_DOUBLE_EQ(i.low, 23);
  EXPECT_DOUBLE_EQ(i.high, 141);
}

TEST(Stats, ExactIntervalTakesTheTabledRanks) {
  // Ranks of the published tables of the sign test (two-sided 95 %): n 10: 2 and 9, n 20: 6 and 15,
  // n 30: 10 and 21; n 5 has none; at 99 %: n 10: 1 and 10, n 30: 8 and 23.
  std::vector<double> values(30);
  for (int i = 0; i < 30; i++)
    values[i] = i + 1;
  interval i = stats_median_interval_exact(values.data(), 10, 0.95);
  EXPECT_EQ(i.low, 2);
  EXPECT_EQ(i.high, 9);
  i = stats_median_interval_exact(values.data(), 20, 0.95);
  EXPECT_EQ(i.low, 6);
  EXPECT_EQ(i.high, 15);
  i = stats_median_interval_exact(values.data(), 30, 0.95);
  EXPECT_EQ(i.low, 10);
  EXPECT_EQ(i.high, 21);
  i = stats_median_interval_exact(values.data(), 10, 0.99);
  EXPECT_EQ(i.low, 1);
  EXPECT_EQ(i.high, 10);
  i = stats_median_interval_exact(values.data(), 30, 0.99);
  EXPECT_EQ(i.low, 8);
  EXPECT_EQ(i.high, 23);
  EXPECT_TRUE(std::isinf(stats_median_interval_exact(values.data(), 5, 0.95).low));
  EXPECT_EQ(stats_median_interval_exact(values.data(), 6, 0.95).low, 1);
}

TEST(Stats, FewRoundsGiveTheRange) {
  const double values[] = {1.2, 0.9, 1.1};
  const interval i = stats_median_interval(values, 3, 5);
  EXPECT_EQ(i.low, 0.9);
  EXPECT_EQ(i.high, 1.2);
  EXPECT_DOUBLE_EQ(stats_range_coverage(3), 0.75);
  EXPECT_DOUBLE_EQ(stats_range_coverage(6), 0.96875);
}

TEST(Stats, SeedsRepeat) {
  std::vector<double> values;
  for (int i = 0; i < 20; i++)
    values.push_back(1 + std::sin(i * 1.7) / 10);
  const interval a = stats_median_interval(values.data(), values.size(), 11);
  const interval b = stats_median_interval(values.data(), values.size(), 11);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
}

} // namespace
