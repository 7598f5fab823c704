// The routes: which part serves, what stays in its place, what is refused.
#include "hz3/route.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "hz3/cache.h"
#include "gtest/gtest.h"

namespace {

uint8_t tag_of(const void *p) {
  return hz_arena.granules[hz_granule_of(p)].tag;
}

TEST(Route, SizesGoToTheirPart) {
  for (size_t bytes :
       {size_t{0}, size_t{1}, size_t{16}, size_t{129}, size_t{4097}, size_t{131072}}) {
    void *p = hz3_alloc(bytes, HZ_API_MALLOC);
    EXPECT_EQ(tag_of(p), hz_class_of(bytes));
    EXPECT_EQ(hz3_usable(p, HZ_API_USABLE_SIZE), hz_class_bytes(hz_class_of(bytes)));
    hz3_free(p, HZ_API_FREE);
  }
  void *p = hz3_alloc(131073, HZ_API_MALLOC);
  EXPECT_EQ(tag_of(p), HZ_TAG_LARGE);
  EXPECT_EQ(hz3_usable(p, HZ_API_USABLE_SIZE) + (uintptr_t)p % HZ_GRANULE_BYTES,
            3 * HZ_GRANULE_BYTES);
  hz3_free(p, HZ_API_FREE);
}

TEST(Route, ABlockFreedIsTheNextOneHandedOut) {
  for (size_t bytes : {24, 1000, 50000, 131072}) {
    void *p = hz3_alloc(bytes, HZ_API_MALLOC);
    hz3_free(p, HZ_API_FREE);
    void *q = hz3_alloc(bytes, HZ_API_MALLOC);
    EXPECT_EQ(p, q) << bytes;
    hz3_free(q, HZ_API_FREE);
  }
}

uintptr_t line_of(const void *p) {
  return reinterpret_cast<uintptr_t>(p) / HZ_LINE_BYTES;
}

// Two threads hold blocks of 24 bytes. Whichever frees the other's, no line is in both hands.
TEST(Route, ThreadsTakeShortBlocksFromLinesOfTheirOwn) {
  std::set<uintptr_t> mine, theirs;
  std::vector<void *> kept, given;
  for (int i = 0; i < 600; i++)
    (i % 2 ? kept : given).push_back(hz3_alloc(24, HZ_API_MALLOC));
  for (void *p : kept)
    mine.insert(line_of(p));
  std::thread([&] {
    for (size_t i = 0; i < given.size(); i++)
      if (i % 2)
        hz3_free_sized(given[i], 0, 24, HZ_API_DELETE);
      else
        hz3_free(given[i], HZ_API_FREE);
    std::vector<void *> blocks(3000);
    for (void *&p : blocks) {
      p = hz3_alloc(24, HZ_API_MALLOC);
      theirs.insert(line_of(p));
      EXPECT_NE(tag_of(p), tag_of(kept[0]));
      EXPECT_EQ(hz3_usable(p, HZ_API_USABLE_SIZE), 32u);
    }
    for (void *p : blocks)
      hz3_free(p, HZ_API_FREE);
  }).join();
  for (uintptr_t line : theirs)
    ASSERT_EQ(mine.count(line), 0u);
  for (void *p : kept)
    hz3_free(p, HZ_API_FREE);
}

TEST(Route, ReallocStaysWhereItFits) {
  char *p = static_cast<char *>(hz3_alloc(1000, HZ_API_MALLOC));
  strcpy(p, "kept");
  EXPECT_EQ(hz3_realloc(p, 1024, HZ_API_REALLOC), p) << "grows within the class";
  EXPECT_EQ(hz3_realloc(p, 600, HZ_API_REALLOC), p) << "shrinks while it wastes less than half";
  char *small = static_cast<char *>(hz3_realloc(p, 100, HZ_API_REALLOC));
  EXPECT_NE(small, p);
  char *large = static_cast<char *>(hz3_realloc(small, 3 << 20, HZ_API_REALLOC));
  EXPECT_STREQ(large, "kept");
  char *back = static_cast<char *>(hz3_realloc(large, 50, HZ_API_REALLOC));
  EXPECT_STREQ(back, "kept");
  hz3_free(back, HZ_API_FREE);
}

// Large for its alignment alone: it stays where half of it is used, and is given back by its size.
TEST(Route, ReallocOfASmallBlockOfGreatAlignment) {
  for (size_t bytes : {64307u, 32768u, 32767u, 100u, 65537u, 100000u, 131072u, 200000u}) {
    void *p = hz3_alloc_aligned(262144, 65536, HZ_API_ALIGNED_ALLOC);
    ASSERT_NE(p, nullptr);
    memset(p, 7, 65536);
    char *q = static_cast<char *>(hz3_realloc(p, bytes, HZ_API_REALLOC));
    ASSERT_NE(q, nullptr);
    EXPECT_GE(hz3_usable(q, HZ_API_USABLE_SIZE), bytes);
    EXPECT_EQ(q[std::min(bytes, size_t{65536}) - 1], 7);
    hz3_free_sized(q, 0, bytes, HZ_API_FREE_SIZED);
  }
}

TEST(Route, AlignedBlocksHaveTheClassOfTheirAlignment) {
  for (size_t align = 32; align <= 4096; align *= 2)
    for (size_t bytes = 1; bytes <= HZ_CLASS_MAX_BYTES; bytes += 1021) {
      void *p = hz3_alloc_aligned(align, bytes, HZ_API_ALIGNED_ALLOC);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u) << align << " " << bytes;
      ASSERT_GE(hz3_usable(p, HZ_API_USABLE_SIZE), bytes);
      hz3_free_sized(p, align, bytes, HZ_API_FREE_ALIGNED_SIZED);
    }
}

