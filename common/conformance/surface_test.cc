// The C surface, function by function, with its edge cases. Owns one block or one small set of
// blocks at a time; threads, fork and loading are other files' business.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace conformance {
namespace {

constexpr int kSentinel = 7777; // no errno has this value
constexpr size_t kMiB = 1024 * 1024;

// Sizes that no allocator can serve; each must end in NULL and ENOMEM.
const size_t kImpossible[] = {
    static_cast<size_t>(PTRDIFF_MAX),
    static_cast<size_t>(PTRDIFF_MAX) - 1,
    static_cast<size_t>(PTRDIFF_MAX) - 4096,
    static_cast<size_t>(PTRDIFF_MAX) + 1,
    static_cast<size_t>(PTRDIFF_MAX) + 2,
    static_cast<size_t>(1) << 62,
    static_cast<size_t>(1) << 56,
    static_cast<size_t>(1) << 48,
    SIZE_MAX / 2 + 4096,
    SIZE_MAX - 2 * kMiB,
    SIZE_MAX - 65536,
    SIZE_MAX - 65535,
    SIZE_MAX - 8191,
    SIZE_MAX - 4096,
    SIZE_MAX - 4095,
    SIZE_MAX - 64,
    SIZE_MAX - 32,
    SIZE_MAX - 31,
    SIZE_MAX - 16,
    SIZE_MAX - 15,
    SIZE_MAX - 8,
    SIZE_MAX - 1,
    SIZE_MAX,
};

// Expects a good block: aligned, really as large as it says, and errno as it was.
void expect_block(void *block, size_t size, size_t alignment) {
  ASSERT_NE(block, nullptr) << size;
  EXPECT_TRUE(is_aligned(block, alignment)) << block << " of " << size << " for " << alignment;
  EXPECT_GE(api::malloc_usable_size(block), size);
}

void expect_no_memory(void *block, const char *what, size_t size) {
  EXPECT_EQ(block, nullptr) << what << " of " << size;
  EXPECT_EQ(errno, ENOMEM) << what << " of " << size;
  if (block != nullptr)
    api::free(block);
}

// ---- who answers ----

TEST(Subject, IsTheAllocatorUnderTest) {
  Dl_info where = {};
  void *const found = dlsym(RTLD_DEFAULT, "malloc");
  ASSERT_NE(dladdr(found, &where), 0);
  const std::string file = realpath(where.dli_fname, nullptr);
  const Subject &s = subject();
  if (!s.preload.empty()) {
    EXPECT_EQ(file, s.preload);
  } else if (s.linked) {
    EXPECT_EQ(file, s.self);
  } else {
    EXPECT_NE(file.find("libc.so"), std::string::npos) << file;
  }
}

TEST(Subject, AnswersForEveryNameOfTheSurface) {
  if (!subject_is_ours())
    GTEST_SKIP() << "SKIPPED: " << subject().generation << " need not answer for all of it";
  Dl_info of_malloc = {};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &of_malloc), 0);
  for (const char *name : {"free",
                           "calloc",
                           "realloc",
                           "reallocarray",
                           "posix_memalign",
                           "aligned_alloc",
                           "memalign",
                           "valloc",
                           "pvalloc",
                           "malloc_usable_size",
                           "malloc_trim",
                           "mallinfo2",
                           "malloc_stats",
                           "malloc_info",
                           "mallopt",
                           "_Znwm",
                           "_Znam",
                           "_ZdlPv",
                           "_ZdaPv",
                           "_ZnwmRKSt9nothrow_t",
                           "_ZnamRKSt9nothrow_t",
                           "_ZnwmSt11align_val_t",
                           "_ZnamSt11align_val_t",
                           "_ZnwmSt11align_val_tRKSt9nothrow_t",
                           "_ZnamSt11align_val_tRKSt9nothrow_t",
                           "_ZdlPvm",
                           "_ZdaPvm",
                           "_ZdlPvRKSt9nothrow_t",
                           "_ZdaPvRKSt9nothrow_t",
                           "_ZdlPvSt11align_val_t",
                           "_ZdaPvSt11align_val_t",
                           "_ZdlPvmSt11align_val_t",
                           "_ZdaPvmSt11align_val_t",
                           "_ZdlPvSt11align_val_tRKSt9nothrow_t",
                           "_ZdaPvSt11align_val_tRKSt9nothrow_t"}) {
    void *const found = dlsym(RTLD_DEFAULT, name);
    ASSERT_NE(found, nullptr) << name;
    Dl_info info = {};
    ASSERT_NE(dladdr(found, &info), 0);
    EXPECT_EQ(info.dli_fbase, of_malloc.dli_fbase) << name << " is answered by " << info.dli_fname;
  }
}

