#include "bench/lab/icount.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>

namespace {

std::string args(const char *lane, unsigned long iterations) {
  char *text = icount_args(lanes_find(lane), iterations);
  std::string all = text;
  free(text);
  return all;
}

TEST(Icount, IterationsAreReplaced) {
  EXPECT_EQ(args("random_mixed", 1000), "1000 400 16 1024 1");
  EXPECT_EQ(args("args_4k_32k", 77), "77 400 4096 32768");
  EXPECT_EQ(args("dist_app", 5), "app 5");
}

TEST(Icount, OnlyLanesThatRepeat) {
  EXPECT_TRUE(icount_can(lanes_find("args_2k")));
  EXPECT_FALSE(icount_can(lanes_find("main_r90")));
  EXPECT_FALSE(icount_can(lanes_find("malloc_large")));
  EXPECT_FALSE(icount_can(nullptr));
}

TEST(Icount, ReadsCallgrindsAccount) {
  EXPECT_EQ(icount_read("==1== Events    : Ir\n==1== Collected : 123456789\n"), 123456789u);
  EXPECT_EQ(icount_read("nothing"), 0u);
}

} // namespace
