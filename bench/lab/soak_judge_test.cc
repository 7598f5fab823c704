// Variation and percentiles are checked against Python 3.11: statistics.stdev / mean, and
// statistics.quantiles(n=100, method='inclusive') of the inverses.
#include "bench/lab/soak_judge.h"

#include <cmath>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>

namespace {

template <typename Rate, typename Rss> soak_figures measured(size_t n, Rate rate, Rss rss) {
  soak_series s = {};
  for (size_t i = 0; i < n; i++)
    soak_add(&s, rate(i), rss(i));
  soak_figures f = soak_measure(&s);
  soak_clear(&s);
  return f;
}

std::string judged(const soak_figures &f, const soak_figures &null) {
  char *text = soak_judge(&f, &null);
  std::string all = text;
  free(text);
  return all;
}

double steady(size_t i) {
  return 100 + static_cast<double>(i % 2);
}
double flat(size_t) {
  return 5000;
}

TEST(Soak, SteadyIsWithinTheLimits) {
  soak_figures f = measured(60, steady, flat);
  EXPECT_EQ(judged(f, f), "within the limits");
  EXPECT_NEAR(f.variation, 0.005017, 1e-6);
  EXPECT_NEAR(f.speed_drift, 1 / (100 * 5.0 + 2) * 1.0, 1e-3);
}

TEST(Soak, AFewEpochsSayNothing) {
  soak_figures f = measured(9, steady, flat);
  EXPECT_EQ(judged(f, f), "too few epochs");
}

TEST(Soak, CreepingMemoryIsNamed) {
  soak_figures null = measured(60, steady, flat);
  soak_figures f =
      measured(60, steady, [](size_t i) { return 5000 + 20.0 * static_cast<double>(i); });
  std::string text = judged(f, null);
  EXPECT_NE(text.find("RSS drifts"), std::string::npos);
  EXPECT_NE(text.find("every fifth"), std::string::npos);
}

TEST(Soak, SinkingSpeedAndSpikesAreNamed) {
  soak_figures null = measured(100, steady, flat);
  EXPECT_NE(judged(measured(
                       100, [](size_t i) { return 100 - 0.2 * static_cast<double>(i); }, flat),
                   null)
                .find("speed drifts"),
            std::string::npos);
  std::string spikes = judged(measured(
                                  100, [](size_t i) { return i % 20 == 7 ? 50.0 : 100.0; }, flat),
                              null);
  EXPECT_NE(spikes.find("variation"), std::string::npos);
  EXPECT_NE(spikes.find("p99/p50"), std::string::npos);
}

} // namespace