// ---- malloc and free ----

TEST(Malloc, ZeroGivesBlocksOfTheirOwn) {
  void *const a = api::malloc(0);
  void *const b = api::malloc(0);
  ASSERT_NE(a, nullptr);
  ASSERT_NE(b, nullptr);
  EXPECT_NE(a, b);
  EXPECT_TRUE(is_aligned(a, 16));
  api::free(a);
  api::free(b);
}

TEST(Malloc, EverySizeIsAlignedUsableAndKeepsErrno) {
  for (size_t size : interesting_sizes(64 * kMiB)) {
    errno = kSentinel;
    void *const block = api::malloc(size);
    EXPECT_EQ(errno, kSentinel) << size;
    expect_block(block, size, 16);
    if (HasFatalFailure())
      return;
    if (size <= kMiB)
      pattern_fill(block, size, size);
    else
      edges_fill(block, size, size);
    errno = kSentinel;
    api::free(block);
    EXPECT_EQ(errno, kSentinel) << "free of " << size;
  }
}

TEST(Malloc, LiveBlocksOfEverySizeNeverShareAByte) {
  struct Live {
    void *block;
    size_t size;
  };
  std::vector<Live> live;
  for (int copy = 0; copy < 3; ++copy) {
    for (size_t size : interesting_sizes(kMiB)) {
      void *const block = api::malloc(size);
      ASSERT_NE(block, nullptr);
      const size_t usable = api::malloc_usable_size(block);
      ASSERT_GE(usable, size);
      pattern_fill(block, usable, live.size()); // usable means usable: all of it is written
      live.push_back({block, usable});
    }
  }
  for (size_t i = 0; i < live.size(); ++i) {
    EXPECT_EQ(api::malloc_usable_size(live[i].block), live[i].size);
    EXPECT_EQ(pattern_mismatch(live[i].block, live[i].size, i), live[i].size) << i;
  }
  for (const Live &l : live)
    api::free(l.block);
}

TEST(Malloc, ImpossibleSizesEndInEnomem) {
  for (size_t size : kImpossible) {
    errno = kSentinel;
    void *const block = api::malloc(size);
    expect_no_memory(block, "malloc", size);
  }
  void *const after = api::malloc(100); // and service goes on
  expect_block(after, 100, 16);
  api::free(after);
}

TEST(Malloc, ManyImpossibleSizesLeakNothing) {
  const size_t before = mapped_bytes();
  for (int i = 0; i < 20000; ++i)
    ASSERT_EQ(api::malloc(static_cast<size_t>(PTRDIFF_MAX) - static_cast<size_t>(i) * 4096),
              nullptr);
  EXPECT_LT(mapped_bytes(), before + 64 * kMiB);
}

TEST(Free, NullIsNothing) {
  errno = kSentinel;
  for (int i = 0; i < 1000; ++i)
    api::free(nullptr);
  EXPECT_EQ(errno, kSentinel);
}

TEST(Free, GivesMemoryBackForUseAgain) {
  for (size_t size : {24u, 1000u, 5000u, 40000u, 300000u, 5000000u}) {
    const size_t total = 512 * kMiB; // far more than could stay resident by accident
    for (size_t i = 0; i < total / size && i < 200000; ++i) {
      void *const block = api::malloc(size);
      ASSERT_NE(block, nullptr);
      edges_fill(block, size, i);
      api::free(block);
    }
    EXPECT_LT(rss_bytes(), 256 * kMiB) << size;
  }
}

// ---- calloc ----

