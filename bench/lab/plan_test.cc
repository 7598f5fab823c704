#include "bench/lab/plan.h"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace {

const memory_state plenty = {20e6, 0, 0};
const memory_state little = {4e6, 0, 0};

config settled(std::vector<std::string> words) {
  static std::vector<std::vector<std::string>> kept; // argv must outlive the config
  kept.push_back(std::move(words));
  kept.back().insert(kept.back().begin(), "compare");
  std::vector<char *> argv;
  for (std::string &word : kept.back())
    argv.push_back(word.data());
  argv.push_back(nullptr);
  config c;
  config_parse(&c, static_cast<int>(argv.size()) - 1, argv.data(), "", nullptr);
  config_settle(&c);
  return c;
}

std::set<std::string> rows_of(const config &c, const memory_state &m, plan *kept = nullptr) {
  plan p;
  plan_make(&p, &c, &m);
  std::set<std::string> names;
  for (size_t i = 0; i < p.n; i++)
    names.insert(p.rows[i].name);
  EXPECT_EQ(names.size(), p.n);
  if (kept != nullptr)
    *kept = p;
  return names;
}

TEST(Plan, QuickSaysWhatItLeavesOut) {
  plan p;
  std::set<std::string> rows = rows_of(settled({}), plenty, &p);
  EXPECT_TRUE(rows.count("guard_r0") && rows.count("guard_r50") && rows.count("main_r90"));
  EXPECT_TRUE(rows.count("main_r90+edges"));
  EXPECT_FALSE(rows.count("cross128_r50"));
  std::string left_out;
  for (size_t i = 0; i < p.left_out.n; i++)
    left_out += std::string(p.left_out.at[i]) + "\n";
  EXPECT_NE(left_out.find("cross128_r50"), std::string::npos);
  EXPECT_NE(left_out.find("dist_bimodal"), std::string::npos);
  EXPECT_EQ(left_out.find("main_r90"), std::string::npos);
}

TEST(Plan, RecordHasEveryStandardLaneBothWays) {
  std::set<std::string> rows = rows_of(settled({"--record"}), plenty);
  for (const char *name : {"guard", "main", "cross128"})
    for (const char *share : {"_r0", "_r50", "_r90"}) {
      EXPECT_TRUE(rows.count(std::string(name) + share));
      EXPECT_TRUE(rows.count(std::string(name) + share + "+edges"));
    }
  EXPECT_TRUE(rows.count("args_4k_32k"));
}

TEST(Plan, Touch) {
  EXPECT_EQ(rows_of(settled({"--lane=guard_r0", "--touch=edges"}), plenty),
            (std::set<std::string>{"guard_r0+edges"}));
  EXPECT_EQ(rows_of(settled({"--lane=guard_r0", "--touch=both"}), plenty),
            (std::set<std::string>{"guard_r0", "guard_r0+edges"}));
  EXPECT_EQ(rows_of(settled({"--lane=guard_r90", "--touch=none"}), plenty),
            (std::set<std::string>{"guard_r90"}));
}

TEST(Plan, MemoryGuard) {
  EXPECT_EQ(rows_of(settled({"--lane=cross128_r90"}), little),
            (std::set<std::string>{"cross128_safe_r90"}));
  EXPECT_EQ(rows_of(settled({"--lane=cross128_r90", "--cross128=full"}), little),
            (std::set<std::string>{"cross128_r90"}));
  EXPECT_EQ(rows_of(settled({"--lane=cross128_r90,guard_r0", "--cross128=skip"}), plenty),
            (std::set<std::string>{"guard_r0"}));
  EXPECT_FALSE(plan_memory_short(&plenty));
  EXPECT_TRUE(plan_memory_short(&little));
  const memory_state swapping = {20e6, 1000, 740}, calm = {20e6, 1000, 760};
  EXPECT_TRUE(plan_memory_short(&swapping));
  EXPECT_FALSE(plan_memory_short(&calm));
}

TEST(Plan, OrderDependsOnRoundAndSeedAlone) {
  std::set<std::vector<unsigned>> orders;
  for (unsigned round = 1; round <= 40; round++) {
    std::vector<unsigned> a(5), b(5);
    plan_order(a.data(), 5, 9, PASS_SPEED, "main_r90", round);
    plan_order(b.data(), 5, 9, PASS_SPEED, "main_r90", round);
    EXPECT_EQ(a, b);
    orders.insert(a);
  }
  EXPECT_GT(orders.size(), 25u);
}

TEST(Plan, EveryRoundHasAWorkloadSeedOfItsOwn) {
  EXPECT_NE(plan_workload_seed(1, "a", 1), plan_workload_seed(1, "a", 2));
  EXPECT_NE(plan_workload_seed(1, "a", 1), plan_workload_seed(2, "a", 1));
  EXPECT_EQ(plan_workload_seed(1, "a", 1), plan_workload_seed(1, "a", 1));
}

using PlanDeath = ::testing::Test;

TEST(PlanDeath, BadWordsEndInOneSentenceAndTwo) {
  EXPECT_EXIT(settled({"--lane=mian"}), ::testing::ExitedWithCode(2),
              "no lane is called 'mian'; known: .*main_r90");
  EXPECT_EXIT(settled({"--runs=0"}), ::testing::ExitedWithCode(2), "--runs does not take '0'");
  EXPECT_EXIT(settled({"--touch=some"}), ::testing::ExitedWithCode(2), "none, edges, both");
  EXPECT_EXIT(settled({"--cpus=99999"}), ::testing::ExitedWithCode(2), "--cpus");
  EXPECT_EXIT(settled({"--so=x"}), ::testing::ExitedWithCode(2), "NAME=PATH");
  EXPECT_EXIT(settled({"--scale=-1"}), ::testing::ExitedWithCode(2), "above 0");
  EXPECT_EXIT(settled({"stray"}), ::testing::ExitedWithCode(2), "'stray' is not an option");
}

TEST(Config, CpuLists) {
  cpu_set_t set;
  ASSERT_TRUE(config_cpus("0-2,5", &set));
  EXPECT_EQ(CPU_COUNT(&set), 4);
  EXPECT_TRUE(CPU_ISSET(5, &set));
  EXPECT_FALSE(config_cpus("", &set));
  EXPECT_FALSE(config_cpus("2-1", &set));
  EXPECT_FALSE(config_cpus("a", &set));
}

} // namespace
