#include "common/sizeclass/sizeclass.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace {

// What the n-th block size for requests would be without stagger.
size_t plain_bytes(unsigned n) {
  if (n <= 8)
    return 16u * n;
  const size_t low = size_t{128} << (n - 9) / 8;
  return low + ((n - 9) % 8 + 1) * low / 8;
}
const unsigned kRequestSizes = HZ_CLASS_SIZES - (HZ_CLASS_LAST - HZ_CLASS_REQUEST_LAST);

// The bytes of each block size, and that all classes of a size agree.
std::vector<size_t> block_sizes() {
  std::vector<size_t> sizes(HZ_CLASS_SIZES + 1);
  for (unsigned cls = 1; cls <= HZ_CLASS_LAST; cls++) {
    const unsigned n = hz_class_size_number(cls);
    EXPECT_GE(n, 1u) << cls;
    EXPECT_LE(n, HZ_CLASS_SIZES) << cls;
    if (n < 1 || n > HZ_CLASS_SIZES)
      continue;
    EXPECT_TRUE(sizes[n] == 0 || sizes[n] == hz_class_bytes(cls)) << cls;
    sizes[n] = hz_class_bytes(cls);
  }
  return sizes;
}
bool is_staggered(size_t plain) {
  return plain < 65536 && plain % 4096 == 0;
}

TEST(SizeClass, BlockSizesRiseInMultiplesOfSixteen) {
  EXPECT_EQ(hz_class_bytes(HZ_CLASS_NONE), 0u);
  EXPECT_EQ(hz_class_bytes(HZ_CLASS_FIRST), (size_t)HZ_MIN_ALIGN_BYTES);
  EXPECT_EQ(hz_class_bytes(HZ_CLASS_REQUEST_LAST), HZ_CLASS_MAX_BYTES);
  const std::vector<size_t> sizes = block_sizes();
  for (unsigned n = 1; n <= HZ_CLASS_SIZES; n++) {
    EXPECT_EQ(sizes[n] % 16, 0u);
    if (n != kRequestSizes + 1) {
      EXPECT_GT(sizes[n], sizes[n - 1]);
    }
  }
}

TEST(SizeClass, EightPerDoublingAbove128) {
  const std::vector<size_t> sizes = block_sizes();
  for (unsigned n = 1; n <= kRequestSizes; n++) {
    const size_t plain = plain_bytes(n);
    EXPECT_EQ(sizes[n], plain + (is_staggered(plain) ? HZ_CLASS_STAGGER_BYTES : 0));
  }
}

TEST(SizeClass, WhatIsStaggeredHasAnAlignedTwin) {
  unsigned cls = HZ_CLASS_REQUEST_LAST + 1;
  for (unsigned n = 1; n <= kRequestSizes; n++) {
    if (is_staggered(plain_bytes(n))) {
      EXPECT_EQ(hz_class_bytes(cls++), plain_bytes(n));
    }
  }
  EXPECT_EQ(cls, HZ_CLASS_COUNT);
}

// A cache of 64 sets of 64 bytes: what lies a multiple of 4 KiB apart begins in one set.
TEST(SizeClass, NeighboursBeginInOtherSetsOfTheCache) {
  for (unsigned cls = 1; hz_class_bytes(cls) < 65536; cls++) {
    if (hz_class_bytes(cls) >= 4096) {
      EXPECT_NE(hz_class_bytes(cls) % 4096, 0u) << cls;
    }
  }
}

TEST(SizeClass, EveryRequestGetsTheSmallestClassThatHoldsIt) {
  const std::vector<size_t> sizes = block_sizes();
  for (unsigned set = 0; set < HZ_CLASS_SETS; set++) {
    EXPECT_EQ(hz_class_by(hz_class_tables[set], 0), hz_class_by(hz_class_tables[set], 1));
    for (size_t bytes = 1; bytes <= HZ_CLASS_MAX_BYTES; bytes++) {
      unsigned cls = hz_class_by(hz_class_tables[set], bytes);
      ASSERT_GE(cls, HZ_CLASS_FIRST);
      ASSERT_LE(cls, HZ_CLASS_REQUEST_LAST);
      ASSERT_GE(hz_class_bytes(cls), bytes);
      ASSERT_LT(sizes[hz_class_size_number(cls) - 1], bytes);
    }
  }
}