TEST(Calloc, EverySizeIsZeroAlsoOnReuse) {
  for (int round = 0; round < 2; ++round) {
    for (size_t size : interesting_sizes(8 * kMiB)) {
      if (size > kMiB && size % 4096 != 0)
        continue;
      void *dirty[3];
      for (void *&block : dirty) {
        block = api::malloc(size);
        ASSERT_NE(block, nullptr);
        std::memset(block, 0xff, api::malloc_usable_size(block));
      }
      for (void *block : dirty)
        api::free(block);
      errno = kSentinel;
      for (void *&block : dirty) {
        block = api::calloc(1, size);
        ASSERT_NE(block, nullptr);
        ASSERT_EQ(first_nonzero(block, size), size) << size;
        EXPECT_TRUE(is_aligned(block, 16));
      }
      EXPECT_EQ(errno, kSentinel);
      for (void *block : dirty)
        api::free(block);
    }
  }
}

TEST(Calloc, OverflowingCountsEndInEnomem) {
  const struct {
    size_t count, size;
  } cases[] = {
      {SIZE_MAX, 2},
      {2, SIZE_MAX},
      {SIZE_MAX / 2 + 1, 2},
      {2, SIZE_MAX / 2 + 1},
      {SIZE_MAX / 2, 3},
      {static_cast<size_t>(1) << 32, static_cast<size_t>(1) << 32},
      {(static_cast<size_t>(1) << 32) + 1, static_cast<size_t>(1) << 32},
      {static_cast<size_t>(1) << 63, 16},
      {SIZE_MAX / 16 + 2, 16}, // the product wraps to 16
      {SIZE_MAX, SIZE_MAX},    // the product wraps to 1
      {SIZE_MAX, 1},
      {1, SIZE_MAX},
      {1, static_cast<size_t>(PTRDIFF_MAX) + 1},
      {static_cast<size_t>(PTRDIFF_MAX), 1},
  };
  for (const auto &c : cases) {
    errno = kSentinel;
    expect_no_memory(api::calloc(c.count, c.size), "calloc", c.count);
  }
}

TEST(Calloc, ZeroCountsGiveABlock) {
  for (size_t n : {static_cast<size_t>(0), static_cast<size_t>(1), SIZE_MAX}) {
    void *const a = api::calloc(0, n);
    void *const b = api::calloc(n, 0);
    EXPECT_NE(a, nullptr);
    EXPECT_NE(b, nullptr);
    EXPECT_NE(a, b);
    api::free(a);
    api::free(b);
  }
}

// ---- usable size ----

TEST(UsableSize, OfNullIsZero) {
  EXPECT_EQ(api::malloc_usable_size(nullptr), 0u);
}

TEST(UsableSize, MayBeAskedAsRealloc) {
  for (size_t size : interesting_sizes(kMiB)) {
    void *block = api::malloc(size);
    ASSERT_NE(block, nullptr);
    const size_t usable = api::malloc_usable_size(block);
    pattern_fill(block, usable, size);
    block = api::realloc(block, usable > 0 ? usable : 1);
    ASSERT_NE(block, nullptr);
    ASSERT_EQ(pattern_mismatch(block, usable, size), usable) << size;
    api::free(block);
  }
}

// ---- aligned blocks ----

constexpr size_t kLargestAlignment = 64 * kMiB;

std::vector<size_t> sizes_around(size_t alignment) {
  std::vector<size_t> sizes = {0, 1, 8, 100, alignment - 1, alignment, alignment + 1};
  if (alignment <= kMiB) {
    sizes.push_back(3 * alignment + 5);
    sizes.push_back(70000);
    sizes.push_back(2 * kMiB + 3);
  }
  return sizes;
}

template <typename Allocate> void try_alignments(size_t smallest, Allocate allocate) {
  for (size_t alignment = smallest; alignment <= kLargestAlignment; alignment *= 2) {
    void *live[4];
    for (size_t size : sizes_around(alignment)) {
      for (size_t i = 0; i < 4; ++i) {
        errno = kSentinel;
        live[i] = allocate(alignment, size);
        if (subject_is_ours()) { // the C library leaves ENOMEM behind when one of its arenas was
                                 // full
          EXPECT_EQ(errno, kSentinel) << alignment << " " << size;
        }
        expect_block(live[i], size, alignment < 16 ? 16 : alignment);
        if (testing::Test::HasFatalFailure())
          return;
        edges_fill(live[i], size, i);
        if (size > 0)
          static_cast<char *>(live[i])[0] = static_cast<char>(i);
      }
      for (size_t i = 0; i < 4; ++i) {
        if (size > 1) {
          EXPECT_EQ(static_cast<char *>(live[i])[0], static_cast<char>(i));
        }
        errno = kSentinel;
        api::free(live[i]);
        EXPECT_EQ(errno, kSentinel);
      }
    }
  }
}

