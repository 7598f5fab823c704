#include "bench/lab/result.h"

#include <cmath>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>

namespace {

cell_result empty() {
  cell_result r;
  result_clear(&r);
  return r;
}

std::string written(void (*write)(FILE *, const cell_result *), const cell_result *r) {
  char *text = nullptr;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  write(out, r);
  fclose(out);
  std::string line(text, size);
  free(text);
  return line;
}

std::string head() {
  return written([](FILE *out, const cell_result *) { result_write_head(out); }, nullptr);
}

TEST(Result, ReadsAWorkloadsLine) {
  cell_result r = empty();
  EXPECT_TRUE(result_read_line(&r,
                               "RESULT workload=mt_remote ops=100 seconds=0.5 live_high_bytes=4096 "
                               "valid=1 mode=matched unknown=7"));
  EXPECT_EQ(r.figure[FIGURE_ops], 100);
  EXPECT_EQ(r.figure[FIGURE_ops_per_s], 200);
  EXPECT_EQ(r.figure[FIGURE_live_high_bytes], 4096);
  EXPECT_EQ(r.status, CELL_MISSING);
  EXPECT_TRUE(std::isnan(r.figure[FIGURE_user_s]));
}

TEST(Result, InvalidKeepsItsReason) {
  cell_result r = empty();
  EXPECT_TRUE(result_read_line(&r, "RESULT ops=1 seconds=1 valid=0 reason=remote_share\n"));
  EXPECT_EQ(r.status, CELL_INVALID);
  EXPECT_STREQ(r.detail, "remote_share");
}

TEST(Result, OtherLinesAreNoResult) {
  cell_result r = empty();
  EXPECT_FALSE(result_read_line(&r, "FREED rss_kib=10"));
  EXPECT_FALSE(result_read_line(&r, "RESULT seconds=1"));
  EXPECT_FALSE(result_read_line(&r, "RESULT ops=many"));
  EXPECT_FALSE(result_read_line(&r, ""));
}

TEST(Result, LinesComeBackAsTheyWere) {
  cell_result r = empty();
  snprintf(r.row, sizeof r.row, "main_r90+edges");
  snprintf(r.alloc, sizeof r.alloc, "hz4");
  snprintf(r.detail, sizeof r.detail, "a\ttab and a\nbreak");
  r.pass = PASS_MEMORY;
  r.round = 3;
  r.position = 2;
  r.status = CELL_SIGNAL;
  r.figure[FIGURE_ops] = 123456789012.0;
  r.figure[FIGURE_seconds] = 0.123456789;
  result_columns columns;
  cell_result back;
  ASSERT_TRUE(result_read_head(&columns, head().c_str()));
  ASSERT_TRUE(result_parse(&back, &columns, written(result_write, &r).c_str()));
  EXPECT_STREQ(back.row, r.row);
  EXPECT_STREQ(back.detail, "a tab and a break");
  EXPECT_EQ(back.pass, PASS_MEMORY);
  EXPECT_EQ(back.round, 3u);
  EXPECT_EQ(back.position, 2u);
  EXPECT_EQ(back.status, CELL_SIGNAL);
  EXPECT_EQ(back.figure[FIGURE_ops], 123456789012.0);
  EXPECT_EQ(back.figure[FIGURE_seconds], 0.123456789);
  EXPECT_TRUE(std::isnan(back.figure[FIGURE_cycles]));
}

TEST(Result, LatencyOfTheBusiestProcessCounts) {
  cell_result r = empty();
  EXPECT_TRUE(
      result_read_latency(&r, "LATENCY samples=100 p50_ns=20.5 max_ns=900 latency_floor_ns=9"));
  EXPECT_TRUE(
      result_read_latency(&r, "LATENCY samples=10 p50_ns=70 max_ns=100 latency_floor_ns=9"));
  EXPECT_EQ(r.figure[FIGURE_p50_ns], 20.5);
  EXPECT_EQ(r.figure[FIGURE_max_ns], 900);
  EXPECT_TRUE(result_read_latency(&r, "LATENCY samples=500 p50_ns=30"));
  EXPECT_EQ(r.figure[FIGURE_p50_ns], 30);
  EXPECT_FALSE(result_read_latency(&r, "RESULT samples=5"));
}

TEST(Result, BrokenLinesAreRefused) {
  result_columns columns;
  cell_result r;
  EXPECT_FALSE(result_read_head(&columns, "row\talloc\n"));
  ASSERT_TRUE(result_read_head(&columns, "pass\trow\talloc\tround\tstatus\tops\n"));
  EXPECT_TRUE(result_parse(&r, &columns, "speed\tx\ty\t1\tok\t5\n"));
  EXPECT_EQ(r.figure[FIGURE_ops], 5);
  EXPECT_FALSE(result_parse(&r, &columns, "speed\tx\ty\t1\n"));
  EXPECT_FALSE(result_parse(&r, &columns, "speed\tx\ty\t1\tfine\t5\n"));
  EXPECT_FALSE(result_parse(&r, &columns, "slow\tx\ty\t1\tok\t5\n"));
}

} // namespace
