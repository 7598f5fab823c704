// Random sequences of the whole surface against the shadow model, and the sequences that once found
// something. Each is played in a child process, so that a crash is found too; one that fails is
// made short and printed in the form that sequences/ keeps. HZ_CONFORMANCE_SEED and
// HZ_CONFORMANCE_RUNS choose other seeds and more of them,
// HZ_CONFORMANCE_SHRINK how many shorter sequences are tried.
#include "common/conformance/model.h"
#include "common/conformance/subject.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace conformance {
namespace {

constexpr int kShrinkBudget = 1500;
constexpr int kConcurrentShrinkBudget = 200; // these runs are long, and fail only now and then

using Player = std::string (*)(const std::vector<Op> &);

// Empty when all is well.
std::string outcome(const std::vector<Op> &ops, Player player) {
  const ChildEnd end = run_child([&](const Notes &notes) {
    const std::string problem = player(ops);
    if (problem.empty())
      return;
    notes.text(problem);
    _exit(1);
  });
  if (end.clean())
    return "";
  return end.notes.empty() ? end.describe() : end.notes;
}

void keep(const std::string &name, const std::string &text) {
  const char *outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  if (outputs != nullptr)
    write_file(std::string(outputs) + "/" + name + ".ops", text);
}

uint64_t number_from(const char *variable, uint64_t otherwise) {
  const char *value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? std::strtoull(value, nullptr, 10) : otherwise;
}

void report(uint64_t seed, const std::vector<Op> &ops, Player player, int tries) {
  const int most = tries > 1 ? kConcurrentShrinkBudget : kShrinkBudget;
  const int budget =
      static_cast<int>(number_from("HZ_CONFORMANCE_SHRINK", static_cast<uint64_t>(most)));
  const auto fails = [&](const std::vector<Op> &candidate) {
    for (int i = 0; i < tries; ++i) {
      if (!outcome(candidate, player).empty())
        return true;
    }
    return false;
  };
  const std::vector<Op> shorter = shrink(ops, fails, budget);
  const std::string text = to_text(shorter);
  keep("seed_" + std::to_string(seed), text);
  ADD_FAILURE() << "seed " << seed << " shrank from " << ops.size() << " to " << shorter.size()
                << " operations: " << outcome(shorter, player) << "\n"
                << text;
}

void play_seeds(uint64_t first, uint64_t count, size_t length, Player player, bool concurrent,
                int tries) {
  first = number_from("HZ_CONFORMANCE_SEED", first);
  count = number_from("HZ_CONFORMANCE_RUNS", count);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const std::vector<Op> ops = draw(seed, length, kMostThreads, concurrent);
    const std::string problem = outcome(ops, player);
    if (problem.empty())
      continue;
    std::printf("seed %lu: %s\n", static_cast<unsigned long>(seed), problem.c_str());
    report(seed, ops, player, tries);
    return; // one short sequence is worth more than many long ones
  }
}

TEST(Random, InTurnAgainstTheModel) {
  play_seeds(1, static_cast<uint64_t>(rounds(60)), 3000, play_in_turn, false, 1);
}

TEST(Random, ManyShortSequences) {
  play_seeds(100000, static_cast<uint64_t>(rounds(300)), 150, play_in_turn, false, 1);
}

TEST(Random, AllThreadsAtOnce) {
  play_seeds(200000, static_cast<uint64_t>(rounds(20)), 10000, play_at_once, true, 3);
}

// The sequences that once found a fault, in this allocator or in a broken one.
TEST(Sequences, KeptOnesPass) {
  size_t played = 0;
  for (const std::string &file : subject().files) {
    if (file.size() < 4 || file.substr(file.size() - 4) != ".ops")
      continue;
    std::ifstream stream(file);
    std::stringstream text;
    text << stream.rdbuf();
    std::vector<Op> ops;
    std::string problem;
    ASSERT_TRUE(from_text(text.str(), &ops, &problem)) << file << ": " << problem;
    ASSERT_FALSE(ops.empty()) << file;
    EXPECT_EQ(outcome(ops, play_in_turn), "") << file;
    EXPECT_EQ(outcome(ops, play_at_once), "") << file;
    ++played;
  }
  EXPECT_GT(played, 0u);
}

// ---- the model's own tools ----

TEST(Sequences, TextReadsBackAsWritten) {
  const std::vector<Op> ops = draw(5, 500, kMostThreads, true);
  std::vector<Op> again;
  std::string problem;
  ASSERT_TRUE(from_text(to_text(ops), &again, &problem)) << problem;
  EXPECT_EQ(to_text(again), to_text(ops));
  EXPECT_FALSE(from_text("0 mallok 1 2 3\n", &again, &problem));
  EXPECT_FALSE(from_text("0 malloc x 2 3\n", &again, &problem));
  EXPECT_FALSE(from_text("9 malloc 1 2 3\n", &again, &problem));
}

TEST(Sequences, ShrinkFindsTheTwoThatMatter) {
  std::vector<Op> ops = draw(6, 700, 1, false);
  for (Op &op : ops)
    op.kind = Kind::kMalloc;
  ops[200].kind = Kind::kCalloc;
  ops[200].size = 5000;
  ops[555].kind = Kind::kTrim;
  const auto fails = [](const std::vector<Op> &candidate) {
    bool calloc_seen = false;
    for (const Op &op : candidate) {
      calloc_seen = calloc_seen || (op.kind == Kind::kCalloc && op.size > 100);
      if (calloc_seen && op.kind == Kind::kTrim)
        return true;
    }
    return false;
  };
  const std::vector<Op> shorter = shrink(ops, fails, kShrinkBudget);
  ASSERT_EQ(shorter.size(), 2u) << to_text(shorter);
  EXPECT_EQ(shorter[0].kind, Kind::kCalloc);
  EXPECT_EQ(shorter[1].kind, Kind::kTrim);
}

} // namespace
} // namespace conformance