TEST(PosixMemalign, EveryPowerOfTwo) {
  try_alignments(sizeof(void *), [](size_t alignment, size_t size) {
    void *block = nullptr;
    EXPECT_EQ(api::posix_memalign(&block, alignment, size), 0);
    return block;
  });
}

TEST(AlignedAlloc, EveryPowerOfTwo) {
  try_alignments(1,
                 [](size_t alignment, size_t size) { return api::aligned_alloc(alignment, size); });
}

TEST(Memalign, EveryPowerOfTwo) {
  try_alignments(1, [](size_t alignment, size_t size) { return api::memalign(alignment, size); });
}

TEST(PosixMemalign, RefusesOtherAlignmentsAndTouchesNothing) {
  char untouched;
  const size_t bad[] = {0,
                        1,
                        2,
                        3,
                        4,
                        5,
                        6,
                        7,
                        9,
                        12,
                        24,
                        40,
                        48,
                        100,
                        1000,
                        4095,
                        4097,
                        12288,
                        65535,
                        SIZE_MAX,
                        SIZE_MAX / 2,
                        SIZE_MAX - 7,
                        (size_t{1} << 63) + 8};
  for (size_t alignment : bad) {
    void *block = &untouched;
    errno = kSentinel;
    EXPECT_EQ(api::posix_memalign(&block, alignment, 64), EINVAL) << alignment;
    EXPECT_EQ(block, &untouched) << alignment;
    EXPECT_EQ(errno, kSentinel) << alignment;
  }
}

TEST(PosixMemalign, ImpossibleSizesReturnEnomemAndTouchNothing) {
  char untouched;
  for (size_t alignment :
       {size_t{8}, size_t{16}, size_t{64}, size_t{4096}, kMiB, kLargestAlignment}) {
    for (size_t size : kImpossible) {
      void *block = &untouched;
      EXPECT_EQ(api::posix_memalign(&block, alignment, size), ENOMEM) << alignment << " " << size;
      EXPECT_EQ(block, &untouched);
    }
  }
  for (int bit = 48; bit < 64; ++bit) { // a valid alignment that the address space cannot give
    void *block = &untouched;
    const int result = api::posix_memalign(&block, size_t{1} << bit, 64);
    EXPECT_TRUE(result == ENOMEM || result == EINVAL) << bit << " gives " << result;
    EXPECT_EQ(block, &untouched);
  }
}

// The C library rounds such an alignment up, others refuse it with EINVAL. Either way nothing
// breaks.
void refused_or_rounded(void *block, size_t alignment) {
  if (block == nullptr) {
    EXPECT_EQ(errno, EINVAL) << alignment;
    return;
  }
  size_t rounded = 16;
  while (rounded < alignment)
    rounded *= 2;
  EXPECT_TRUE(is_aligned(block, rounded)) << alignment;
  api::free(block);
}

TEST(AlignedAlloc, AlignmentThatIsNoPowerOfTwo) {
  for (size_t alignment :
       {size_t{0}, size_t{3}, size_t{24}, size_t{100}, size_t{4097}, size_t{12288}}) {
    errno = 0;
    refused_or_rounded(api::aligned_alloc(alignment, 96), alignment);
    errno = 0;
    refused_or_rounded(api::memalign(alignment, 96), alignment);
  }
}

TEST(AlignedAlloc, ImpossibleSizesEndInEnomem) {
  for (size_t alignment :
       {size_t{1}, size_t{16}, size_t{64}, size_t{4096}, kMiB, kLargestAlignment}) {
    for (size_t size : kImpossible) {
      errno = kSentinel;
      expect_no_memory(api::aligned_alloc(alignment, size), "aligned_alloc", size);
      errno = kSentinel;
      expect_no_memory(api::memalign(alignment, size), "memalign", size);
    }
  }
}

