#include "bench/lab/judge.h"

#include <cmath>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>
#include <vector>

namespace {

TEST(Warmth, AWarmUpCutShortIsCold) {
  judged_cell cell = {};
  cell.warm_turnovers = 1.9;
  EXPECT_TRUE(judge_is_cold(&cell));
  cell.warm_turnovers = 2;
  EXPECT_FALSE(judge_is_cold(&cell));
  cell.warm_turnovers = NAN; // a lane without rings
  EXPECT_FALSE(judge_is_cold(&cell));
}

// A run in a folder of its own.
class Judge : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder), nullptr);
    journal_open(&journal, folder);
  }
  void TearDown() override {
    journal_close(&journal);
    unlink((std::string(folder) + "/ops.tsv").c_str());
    unlink((std::string(folder) + "/rss.tsv").c_str());
    rmdir(folder);
  }
  void add(const char *alloc, unsigned round, double ops_per_s, cell_status status = CELL_OK,
           enum cell_pass pass = PASS_SPEED, double rss_kib = NAN) {
    cell_result r;
    result_clear(&r);
    r.pass = pass;
    r.round = round;
    r.status = status;
    snprintf(r.row, sizeof r.row, "row");
    snprintf(r.alloc, sizeof r.alloc, "%s", alloc);
    r.figure[FIGURE_ops_per_s] = ops_per_s;
    r.figure[FIGURE_max_rss_kib] = rss_kib;
    r.figure[FIGURE_live_high_bytes] = 1024;
    journal_add(&journal, &r);
  }
  verdicts judged() {
    static const char *const rows[] = {"row", "row without cells"};
    static const judge_alloc allocs[] = {{"mine", false}, {"peer", true}, {"other", true}};
    return judge(&journal, rows, 2, allocs, 3, 1);
  }
  char folder[sizeof P_tmpdir "/judge_test_XXXXXX"] = P_tmpdir "/judge_test_XXXXXX";
  struct journal journal;
};

TEST_F(Judge, RatiosAreFormedWithinARound) {
  // The machine slows down five-fold between rounds; within each, mine is 1.10 times the peer.
  for (unsigned round = 1; round <= 8; round++) {
    double speed = round % 2 ? 100 : 20;
    add("mine", round, 1.1 * speed);
    add("peer", round, speed);
    add("other", round, speed / 2);
  }
  verdicts v = judged();
  ASSERT_EQ(v.rows_n, 1u);
  EXPECT_EQ(v.rows[0].best_peer, 1);
  EXPECT_EQ(v.rows[0].leader, 0);
  EXPECT_NEAR(v.rows[0].cells[0].ratio, 1.1, 1e-9);
  EXPECT_NEAR(v.rows[0].cells[0].ratio_interval.low, 1.1, 1e-9);
  EXPECT_EQ(v.rows[0].cells[0].verdict, VERDICT_FASTER);
  EXPECT_EQ(v.rows[0].cells[1].verdict, VERDICT_BASE);
  EXPECT_EQ(v.rows[0].cells[2].verdict, VERDICT_SLOWER);
  EXPECT_GT(v.rows[0].cells[0].spread, 0.3);
  verdicts_clear(&v);
}

TEST_F(Judge, AnIntervalThatSpansOneIsNoDifference) {
  for (unsigned round = 1; round <= 6; round++) {
    add("mine", round, round % 2 ? 101 : 99);
    add("peer", round, 100);
  }
  verdicts v = judged();
  EXPECT_EQ(v.rows[0].cells[0].verdict, VERDICT_SAME);
  EXPECT_STREQ(verdict_words(VERDICT_SAME), "no difference seen");
  EXPECT_EQ(v.rows[0].cells[2].verdict, VERDICT_NONE);
  verdicts_clear(&v);
}

TEST_F(Judge, UnpairedRoundsDoNotCount) {
  add("mine", 1, 110);
  add("peer", 1, 100);
  add("mine", 2, 500);
  add("peer", 2, 100, CELL_SIGNAL);
  verdicts v = judged();
  EXPECT_EQ(v.rows[0].cells[0].rounds, 2u);
  EXPECT_EQ(v.rows[0].cells[0].rounds_paired, 1u);
  EXPECT_NEAR(v.rows[0].cells[0].ratio, 1.1, 1e-9);
  EXPECT_EQ(v.rows[0].cells[1].failed, 1u);
  verdicts_clear(&v);
}

TEST_F(Judge, InvalidCellsAreMarkedAndLeftOut) {
  add("mine", 1, 110, CELL_INVALID);
  add("peer", 1, 100);
  verdicts v = judged();
  EXPECT_EQ(v.rows[0].cells[0].rounds, 0u);
  EXPECT_EQ(v.rows[0].cells[0].invalid, 1u);
  EXPECT_NE(v.rows[0].cells[0].note[0], '\0');
  EXPECT_EQ(v.rows[0].leader, 1);
  verdicts_clear(&v);
}

TEST_F(Judge, MemoryComesFromItsOwnPass) {
  add("mine", 1, 110, CELL_OK, PASS_SPEED, 5000);
  add("peer", 1, 110, CELL_OK, PASS_SPEED, 7000);
  add("mine", 1, 1, CELL_OK, PASS_MEMORY, 2000);
  verdicts v = judged();
  EXPECT_EQ(v.rows[0].cells[0].peak_rss_kib, 2000);
  EXPECT_EQ(v.rows[0].cells[0].rss_per_live, 2000);
  EXPECT_EQ(v.rows[0].cells[1].peak_rss_kib, 7000);
  EXPECT_EQ(v.rows[0].cells[0].median, 110);
  verdicts_clear(&v);
}

TEST_F(Judge, LaterLinesOfACellCount) {
  add("mine", 1, 10, CELL_TIMEOUT);
  add("mine", 1, 20);
  verdicts v = judged();
  EXPECT_EQ(v.rows[0].cells[0].failed, 0u);
  EXPECT_EQ(v.rows[0].cells[0].median, 20);
  verdicts_clear(&v);
}

TEST_F(Judge, ACutLineIsDroppedAndTheRestKept) {
  add("mine", 1, 10);
  add("mine", 2, 20);
  journal_close(&journal);
  std::string path = std::string(folder) + "/ops.tsv";
  FILE *f = fopen(path.c_str(), "a");
  fputs("speed\trow\tmine\t3\t1\tok", f);
  fclose(f);
  journal_open(&journal, folder);
  EXPECT_EQ(journal.n, 2u);
  add("mine", 3, 30);
  journal_close(&journal);
  journal_open(&journal, folder);
  ASSERT_EQ(journal.n, 3u);
  EXPECT_EQ(journal.at[2].figure[FIGURE_ops_per_s], 30);
}

} // namespace
