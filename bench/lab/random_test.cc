// The first five numbers for seed 1234567 are those published for SplitMix64 with Vigna's reference
// code.
#include "bench/lab/random.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace {

TEST(Random, PublishedSequence) {
  const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                               4593380528125082431u, 16408922859458223821u};
  lab_random r = {1234567};
  for (uint64_t value : expected)
    EXPECT_EQ(random_next(&r), value);
}

TEST(Random, BelowStaysBelowAndIsEven) {
  lab_random r = {1};
  std::vector<int> hits(6);
  for (int i = 0; i < 60000; i++)
    hits[random_below(&r, 6)]++;
  for (int n : hits)
    EXPECT_NEAR(n, 10000, 500);
}

TEST(Random, OrdersArePermutationsAndAllOccur) {
  std::set<std::vector<unsigned>> seen;
  lab_random r = {2};
  for (int i = 0; i < 500; i++) {
    std::vector<unsigned> order(4);
    random_order(&r, order.data(), order.size());
    seen.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, (std::vector<unsigned>{0, 1, 2, 3}));
  }
  EXPECT_EQ(seen.size(), 24u);
}

TEST(Random, SeedsDependOnEveryByte) {
  EXPECT_NE(random_seed_for(1, "main_r90 1"), random_seed_for(1, "main_r90 2"));
  EXPECT_NE(random_seed_for(1, "ab"), random_seed_for(1, "ba"));
  EXPECT_NE(random_seed_for(1, "ab"), random_seed_for(2, "ab"));
  EXPECT_EQ(random_seed_for(1, "ab"), random_seed_for(1, "ab"));
}

} // namespace
