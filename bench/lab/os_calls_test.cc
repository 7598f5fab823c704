#include "bench/lab/os_calls.h"

#include <cmath>
#include <gtest/gtest.h>
#include <string>

namespace {

// Eight epochs of 100 operations; the tracer's lines follow, one for each line printed.
std::string log_of(int epochs) {
  std::string text;
  for (int i = 1; i <= epochs; i++)
    text += "EPOCH number=" + std::to_string(i) + " seconds=0.1 ops=100 ops_per_s=1000 rss_kib=1\n";
  text += "RESULT workload=args ops=1000\n";
  for (int i = 1; i <= epochs + 1; i++)
    text += "OSCALLS mmap=" + std::to_string(50 + i) + " munmap=" + std::to_string(2 * i) +
            " madvise=7\n";
  return text;
}

TEST(OsCalls, TheFirstQuarterIsStartUp) {
  os_calls c;
  ASSERT_TRUE(os_calls_read(log_of(8).c_str(), &c));
  EXPECT_EQ(c.ops, 600); // epochs 3 to 8
  EXPECT_EQ(c.mmap, 6);
  EXPECT_EQ(c.munmap, 12);
  EXPECT_EQ(c.madvise, 0);
  EXPECT_DOUBLE_EQ(os_calls_rate(&c), 18 / 600.0);
}

TEST(OsCalls, TooLittleIsNoFigure) {
  os_calls c;
  EXPECT_FALSE(os_calls_read(log_of(3).c_str(), &c));
  EXPECT_FALSE(os_calls_read("RESULT ops=1\n", &c));
  EXPECT_TRUE(std::isnan(os_calls_rate(&c)));
}

TEST(OsCalls, Limits) {
  EXPECT_STREQ(os_calls_word(2e-6, 1e9), "above 1e-6");
  EXPECT_STREQ(os_calls_word(1e-6, 1e9), "within 1e-6");
  EXPECT_STREQ(os_calls_word(1e-8, 1e9), "within the goal, 1e-8");
  EXPECT_STREQ(os_calls_word(0, 1e6), "within the goal as far as seen");
  EXPECT_STREQ(os_calls_word(NAN, 1e6), "no figure");
}

} // namespace
