// realloc and reallocarray: what was in the block is in the block, wherever it went. Owns one block
// or one small set.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>

namespace conformance {
namespace {

constexpr int kSentinel = 7777;
constexpr size_t kMiB = 1024 * 1024;

// Grows or shrinks the block, checks the kept part, and refills it for its new size.
void step(void **block, size_t *size, size_t next, uint64_t seed) {
  errno = kSentinel;
  void *const moved = api::realloc(*block, next);
  EXPECT_EQ(errno, kSentinel) << *size << " to " << next;
  ASSERT_NE(moved, nullptr) << *size << " to " << next;
  ASSERT_TRUE(is_aligned(moved, 16)) << next;
  ASSERT_GE(api::malloc_usable_size(moved), next);
  const size_t kept = *size < next ? *size : next;
  ASSERT_EQ(pattern_mismatch(moved, kept, seed), kept) << *size << " to " << next;
  pattern_fill(moved, next, seed);
  *block = moved;
  *size = next;
}

TEST(Realloc, OfNullIsMalloc) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{100000}, 3 * kMiB}) {
    void *const block = api::realloc(nullptr, size);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(is_aligned(block, 16));
    EXPECT_GE(api::malloc_usable_size(block), size);
    api::free(block);
  }
}

TEST(Realloc, ToZeroFreesOrGivesABlockAndLeaksNothing) {
  const size_t before = rss_bytes();
  for (int i = 0; i < 100000; ++i) {
    void *const block = api::malloc(2000);
    std::memset(block, 1, 2000);
    void *const rest = api::realloc(block, 0);
    if (rest != nullptr)
      api::free(rest);
  }
  EXPECT_LT(rss_bytes(), before + 40 * kMiB); // 190 MiB went through
}

TEST(Realloc, EverySizeGrowsByOneStepAfterAnother) {
  void *block = nullptr;
  size_t size = 0;
  for (size_t next : interesting_sizes(8 * kMiB)) {
    if (next == 0)
      continue;
    step(&block, &size, next, 3);
    if (HasFatalFailure())
      return;
  }
  const std::vector<size_t> sizes = interesting_sizes(8 * kMiB);
  for (size_t i = sizes.size() - 1; i > 0; --i) {
    step(&block, &size, sizes[i], 3);
    if (HasFatalFailure())
      return;
  }
  api::free(block);
}

TEST(Realloc, EveryPairOfFarSizes) {
  std::vector<size_t> sizes;
  for (size_t power = 1; power <= 16 * kMiB; power *= 4) {
    sizes.push_back(power);
    sizes.push_back(power + power / 2 + 1);
  }
  for (size_t from : sizes) {
    for (size_t to : sizes) {
      void *block = nullptr;
      size_t size = 0;
      step(&block, &size, from, from);
      if (!HasFatalFailure())
        step(&block, &size, to, from);
      if (HasFatalFailure())
        return;
      api::free(block);
    }
  }
}

TEST(Realloc, NeighboursStayIntact) {
  constexpr size_t kBlocks = 400;
  void *blocks[kBlocks] = {};
  size_t sizes[kBlocks] = {};
  Random random(5);
  for (int i = 0; i < 40000; ++i) {
    const size_t at = random.below(kBlocks);
    step(&blocks[at], &sizes[at], random.log_uniform(1, i % 50 == 0 ? 300000 : 6000), at);
    if (HasFatalFailure())
      return;
  }
  for (size_t at = 0; at < kBlocks; ++at) {
    EXPECT_EQ(pattern_mismatch(blocks[at], sizes[at], at), sizes[at]);
    api::free(blocks[at]);
  }
}

