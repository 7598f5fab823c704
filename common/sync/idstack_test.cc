#include "common/sync/idstack.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace {

constexpr uint32_t kNodes = 64;

struct Node {
  uint32_t next;
  uint32_t owner;   // plain: who holds the node writes it, the stack orders it
  uint64_t payload; // plain: likewise
};
Node nodes[kNodes + 1];

uint32_t *next_of(uint32_t id) {
  return &nodes[id].next;
}

TEST(IdStack, LastInFirstOut) {
  struct hz_idstack stack = {0};
  EXPECT_TRUE(hz_idstack_is_empty(&stack));
  EXPECT_EQ(hz_idstack_pop(&stack, next_of, nullptr), 0u);
  for (uint32_t id = 1; id <= kNodes; id++)
    EXPECT_EQ(hz_idstack_push(&stack, next_of, id), 0u);
  EXPECT_FALSE(hz_idstack_is_empty(&stack));
  for (uint32_t id = kNodes; id >= 1; id--)
    EXPECT_EQ(hz_idstack_pop(&stack, next_of, nullptr), id);
  EXPECT_TRUE(hz_idstack_is_empty(&stack));
}

TEST(IdStack, EverySuccessRaisesTheVersion) {
  struct hz_idstack stack = {0};
  hz_idstack_push(&stack, next_of, 1);
  EXPECT_EQ(stack.head, static_cast<uint64_t>(1) << 32 | 1);
  hz_idstack_push(&stack, next_of, 2);
  EXPECT_EQ(stack.head, static_cast<uint64_t>(2) << 32 | 2);
  hz_idstack_pop(&stack, next_of, nullptr);
  EXPECT_EQ(stack.head, static_cast<uint64_t>(3) << 32 | 1);
  hz_idstack_pop(&stack, next_of, nullptr);
  EXPECT_EQ(stack.head, static_cast<uint64_t>(4) << 32);
  hz_idstack_pop(&stack, next_of, nullptr); // nothing to take, nothing changes
  EXPECT_EQ(stack.head, static_cast<uint64_t>(4) << 32);
  stack.head = static_cast<uint64_t>(UINT32_MAX) << 32;
  hz_idstack_push(&stack, next_of, 5);
  EXPECT_EQ(stack.head, 5u); // the version wraps
}

// A popper read the top and what is below, slept, and wakes to the same top above something else.
TEST(IdStack, TheSameTopIsNotTheSameStack) {
  struct hz_idstack stack = {0};
  hz_idstack_push(&stack, next_of, 1);
  hz_idstack_push(&stack, next_of, 2);
  uint64_t seen = hz_load_acquire(&stack.head);
  uint32_t below = hz_load_relaxed(next_of(2));
  EXPECT_EQ(hz_idstack_pop(&stack, next_of, nullptr), 2u);
  EXPECT_EQ(hz_idstack_pop(&stack, next_of, nullptr), 1u);
  hz_idstack_push(&stack, next_of, 2);
  EXPECT_EQ(static_cast<uint32_t>(stack.head), static_cast<uint32_t>(seen));
  EXPECT_FALSE(hz_cas_acquire(&stack.head, &seen, hz_idstack_word(seen, below)));
  EXPECT_EQ(hz_idstack_pop(&stack, next_of, nullptr), 2u);
  EXPECT_TRUE(hz_idstack_is_empty(&stack));
}

// Threads take nodes, write into them without any atomics, and put them back on one of two stacks.
// Nobody else may hold a node meanwhile, and what its last holder wrote must be there.
TEST(IdStack, NodesHaveOneHolderAndKeepTheirContent) {
  constexpr int kThreads = 8, kRounds = 40000;
  struct hz_idstack stacks[2] = {{0}, {0}};
  for (uint32_t id = 1; id <= kNodes; id++) {
    nodes[id] = {0, 0, id};
    hz_idstack_push(&stacks[id & 1], next_of, id);
  }
  std::atomic<uint64_t> shared{0}, torn{0}, taken{0}, retries{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 1; t <= kThreads; t++)
    threads.emplace_back([&, t] {
      unsigned lost = 0;
      for (int i = 0; i < kRounds; i++) {
        uint32_t held[3], n = 0;
        for (; n < 3; n++) {
          held[n] = hz_idstack_pop(&stacks[(i + n) & 1], next_of, &lost);
          if (held[n] == 0)
            break;
          Node &node = nodes[held[n]];
          shared += node.owner != 0;
          torn += node.payload % kNodes != held[n] % kNodes;
          node.owner = static_cast<uint32_t>(t);
          node.payload += kNodes;
          taken++;
        }
        if (i % 512 == 0)
          std::this_thread::yield();
        while (n > 0) {
          Node &node = nodes[held[--n]];
          shared += node.owner != static_cast<uint32_t>(t);
          node.owner = 0;
          lost += hz_idstack_push(&stacks[(i + held[n]) & 1], next_of, held[n]);
        }
      }
      retries += lost;
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(shared, 0u);
  EXPECT_EQ(torn, 0u);
  unsigned back = 0;
  uint64_t visits = 0;
  bool seen[kNodes + 1] = {false};
  for (struct hz_idstack &stack : stacks)
    while (uint32_t id = hz_idstack_pop(&stack, next_of, nullptr)) {
      EXPECT_FALSE(seen[id]);
      seen[id] = true;
      visits += (nodes[id].payload - id) / kNodes;
      back++;
    }
  EXPECT_EQ(back, kNodes);
  EXPECT_EQ(visits, taken.load());
  RecordProperty("retries", static_cast<int>(retries.load()));
}

} // namespace
