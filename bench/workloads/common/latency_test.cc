// Buckets cover all durations without gaps, and percentiles come out where they belong.
#include "bench/workloads/common/latency.h"

#include <gtest/gtest.h>

namespace {

TEST(Latency, BucketsFollowOneAnother) {
  uint64_t begin = 0;
  for (unsigned i = 0; i < WL_LATENCY_BUCKETS; i++) {
    const uint64_t end = wl_latency_bucket_end(i);
    if (end == 0) { // 2^64, the end of the last one
      ASSERT_EQ(i, WL_LATENCY_BUCKETS - 1u);
      break;
    }
    ASSERT_GT(end, begin);
    ASSERT_EQ(wl_latency_bucket(begin), i);
    ASSERT_EQ(wl_latency_bucket(end - 1), i);
    ASSERT_LE(end - begin, 1 + begin / 16) << "finer than a sixteenth";
    begin = end;
  }
  EXPECT_EQ(wl_latency_bucket(UINT64_MAX), WL_LATENCY_BUCKETS - 1u);
}

TEST(Latency, PercentilesOfAKnownSet) {
  wl_latency_open();
  static struct wl_latency_window window;
  wl_latency_since(&window);
  // Of 100,000 durations 1 to 100,000 every percentile is known.
  for (uint64_t ticks = 1; ticks <= 100000; ticks++) {
    wl_latency_count(ticks * 100);
  }
  const struct wl_latency_summary summary = wl_latency_since(&window);
  EXPECT_EQ(summary.samples, 100000u);
  const double tick = summary.max_ns / 1e7; // ns, as this summary saw it
  EXPECT_GE(summary.p50_ns, 5e6 * tick * 0.999);
  EXPECT_LE(summary.p50_ns, 5e6 * tick * 1.07);
  EXPECT_GE(summary.p99_ns, 9.9e6 * tick * 0.999);
  EXPECT_LE(summary.p99_ns, 9.9e6 * tick * 1.07);
  EXPECT_GE(summary.p9999_ns, 9.999e6 * tick * 0.999);
  EXPECT_LE(summary.p9999_ns, 9.999e6 * tick * 1.07);
  EXPECT_LE(summary.p50_ns, summary.p99_ns);
  EXPECT_LE(summary.p99_ns, summary.p999_ns);
  EXPECT_LE(summary.p999_ns, summary.p9999_ns);
}

TEST(Latency, NoPercentileLiesAboveTheLongest) {
  static struct wl_latency_window window;
  wl_latency_since(&window);
  wl_latency_count(1000001); // its bucket ends above it
  const struct wl_latency_summary summary = wl_latency_since(&window);
  EXPECT_EQ(summary.p9999_ns, summary.max_ns);
}

TEST(Latency, AWindowHoldsWhatCameAfterTheLast) {
  static struct wl_latency_window window;
  wl_latency_since(&window);
  wl_latency_count(1000000);
  wl_latency_count(10);
  EXPECT_EQ(wl_latency_since(&window).samples, 2u);
  wl_latency_count(10);
  const struct wl_latency_summary summary = wl_latency_since(&window);
  EXPECT_EQ(summary.samples, 1u);
  EXPECT_LT(summary.max_ns, wl_latency_all().max_ns) << "the maximum of the window, not of all";
  EXPECT_EQ(wl_latency_since(&window).samples, 0u);
  EXPECT_EQ(wl_latency_since(&window).p50_ns, 0);
}

void call(int triples) {
  for (int i = 0; i < triples; i++) {
    void *block = wl_latency_malloc(32);
    ASSERT_NE(block, nullptr);
    block = wl_latency_realloc(block, 64);
    ASSERT_NE(block, nullptr);
    wl_latency_free(block);
  }
}

TEST(Latency, TimesOneCallInSoManyWhileItRecords) {
  static struct wl_latency_window window;
  wl_latency_since(&window);
  call(50 * WL_LATENCY_EVERY);
  EXPECT_EQ(wl_latency_since(&window).samples, 0u);
  wl_latency_record(1);
  call(50 * WL_LATENCY_EVERY);
  wl_latency_record(0);
  EXPECT_EQ(wl_latency_since(&window).samples, 150u);
}

TEST(Latency, TheFloorIsAPlausibleTime) {
  wl_latency_open();
  const double floor_ns = wl_latency_floor_ns();
  EXPECT_GT(floor_ns, 0);
  EXPECT_LT(floor_ns, 100000);
}

} // namespace