TEST(Realloc, HugeBlocksMoveWithAllTheirPages) {
  for (size_t mib : {3u, 33u, 130u}) {
    void *block = api::malloc(mib * kMiB);
    ASSERT_NE(block, nullptr);
    edges_fill(block, mib * kMiB, mib);
    void *const wall = api::malloc(mib * kMiB); // so that growth in place is not always possible
    size_t size = mib * kMiB;
    for (size_t next : {2 * size, 2 * size + 1, 3 * size, size, size / 2, size / 3 + 1}) {
      void *const moved = api::realloc(block, next);
      ASSERT_NE(moved, nullptr);
      block = moved;
      size_t kept = next < size ? next : size;
      kept -= kept % page_bytes();
      // The pattern of a page's first byte depends on its offset only, so any prefix of whole pages
      // can be checked.
      void *const probe = api::malloc(kept);
      ASSERT_NE(probe, nullptr);
      edges_fill(probe, kept, mib);
      for (size_t at = 0; at < kept; at += page_bytes())
        ASSERT_EQ(static_cast<char *>(block)[at], static_cast<char *>(probe)[at]) << at;
      api::free(probe);
      if (next < size)
        size = next;
    }
    api::free(wall);
    api::free(block);
  }
}

TEST(Realloc, ImpossibleSizesLeaveTheBlockAlone) {
  for (size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{200000}, 5 * kMiB}) {
    void *const block = api::malloc(size);
    ASSERT_NE(block, nullptr);
    pattern_fill(block, size, size);
    for (size_t next : {static_cast<size_t>(PTRDIFF_MAX), static_cast<size_t>(PTRDIFF_MAX) + 1,
                        SIZE_MAX - 4096, SIZE_MAX - 15, SIZE_MAX, size_t{1} << 56}) {
      errno = kSentinel;
      EXPECT_EQ(api::realloc(block, next), nullptr) << next;
      EXPECT_EQ(errno, ENOMEM) << next;
      ASSERT_EQ(pattern_mismatch(block, size, size), size);
      errno = kSentinel;
      EXPECT_EQ(api::reallocarray(block, next, 1), nullptr);
      EXPECT_EQ(errno, ENOMEM);
    }
    api::free(block);
  }
}

TEST(Realloc, SameSizeOverAndOverCostsNoMemory) {
  void *block = api::malloc(3 * kMiB);
  edges_fill(block, 3 * kMiB, 1);
  const size_t before = mapped_bytes();
  for (int i = 0; i < 2000; ++i) {
    block = api::realloc(block, 3 * kMiB + static_cast<size_t>(i % 7) * 100000);
    ASSERT_NE(block, nullptr);
  }
  EXPECT_LT(mapped_bytes(), before + 128 * kMiB);
  api::free(block);
}

TEST(Realloc, ShrinkingALargeBlockReturnsItsTail) {
  constexpr size_t kFull = 200 * kMiB;
  void *block = api::malloc(kFull);
  ASSERT_NE(block, nullptr);
  edges_fill(block, kFull, 1);
  const size_t full = rss_bytes();
  block = api::realloc(block, kMiB);
  ASSERT_NE(block, nullptr);
  EXPECT_LT(rss_bytes() + 150 * kMiB, full);
  api::free(block);
}

TEST(Reallocarray, MultipliesAndKeepsContent) {
  void *block = api::reallocarray(nullptr, 10, 100);
  ASSERT_NE(block, nullptr);
  pattern_fill(block, 1000, 9);
  block = api::reallocarray(block, 1000, 100);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(pattern_mismatch(block, 1000, 9), 1000u);
  EXPECT_GE(api::malloc_usable_size(block), 100000u);
  for (const auto &[count, size] : {std::pair<size_t, size_t>{SIZE_MAX, 2},
                                    {2, SIZE_MAX},
                                    {size_t{1} << 32, size_t{1} << 32},
                                    {SIZE_MAX / 16 + 2, 16},
                                    {SIZE_MAX, SIZE_MAX}}) {
    errno = kSentinel;
    EXPECT_EQ(api::reallocarray(block, count, size), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(pattern_mismatch(block, 1000, 9), 1000u);
    errno = kSentinel;
    EXPECT_EQ(api::reallocarray(nullptr, count, size), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  api::free(block);
}

} // namespace
} // namespace conformance
