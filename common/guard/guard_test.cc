// The guard from outside and from inside, on whichever generation it is linked to: each fault by
// its exact words, and programs that do no wrong pass. What other people's programs meet is in
// common/conformance; here stands what only we can look at.
#include "common/guard/guard.h"
#include "common/guard/quarantine.h"
#include "common/guard/seal.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <malloc.h>
#include <regex>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

extern "C" void free_sized(void *p, size_t bytes);

namespace {

const size_t kSizes[] = {8, 100, 4096, 60000, 256 * 1024};
const std::string kAddress = "0x[0-9a-f]+ passed to ";
const std::string kThread = ", thread [0-9]+\n$";

// The compiler must not know what these do.
void *(*volatile do_malloc)(size_t) = malloc;
void (*volatile do_free)(void *) = free;
void *(*volatile do_realloc)(void *, size_t) = realloc;
size_t (*volatile do_usable)(void *) = malloc_usable_size;
void *(*volatile do_new)(size_t) = ::operator new;
void *(*volatile do_new_array)(size_t) = ::operator new[];
void (*volatile do_delete)(void *) = ::operator delete;

char *block(size_t bytes) {
  return static_cast<char *>(do_malloc(bytes));
}

bool is_zero(const char *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (p[i] != 0)
      return false;
  return true;
}

// What a program that commits `fault` says on stderr, all of it.
std::string last_words(const std::function<void()> &fault) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    fault();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << text;
  return text;
}

TEST(Guard, TheUsableSizeIsTheSizeAskedFor) {
  for (size_t bytes = 0; bytes < 3000; bytes++) {
    char *p = block(bytes);
    ASSERT_EQ(do_usable(p), bytes);
    memset(p, 1, bytes);
    free_sized(p, bytes);
  }
  for (size_t bytes : {131067u, 131068u, 131069u, 131071u, 131072u, 131073u, 200000u, 1u << 20}) {
    char *p = block(bytes);
    ASSERT_EQ(do_usable(p), bytes);
    memset(p, 1, bytes);
    free_sized(p, bytes);
  }
}

TEST(Guard, BlocksAreAlignedAndTheirs) {
  for (size_t align = 1; align <= 1 << 20; align *= 2)
    for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{5000}, size_t{300000}}) {
      void *p = memalign(align, bytes);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u) << align << " " << bytes;
      memset(p, 1, bytes);
      ASSERT_EQ(do_usable(p), bytes);
      do_free(p);
    }
}

TEST(Guard, NewBlocksReadAsZero) {
  for (size_t bytes : kSizes)
    for (int i = 0; i < 200; i++) {
      char *p = block(bytes);
      ASSERT_TRUE(is_zero(p, bytes)) << bytes;
      memset(p, 's', bytes);
      do_free(p);
    }
}

TEST(Guard, ReallocKeepsContentAndShowsNothingOld) {
  char *p = block(10);
  memset(p, 'a', 10);
  size_t old = 10;
  for (size_t bytes :
       {20u, 15u, 21u, 500u, 480u, 100000u, 300000u, 700000u, 5000000u, 200000u, 64u}) {
    p = static_cast<char *>(do_realloc(p, bytes));
    ASSERT_EQ(do_usable(p), bytes);
    EXPECT_EQ(p[9], 'a');
    if (bytes > old) {
      EXPECT_TRUE(is_zero(p + old, std::min<size_t>(bytes - old, 300))) << old << " to " << bytes;
    }
    memset(p, 'a', bytes);
    old = bytes;
  }
  do_free(p);
}

TEST(Guard, FreedMemoryReadsAsZero) {
  for (size_t bytes : {size_t{8}, size_t{1000}, size_t{100000}}) {
    char *p = block(bytes);
    memset(p, 's', bytes);
    do_free(p);
    const volatile char *old = p;
    for (size_t i = 0; i < bytes; i++)
      ASSERT_EQ(old[i], 0);
  }
}

