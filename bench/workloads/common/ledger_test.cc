// The error bound of the high-water mark holds, and nothing is lost.
#include "bench/workloads/common/ledger.h"
#include "bench/workloads/common/rng.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

// Drives shares step by step in one thread, in random order, beside an exact count.
struct Walk {
  Walk(unsigned threads, uint64_t block_bytes) : shares(threads), held(threads) {
    wl_ledger_open(&ledger, threads, block_bytes);
    for (auto &share : shares) {
      wl_share_open(&share, &ledger);
    }
  }

  void step(unsigned thread, int64_t bytes) {
    held[thread] += bytes;
    live += bytes;
    high = std::max(high, live);
    wl_share_add(&shares[thread], bytes);
  }

  void close() {
    for (auto &share : shares) {
      wl_share_close(&share);
    }
  }

  struct wl_ledger ledger;
  std::vector<struct wl_share> shares;
  std::vector<int64_t> held;
  int64_t live = 0;
  int64_t high = 0;
};

void expect_within_bound(const Walk &walk) {
  EXPECT_LE(std::abs(walk.high - walk.ledger.high), walk.ledger.error_bytes);
  EXPECT_EQ(walk.ledger.published, walk.live);
}

TEST(Ledger, RandomWalksOfManyThreads) {
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct wl_rng rng = wl_rng_make(seed, 0);
    Walk walk(16, 2048);
    for (int i = 0; i < 200000; i++) {
      const uint64_t draw = wl_rng_next(&rng);
      const unsigned thread = static_cast<unsigned>(draw & 15);
      const int64_t bytes = 16 + static_cast<int64_t>(wl_below(wl_low_bits(draw), 2033));
      const bool give = (draw >> 62) < 2 && walk.held[thread] >= bytes;
      walk.step(thread, give ? -bytes : bytes);
    }
    walk.close();
    expect_within_bound(walk);
    EXPECT_LE(walk.ledger.error_bytes,
              std::max<int64_t>(walk.high / 16, 16 * 8 * 2048)); // a figure worth printing
  }
}

TEST(Ledger, OneSideOnlyAllocatesTheOtherOnlyFrees) {
  Walk walk(2, 4096);
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < 1000; i++) {
      walk.step(0, 4096);
    }
    for (int i = 0; i < 1000; i++) {
      walk.step(1, -4096);
    }
  }
  walk.close();
  EXPECT_EQ(walk.high, 1000 * 4096);
  expect_within_bound(walk);
  EXPECT_EQ(walk.ledger.published, 0);
}

TEST(Ledger, BlocksLargerThanTheBoundArePublishedAtOnce) {
  Walk walk(4, 16);
  walk.step(0, INT64_C(1) << 40);
  EXPECT_EQ(walk.ledger.high, INT64_C(1) << 40);
  walk.step(1, -(INT64_C(1) << 40));
  EXPECT_EQ(walk.ledger.published, 0);
  walk.close();
  expect_within_bound(walk);
}

TEST(LedgerDeathTest, ALostBlockIsNoticed) {
  Walk walk(2, 64);
  walk.step(0, 64);
  walk.step(1, -64);
  walk.close();
  wl_ledger_require_empty(&walk.ledger);
  Walk lost(2, 64);
  lost.step(0, 64);
  lost.close();
  EXPECT_EXIT(wl_ledger_require_empty(&lost.ledger), ::testing::ExitedWithCode(1),
              "64 bytes are counted as alive");
}

TEST(Ledger, ConcurrentThreadsLoseNothing) {
  constexpr unsigned kThreads = 8;
  constexpr int64_t kBlocks = 20000;
  struct wl_ledger ledger;
  wl_ledger_open(&ledger, kThreads, 256);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; t++) {
    threads.emplace_back([&ledger] {
      struct wl_share share;
      wl_share_open(&share, &ledger);
      for (int64_t i = 0; i < kBlocks; i++) {
        wl_share_add(&share, 256);
      }
      for (int64_t i = 0; i < kBlocks; i++) {
        wl_share_add(&share, -256);
      }
      wl_share_close(&share);
    });
  }
  for (auto &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ledger.published, 0);
  EXPECT_LE(ledger.high, static_cast<int64_t>(kThreads) * kBlocks * 256);
  EXPECT_GE(ledger.high, kBlocks * 256 - ledger.error_bytes);
}

} // namespace