// What is shorter than a line has a class of its own in each set, and nothing else has.
TEST(SizeClass, WhatSharesALineHasSets) {
  for (size_t bytes = 1; bytes <= HZ_CLASS_MAX_BYTES; bytes++) {
    std::set<unsigned> classes;
    for (unsigned set = 0; set < HZ_CLASS_SETS; set++) {
      const unsigned cls = hz_class_by(hz_class_tables[set], bytes);
      ASSERT_EQ(cls, hz_class_in_set(hz_class_of(bytes), set)) << bytes;
      ASSERT_EQ(hz_class_has_sets(cls), hz_class_bytes(cls) < HZ_LINE_BYTES) << bytes;
      classes.insert(cls);
    }
    ASSERT_EQ(classes.size(), bytes <= 48 ? HZ_CLASS_SETS : 1u) << bytes;
  }
}

TEST(SizeClass, OnlyClassesOfOneSizeAreTheSame) {
  EXPECT_FALSE(hz_class_has_sets(HZ_CLASS_NONE));
  for (unsigned a = 0; a < 256; a++) // tags that are no classes too
    for (unsigned b = 0; b < 256; b++) {
      const bool classes = a >= 1 && b >= 1 && a <= HZ_CLASS_LAST && b <= HZ_CLASS_LAST;
      const bool same = classes && hz_class_size_number(a) == hz_class_size_number(b);
      ASSERT_EQ(hz_class_same_size(a, b), a == b || same) << a << " " << b;
    }
}

TEST(SizeClass, WasteIsBounded) {
  for (size_t bytes = 129; bytes <= HZ_CLASS_MAX_BYTES; bytes++) {
    size_t block = hz_class_bytes(hz_class_of(bytes));
    ASSERT_LE((block - bytes) * 9, block + 9 * HZ_CLASS_STAGGER_BYTES) << bytes;
  }
  for (size_t bytes = 1; bytes <= 128; bytes++)
    ASSERT_LT(hz_class_bytes(hz_class_of(bytes)) - bytes, 16u);
}

TEST(SizeClass, SpansAreTheSmallestWithAShortTail) {
  EXPECT_EQ(hz_class_layout_table[0].span_granules, 0);
  EXPECT_EQ(hz_class_layout_table[0].span_blocks, 0);
  for (unsigned cls = 1; cls <= HZ_CLASS_LAST; cls++) {
    size_t block = hz_class_bytes(cls);
    size_t granules = 1;
    while (granules * 65536 < block || granules * 65536 % block * 8 > granules * 65536)
      granules++;
    const hz_class_layout &layout = hz_class_layout_table[cls];
    EXPECT_EQ(layout.span_granules, granules) << block;
    EXPECT_EQ(layout.span_blocks, granules * 65536 / block) << block;
    EXPECT_GE(layout.span_blocks, 1);
    EXPECT_LE(layout.span_granules, 7);
  }
}

TEST(SizeClass, AlignedRequestsGetTheSmallestClassOfThatAlignment) {
  for (size_t align = 1; align <= 65536; align *= 2) {
    for (size_t bytes = 0; bytes <= HZ_CLASS_MAX_BYTES; bytes += bytes < 4096 ? 1 : 509) {
      unsigned expected = HZ_CLASS_NONE;
      for (unsigned cls = 1; cls <= HZ_CLASS_LAST; cls++)
        if (hz_class_bytes(cls) >= bytes && hz_class_bytes(cls) % align == 0 &&
            (expected == HZ_CLASS_NONE || hz_class_bytes(cls) < hz_class_bytes(expected)))
          expected = cls;
      ASSERT_EQ(hz_class_of_aligned(bytes, align), expected) << bytes << " aligned to " << align;
    }
  }
}

TEST(SizeClass, AlignmentBeyondAGranuleIsNotACachedBlocks) {
  EXPECT_EQ(hz_class_of_aligned(1, 65536), hz_class_of(65536));
  EXPECT_EQ(hz_class_bytes(hz_class_of_aligned(8192, 4096)), 8192u);
  EXPECT_EQ(hz_class_of_aligned(8192, 64), hz_class_of_aligned(8192, 4096));
  EXPECT_EQ(hz_class_of_aligned(65537, 65536), hz_class_of(131072));
  EXPECT_EQ(hz_class_of_aligned(1, 131072), HZ_CLASS_NONE);
  EXPECT_EQ(hz_class_of_aligned(1, (size_t)1 << 63), HZ_CLASS_NONE);
  EXPECT_EQ(hz_class_of_aligned(HZ_CLASS_MAX_BYTES + 1, 16), HZ_CLASS_NONE);
  EXPECT_EQ(hz_class_of_aligned(SIZE_MAX, 16), HZ_CLASS_NONE);
}

} // namespace