TEST(AlignedAlloc, BlocksGoThroughReallocAndFree) {
  for (size_t alignment = 16; alignment <= 4 * kMiB; alignment *= 4) {
    for (size_t size : {size_t{1}, size_t{200}, size_t{5000}, size_t{200000}}) {
      void *block = api::aligned_alloc(alignment, size);
      ASSERT_NE(block, nullptr);
      pattern_fill(block, size, alignment);
      for (size_t next : {size * 2 + 16, size * 9 + 100, size / 2 + 1, size}) {
        void *const moved = api::realloc(block, next);
        ASSERT_NE(moved, nullptr);
        const size_t kept = next < size ? next : size;
        ASSERT_EQ(pattern_mismatch(moved, kept, alignment), kept) << alignment << " " << next;
        block = moved;
        pattern_fill(block, size < next ? size : next, alignment);
        if (next < size)
          size = next;
      }
      api::free(block);
    }
  }
}

TEST(Valloc, IsPageAligned) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{100}, page_bytes() - 1, page_bytes(),
                      page_bytes() + 1, size_t{100000}, 3 * kMiB}) {
    errno = kSentinel;
    void *const block = api::valloc(size);
    EXPECT_EQ(errno, kSentinel);
    expect_block(block, size, page_bytes());
    api::free(block);
  }
  for (size_t size : kImpossible) {
    errno = kSentinel;
    expect_no_memory(api::valloc(size), "valloc", size);
  }
}

TEST(Pvalloc, IsPageAlignedAndWholePages) {
  for (size_t size : {size_t{0}, size_t{1}, page_bytes() - 1, page_bytes(), page_bytes() + 1,
                      size_t{100000}, 3 * kMiB + 1}) {
    const size_t whole = (size + page_bytes() - 1) / page_bytes() * page_bytes();
    errno = kSentinel;
    void *const block = api::pvalloc(size);
    EXPECT_EQ(errno, kSentinel);
    expect_block(block, whole, page_bytes());
    pattern_fill(block, whole, size);
    EXPECT_EQ(pattern_mismatch(block, whole, size), whole);
    api::free(block);
  }
  for (size_t size : kImpossible) {
    errno = kSentinel;
    expect_no_memory(api::pvalloc(size), "pvalloc", size);
  }
}

// ---- sized free ----

#define REQUIRE_OR_SKIP(function)                                                                  \
  if (api::function == nullptr) {                                                                  \
    if (subject_is_ours())                                                                         \
      FAIL() << #function " is missing";                                                           \
    GTEST_SKIP() << "SKIPPED: " << subject().generation << " has no " #function;                   \
  }

TEST(FreeSized, TakesTheSizeAskedFor) {
  REQUIRE_OR_SKIP(free_sized)
  for (size_t size : interesting_sizes(16 * kMiB)) {
    void *const blocks[] = {api::malloc(size), api::calloc(1, size), api::realloc(nullptr, size)};
    errno = kSentinel;
    for (void *block : blocks) {
      ASSERT_NE(block, nullptr);
      api::free_sized(block, size);
    }
    EXPECT_EQ(errno, kSentinel);
  }
  api::free_sized(nullptr, 0);
  api::free_sized(nullptr, 100);
}

TEST(FreeSized, TakesTheSizeOfTheLastRealloc) {
  REQUIRE_OR_SKIP(free_sized)
  Random random(11);
  for (int i = 0; i < 3000; ++i) {
    const size_t first = random.log_uniform(1, 4 * kMiB);
    const size_t last = random.log_uniform(1, 4 * kMiB);
    void *block = api::malloc(first);
    ASSERT_NE(block, nullptr);
    block = api::realloc(block, last);
    ASSERT_NE(block, nullptr);
    api::free_sized(block, last);
  }
}

TEST(FreeAlignedSized, TakesAlignmentAndSizeAskedFor) {
  REQUIRE_OR_SKIP(free_aligned_sized)
  for (size_t alignment = 1; alignment <= kLargestAlignment; alignment *= 2) {
    for (size_t size : sizes_around(alignment)) {
      void *const block = api::aligned_alloc(alignment, size);
      ASSERT_NE(block, nullptr);
      errno = kSentinel;
      api::free_aligned_sized(block, alignment, size);
      EXPECT_EQ(errno, kSentinel);
    }
  }
  api::free_aligned_sized(nullptr, 64, 100);
}

// ---- the functions that report and tune ----