TEST(Guard, WhatAShrunkLargeBlockGaveBackReadsAsZero) {
  char *p = block(8 << 20);
  memset(p, 's', 8 << 20);
  char *q = static_cast<char *>(do_realloc(p, 1 << 20));
  ASSERT_EQ(q, p);
  char *again = block(6 << 20); // perhaps the tail
  EXPECT_TRUE(is_zero(again, 6 << 20));
  do_free(again);
  do_free(q);
}

TEST(Guard, WhatAShrunkBlockKeptReadsAsZero) {
  for (int i = 0; i < 100; i++) {
    char *p = block(190000);
    ASSERT_TRUE(is_zero(p, 190000));
    memset(p, 's', 190000);
    do_free(do_realloc(p, 150000)); // in place: as many granules
  }
}

// Returns: how many blocks of this size are freed at least before one of them is handed out again.
ptrdiff_t least_delay(size_t bytes) {
  std::vector<void *> freed;
  freed.reserve(300);
  ptrdiff_t least = 300;
  malloc_trim(0); // nothing larger waits
  for (int i = 0; i < 300; i++) {
    void *p = do_malloc(bytes);
    const auto before = std::find(freed.rbegin(), freed.rend(), p);
    if (before != freed.rend())
      least = std::min(least, before - freed.rbegin());
    freed.push_back(p);
    do_free(p);
  }
  return least;
}

TEST(Guard, ReuseIsDelayed) {
  EXPECT_GE(least_delay(8), 62);
  EXPECT_GE(least_delay(100), 62);
  EXPECT_GE(least_delay(4000), 60);
  EXPECT_GE(least_delay(60000), 2);
  EXPECT_GE(least_delay(256 * 1024), 14);
}

TEST(Guard, ZeroSizesHaveAddressesOfTheirOwn) {
  std::vector<void *> seen;
  for (int i = 0; i < 9000; i++) { // more than a granule has
    seen.push_back(do_malloc(0));
    ASSERT_NE(seen.back(), nullptr);
  }
  std::vector<void *> sorted = seen;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (size_t i = 0; i < seen.size(); i++) // the search goes round and meets those that are out
    if (i % 2 == 0) {
      do_free(seen[i]);
      seen[i] = do_malloc(0);
    }
  sorted = seen;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (void *p : seen)
    do_free(p);
  void *p = do_realloc(do_malloc(0), 100);
  EXPECT_EQ(do_usable(p), 100u);
  do_free(p);
}

TEST(Guard, AThreadsQuarantineIsHandedOn) {
  for (int i = 0; i < 300; i++)
    std::thread([] {
      for (int k = 0; k < 100; k++)
        do_free(do_malloc(static_cast<size_t>(k) * 40));
    }).join();
  EXPECT_GE(least_delay(4000), 60); // were there 300 of them, each would be small
}

TEST(Guard, TrimEmptiesTheQuarantineOfLargeBlocks) {
  for (int i = 0; i < 8; i++)
    do_free(do_malloc(1 << 20));
  size_t blocks = 0;
  EXPECT_GT(hz_guard_held_bytes(&blocks), 0u);
  EXPECT_GT(blocks, 0u);
  malloc_trim(0);
  EXPECT_EQ(hz_guard_held_bytes(&blocks), 0u);
  EXPECT_EQ(blocks, 0u);
}