TEST(Route, RefusedSizesAreEnomem) {
  for (size_t bytes : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 65535}) {
    errno = 0;
    EXPECT_EQ(hz3_alloc(bytes, HZ_API_MALLOC), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(hz3_alloc_aligned(4096, bytes, HZ_API_MEMALIGN), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  void *p = hz3_alloc(100, HZ_API_MALLOC);
  errno = 0;
  EXPECT_EQ(hz3_realloc(p, SIZE_MAX, HZ_API_REALLOC), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  hz3_free(p, HZ_API_FREE);
}

TEST(Route, FreeKeepsErrno) {
  errno = 77;
  void *p = hz3_alloc(5 << 20, HZ_API_MALLOC);
  hz3_free(p, HZ_API_FREE);
  hz3_free(nullptr, HZ_API_FREE);
  EXPECT_EQ(errno, 77);
}

TEST(Route, ZeroedBlocksAreZeroAgainAndAgain) {
  for (size_t bytes : {100, 5000, 60000, 130000, 300000})
    for (int turn = 0; turn < 5; turn++) {
      unsigned char *p[8];
      for (unsigned char *&block : p) {
        block = static_cast<unsigned char *>(hz3_alloc_zeroed(bytes, HZ_API_CALLOC));
        for (size_t at = 0; at < bytes; at++)
          ASSERT_EQ(block[at], 0) << bytes;
        memset(block, 0xee, bytes);
      }
      for (unsigned char *block : p)
        hz3_free(block, HZ_API_FREE);
    }
}

TEST(Route, SizedDeleteTakesTheSizeThatWasAskedFor) {
  for (size_t bytes : {0, 1, 100, 5000, 131072, 131073, 1 << 22})
    hz3_free_sized(hz3_alloc(bytes, HZ_API_NEW), 0, bytes, HZ_API_DELETE);
  hz3_free_sized(hz3_alloc_aligned(4096, 100, HZ_API_NEW), 4096, 100, HZ_API_DELETE);
  hz3_free_sized(nullptr, 0, 100, HZ_API_DELETE);
  // C's: after realloc in place the block may be given back by its new size.
  hz3_free_sized(hz3_realloc(hz3_alloc(1000, HZ_API_MALLOC), 600, HZ_API_REALLOC), 0, 600,
                 HZ_API_FREE_SIZED);
}

using RouteDeathTest = testing::Test;

TEST(RouteDeathTest, WrongPointersAreNamed) {
  char *p = static_cast<char *>(hz3_alloc(1000, HZ_API_MALLOC));
  char on_stack[64];
  EXPECT_DEATH(hz3_free_slow(on_stack + 16, HZ_API_FREE), "^hz3: foreign pointer: 0x");
  EXPECT_DEATH(hz3_free_slow(p + 16, HZ_API_FREE), "^hz3: invalid free: 0x");
  EXPECT_DEATH(hz3_usable(p + 1, HZ_API_USABLE_SIZE), "^hz3: invalid free: .* malloc_usable_size");
  hz3_free(p, HZ_API_FREE);
  if (!HZ_FAST) {
    EXPECT_DEATH(
        {
          p = static_cast<char *>(hz3_alloc(1000, HZ_API_MALLOC));
          hz3_free(p, HZ_API_FREE);
          hz3_free(p, HZ_API_FREE);
        },
        "^hz3: double free: 0x[0-9a-f]+ passed to free");
    p = static_cast<char *>(hz3_alloc(1000, HZ_API_NEW));
    EXPECT_DEATH(hz3_free_sized(p, 0, 2000, HZ_API_DELETE), "^hz3: size mismatch: 0x");
    EXPECT_DEATH(hz3_free_sized(p, 0, 500, HZ_API_DELETE), "^hz3: size mismatch: 0x");
    hz3_free(p, HZ_API_FREE);
    std::thread([&] { p = static_cast<char *>(hz3_alloc(40, HZ_API_NEW)); }).join();
    EXPECT_DEATH(hz3_free_sized(p, 0, 24, HZ_API_DELETE), "^hz3: size mismatch: 0x");
    hz3_free_sized(p, 0, 40, HZ_API_DELETE); // of another set
  }
}

TEST(RouteDeathTest, ADoubleFreeIsNamedWhenTheBatchLeaves) {
  EXPECT_DEATH(
      {
        void *blocks[4000];
        for (void *&p : blocks)
          p = hz3_alloc(200, HZ_API_MALLOC);
        hz3_free(blocks[0], HZ_API_FREE);
        hz3_free(blocks[1], HZ_API_FREE);
        hz3_free(blocks[0], HZ_API_FREE);
        for (int i = 2; i < 4000; i++)
          hz3_free(blocks[i], HZ_API_FREE);
      },
      "^hz3: double free: 0x[0-9a-f]+ passed to free \\(208-byte block\\)");
}

} // namespace