TEST(MallocTrim, ReturnsZeroOrOneAndHarmsNothing) {
  void *live[100];
  for (size_t i = 0; i < 100; ++i) {
    live[i] = api::malloc(i * 700);
    pattern_fill(live[i], i * 700, i);
  }
  for (size_t i = 0; i < 100; i += 2)
    api::free(live[i]);
  for (size_t pad : {size_t{0}, size_t{1}, size_t{4096}, 64 * kMiB, SIZE_MAX}) {
    const int result = api::malloc_trim(pad);
    EXPECT_TRUE(result == 0 || result == 1) << result;
  }
  for (size_t i = 1; i < 100; i += 2) {
    EXPECT_EQ(pattern_mismatch(live[i], i * 700, i), i * 700);
    api::free(live[i]);
  }
}

TEST(MallocTrim, GivesFreedMemoryBack) {
  constexpr size_t kBlocks = 30000;
  std::vector<void *> blocks(kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = api::malloc(4000);
    pattern_fill(blocks[i], 4000, i);
  }
  const size_t full = rss_bytes();
  for (void *block : blocks)
    api::free(block);
  api::malloc_trim(0);
  // 114 MiB were freed; the C library may keep what fragments of earlier tests pin down.
  const size_t returned = subject_is_ours() ? 80 * kMiB : 0;
  EXPECT_LE(rss_bytes() + returned, full);
}

TEST(Mallinfo2, CountsWhatIsLive) {
  const struct mallinfo2 before = api::mallinfo2();
  std::vector<void *> blocks;
  for (int i = 0; i < 16; ++i)
    blocks.push_back(api::malloc(4 * kMiB));
  for (int i = 0; i < 16000; ++i)
    blocks.push_back(api::malloc(1000));
  const struct mallinfo2 during = api::mallinfo2();
  const size_t live = 16 * 4 * kMiB + 16000 * 1000;
  EXPECT_GE(during.uordblks + during.hblkhd, before.uordblks + before.hblkhd + live * 9 / 10);
  for (void *block : blocks)
    api::free(block);
  const struct mallinfo2 after = api::mallinfo2();
  EXPECT_LT(after.uordblks + after.hblkhd, during.uordblks + during.hblkhd - live / 2);
}

TEST(MallocInfo, WritesOneDocument) {
  char *text = nullptr;
  size_t length = 0;
  FILE *stream = open_memstream(&text, &length);
  EXPECT_EQ(api::malloc_info(0, stream), 0);
  std::fclose(stream);
  const std::string document(text, length);
  api::free(text);
  EXPECT_EQ(document.find("<malloc version="), 0u) << document.substr(0, 100);
  EXPECT_NE(document.find("</malloc>"), std::string::npos);
  size_t opened = 0, closed = 0; // every element that opens also closes
  for (size_t i = 0; i + 1 < document.size(); ++i) {
    if (document[i] != '<' || document[i + 1] == '!' || document[i + 1] == '?')
      continue;
    const size_t end = document.find('>', i);
    ASSERT_NE(end, std::string::npos);
    if (document[i + 1] == '/')
      ++closed;
    else if (document[end - 1] != '/')
      ++opened;
  }
  EXPECT_EQ(opened, closed) << document;
}

TEST(MallocInfo, RefusesOptions) {
  char *text = nullptr;
  size_t length = 0;
  FILE *stream = open_memstream(&text, &length);
  errno = 0;
  const int result = api::malloc_info(1, stream);
  std::fclose(stream);
  api::free(text);
  EXPECT_TRUE(result == EINVAL || (result == -1 && errno == EINVAL)) << result;
}

TEST(MallocStats, WritesToStandardError) {
  const ChildEnd end = run_child([](const Notes &) { api::malloc_stats(); });
  EXPECT_TRUE(end.clean()) << end.describe();
  EXPECT_FALSE(end.err.empty());
  EXPECT_TRUE(end.out.empty());
}

TEST(Mallopt, AnswersZeroOrOne) {
  const ChildEnd end = run_child([](const Notes &) {
    for (int parameter : {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX,
                          M_CHECK_ACTION, M_PERTURB, M_ARENA_TEST, M_ARENA_MAX}) {
      const int result = api::mallopt(parameter, 0);
      if (result != 0 && result != 1)
        _exit(1);
      void *const block = api::malloc(1000);
      pattern_fill(block, 1000, 1);
      api::free(block);
    }
    const int unknown = api::mallopt(12345, 1);
    if (unknown != 0 && unknown != 1)
      _exit(2);
  });
  EXPECT_TRUE(end.clean()) << end.describe();
}

} // namespace
} // namespace conformance