TEST(Guard, SizesNobodyCanServeAreRefused) {
  for (size_t bytes : {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 256, SIZE_MAX / 2, SIZE_MAX / 2 - 300}) {
    errno = 0;
    EXPECT_EQ(do_malloc(bytes), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    void *p = do_malloc(300000);
    errno = 0;
    EXPECT_EQ(do_realloc(p, bytes), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(do_usable(p), 300000u);
    do_free(p); // its canary is whole
  }
}

// ---- what is said

std::string name() {
  static const std::string words = last_words([] { do_free(&errno); });
  return "^" + words.substr(0, words.find(':'));
}

#define EXPECT_SAYS(words, ...)                                                                    \
  do {                                                                                             \
    const std::string heard = last_words([=] __VA_ARGS__);                                         \
    EXPECT_TRUE(std::regex_search(heard, std::regex(words))) << heard;                             \
  } while (0)

TEST(GuardSays, DoubleFree) {
  for (size_t bytes : kSizes)
    for (int between : {0, 5, 200})
      EXPECT_SAYS(name() + ": double free: " + kAddress + "free \\([0-9]+-byte block\\)" + kThread,
                  {
                    char *p = block(bytes);
                    do_free(p);
                    for (int i = 0; i < between; i++)
                      do_free(block(24));
                    do_free(p);
                  });
}

TEST(GuardSays, DoubleFreeOfSizeZero) {
  EXPECT_SAYS(name() + ": double free: " + kAddress + "free" + kThread, {
    void *p = do_malloc(0);
    do_free(p);
    do_free(p);
  });
}

TEST(GuardSays, OverflowWithBothSizes) {
  for (size_t bytes : kSizes)
    EXPECT_SAYS(name() + ": overflow: " + kAddress + "free \\(" + std::to_string(bytes) +
                    " bytes in a [0-9]+-byte block\\)" + kThread,
                {
                  volatile char *p = block(bytes);
                  p[bytes] = 0;
                  do_free(const_cast<char *>(p));
                });
}

// Each byte of tail and canary, alone, and each bit of the first.
TEST(GuardSays, OverflowOfEachByte) {
  for (size_t bytes : {size_t{8}, size_t{13}, size_t{40}, size_t{57}, size_t{100}})
    for (size_t at = bytes; at < (bytes + 17) / 16 * 16; at++) {
      char *p = block(bytes);
      const char was = p[at];
      EXPECT_SAYS(": overflow: ", {
        p[at] = static_cast<char>(was ^ 0x10);
        do_free(p);
      });
      do_free(p);
    }
}

TEST(GuardSays, OverflowMetByReallocAndUsableSize) {
  for (size_t bytes : kSizes) {
    EXPECT_SAYS(": overflow: " + kAddress + "realloc ", {
      volatile char *p = block(bytes);
      p[bytes] = 0;
      do_realloc(const_cast<char *>(p), bytes * 3);
    });
    EXPECT_SAYS(": overflow: " + kAddress + "malloc_usable_size ", {
      volatile char *p = block(bytes);
      p[bytes] = 0;
      do_usable(const_cast<char *>(p));
    });
  }
}

// Text that runs over is seen whatever the secret is: by its first character, and by its end.
TEST(GuardSays, OverflowByText) {
  for (size_t bytes : kSizes)
    for (int character = 0; character < 128; character += 1 + character % 3)
      EXPECT_SAYS(": overflow: ", {
        volatile char *p = block(bytes);
        p[bytes] = static_cast<char>(character);
        do_free(const_cast<char *>(p));
      });
}

TEST(GuardSays, WriteAfterFree) {
  for (size_t at : {size_t{0}, size_t{50}, size_t{199}, size_t{200}})
    EXPECT_SAYS(
        name() + ": write after free: " + kAddress + "malloc \\([0-9]+-byte block\\)" + kThread, {
          char *p = block(200);
          do_free(p);
          p[at] = 'w';
          for (int i = 0; i < 3000; i++) {
            void *q = do_malloc(200);
            do_free(q);
          }
        });
}

TEST(GuardSays, MismatchWithTheSizeAskedFor) {
  for (size_t bytes : kSizes) {
    const std::string asked = std::to_string(bytes) + " bytes allocated by ";
    EXPECT_SAYS(name() + ": family mismatch: " + kAddress + "free \\(" + asked + "operator new\\)" +
                    kThread,
                { do_free(do_new(bytes)); });
    EXPECT_SAYS(name() + ": family mismatch: " + kAddress + "operator delete \\(" + asked +
                    "operator new\\[\\]\\)" + kThread,
                { do_delete(do_new_array(bytes)); });
    EXPECT_SAYS(name() + ": family mismatch: " + kAddress + "realloc \\(" + asked +
                    "operator new\\)" + kThread,
                { do_realloc(do_new(bytes), bytes + 1); });
  }
}

// Of every size, 0 and large ones too.
TEST(Guard, FamiliesMixWhereTheyMay) {
  hz_guard_families_mix = true;
  for (size_t bytes :
       {size_t{0}, size_t{8}, size_t{100}, size_t{4096}, size_t{60000}, size_t{256 * 1024}}) {
    do_free(do_new(bytes));
    do_delete(do_new_array(bytes));
    do_delete(do_malloc(bytes));
    void *grown = do_realloc(do_new(bytes), bytes + 1);
    ASSERT_NE(grown, nullptr);
    do_delete(grown);
  }
  EXPECT_SAYS(name() + ": double free: " + kAddress + ".*" + kThread, {
    void *p = do_malloc(100);
    do_delete(p);
    do_free(p);
  });
  hz_guard_families_mix = false;
}

TEST(GuardSays, WrongSize) {
  for (size_t bytes : kSizes)
    for (size_t given : {size_t{0}, bytes - 1, bytes + 1, SIZE_MAX})
      EXPECT_SAYS(name() + ": size mismatch: " + kAddress + "free_sized \\(size " +
                      std::to_string(given) + " given, " + std::to_string(bytes) + "-byte block\\)",
                  { free_sized(block(bytes), given); });
}

TEST(GuardSays, ABlockThatWaitsInABinWasNeverHandedOut) {
  // The neighbours of a fresh block are in the bin. Blocks of other classes may have lain there,
  // and what was freed there once is freed twice now: on, until a neighbour is new.
  EXPECT_SAYS(": invalid free: " + kAddress + "free", {
    for (int i = 0; i < 10000; i++) {
      char *p = block(7000), *q = block(7000), *beside = q + (q - p);
      if (static_cast<size_t>(std::abs(q - p)) < HZ_GRANULE_BYTES &&
          *hz_state_of(beside) == HZ_STATE_NEVER)
        do_free(beside);
    }
  });
}

TEST(GuardSays, DoubleFreeByTwoThreadsAtOnce) {
  for (int round = 0; round < 20; round++)
    EXPECT_SAYS(": double free: ", {
      char *p = block(48);
      std::thread other([p] { do_free(p); });
      do_free(p);
      other.join();
    });
}

// Addresses that a large block has left are another's at once, state and all.
TEST(Guard, LargeBlocksMoveWhileOthersAllocate) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([] {
      for (int i = 0; i < 40; i++)
        for (size_t bytes : {size_t{50000}, size_t{300000}, size_t{2000000}}) {
          char *p = block(bytes);
          p[bytes - 1] = 'm';
          p = static_cast<char *>(do_realloc(p, bytes * 2));
          ASSERT_EQ(p[bytes - 1], 'm');
          do_free(p);
        }
    });
  for (std::thread &thread : threads)
    thread.join();
}

// The child's thread keeps its quarantine, and nobody else gets it.
TEST(Guard, AForkedChildWorksOn) {
  const auto work = [] {
    for (int i = 0; i < 5000; i++)
      do_free(do_malloc(static_cast<size_t>(i % 500)));
  };
  std::thread([&] {
    work();
    const pid_t child = fork();
    if (child == 0) {
      const struct hz_quarantine *const mine = hz_quarantine_mine;
      std::vector<std::thread> threads;
      std::atomic<int> begun{0}, wrong{0};
      for (int t = 0; t < 16; t++) // more than there ever were: they get all that are to be had
        threads.emplace_back([&] {
          do_free(do_malloc(1));
          wrong += hz_quarantine_mine == mine;
          for (begun++; begun < 16;)
            std::this_thread::yield();
          work();
        });
      work();
      for (std::thread &thread : threads)
        thread.join();
      _exit(hz_quarantine_mine != mine || wrong != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }).join();
}

} // namespace
