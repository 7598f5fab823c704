// Pieces of slabs: whose lines they are, and what goes back to the OS.
#include "hz4/slab.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/os/os.h"
#include "hz4/init.h"
#include "gtest/gtest.h"

namespace {

struct Piece {
  unsigned char *at;
  size_t bytes;
  uint32_t slab;
};

Piece take(size_t bytes) {
  Piece piece = {nullptr, bytes, 0};
  piece.at = static_cast<unsigned char *>(hz4_slab_take(bytes, &piece.slab));
  return piece;
}
void give(const Piece &piece) {
  hz4_slab_give(piece.at, piece.bytes, piece.slab);
}
bool is(const Piece &piece, unsigned char value) {
  return std::all_of(piece.at, piece.at + piece.bytes,
                     [value](unsigned char byte) { return byte == value; });
}
hz4_slab_stats stats() {
  hz4_slab_stats now;
  hz4_slab_stats_read(&now);
  return now;
}

// The program under the test has pieces of its own: counts are compared, not absolute.
class Slab : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(hz4_init());
    hz4_slab_purge_all();
  }
};

TEST_F(Slab, PiecesAreZeroDistinctAndComeBackInAnyOrder) {
  std::mt19937 rng(7);
  std::vector<Piece> pieces;
  pieces.reserve(6000); // no vector's growth between two counts
  const size_t before = stats().used_lines;
  size_t lines = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 2000; i++) {
      const size_t bytes = 1 + rng() % (i % 10 == 0 ? HZ4_PIECE_MOST_BYTES : 1200);
      const Piece piece = take(bytes);
      ASSERT_NE(piece.at, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(piece.at) % HZ_LINE_BYTES, 0u);
      ASSERT_TRUE(is(piece, 0)) << bytes;
      memset(piece.at, static_cast<int>(pieces.size() % 255 + 1), bytes);
      pieces.push_back(piece);
      lines += (bytes + HZ_LINE_BYTES - 1) / HZ_LINE_BYTES;
    }
    ASSERT_TRUE(hz4_slab_is_valid());
    for (size_t i = 0; i < pieces.size(); i++)
      ASSERT_TRUE(is(pieces[i], static_cast<unsigned char>(i % 255 + 1))) << "two share a line";
    EXPECT_GE(stats().used_lines, before + lines);
    EXPECT_LT(stats().used_lines, before + lines + 2000); // and the test's own
    // Two of three go, in any order; the rest keeps what was written.
    std::vector<Piece> kept;
    kept.reserve(6000);
    std::shuffle(pieces.begin(), pieces.end(), rng);
    for (size_t i = 0; i < pieces.size(); i++) {
      if (i % 3 == 0) {
        memset(pieces[i].at, static_cast<int>(kept.size() % 255 + 1), pieces[i].bytes);
        kept.push_back(pieces[i]);
        continue;
      }
      give(pieces[i]);
      lines -= (pieces[i].bytes + HZ_LINE_BYTES - 1) / HZ_LINE_BYTES;
    }
    pieces.swap(kept);
    ASSERT_TRUE(hz4_slab_is_valid());
  }
  for (const Piece &piece : pieces)
    give(piece);
  EXPECT_TRUE(hz4_slab_is_valid());
}

// What is free is used before a slab is made.
TEST_F(Slab, LinesAreUsedAgain) {
  std::vector<Piece> pieces(3000);
  for (Piece &piece : pieces)
    piece = take(700);
  const size_t slabs = stats().slabs;
  for (int round = 0; round < 20; round++) {
    for (size_t i = round % 2; i < pieces.size(); i += 2)
      give(pieces[i]);
    for (size_t i = round % 2; i < pieces.size(); i += 2)
      pieces[i] = take(600 + 5 * round);
  }
  EXPECT_LE(stats().slabs, slabs + 1 + slabs / 10);
  for (const Piece &piece : pieces)
    give(piece);
}

TEST_F(Slab, PagesWithoutPiecesGoBack) {
  constexpr size_t kBytes = 640, kCount = 20000; // 12 MiB
  std::vector<Piece> pieces(kCount);
  for (Piece &piece : pieces) {
    piece = take(kBytes);
    memset(piece.at, 1, kBytes);
  }
  const hz4_slab_stats full = stats();
  EXPECT_GE(full.used_pages, kCount * kBytes / 4096);
  // Each 50th stays: none of its page may be lost.
  for (size_t i = 0; i < kCount; i++)
    if (i % 50 != 0)
      give(pieces[i]);
  EXPECT_TRUE(hz4_slab_is_valid());
  const hz4_slab_stats few = stats();
  EXPECT_LT(few.used_pages, full.used_pages / 5);
  EXPECT_LE(few.idle_pages, 16 + few.used_pages / 4) << "without being asked";
  for (size_t i = 0; i < kCount; i += 50)
    ASSERT_TRUE(is(pieces[i], 1)) << i;
  // The pages between are the OS's: of a slab with few pieces most is not resident.
  size_t resident = 0, looked = 0;
  for (size_t i = 0; i < kCount; i += 50) {
    unsigned char *page = pieces[i].at - reinterpret_cast<uintptr_t>(pieces[i].at) % 4096;
    for (unsigned char *next = page + 4096;
         next < pieces[std::min(i + 50, kCount - 1)].at - 4096 &&
         pieces[i].slab == pieces[std::min(i + 50, kCount - 1)].slab;
         next += 4096, looked++)
      resident += hz_os_resident_pages(next, 4096);
  }
  EXPECT_GT(looked, 500u);
  EXPECT_LE(resident, 16 + few.used_pages / 4);
  for (size_t i = 0; i < kCount; i += 50)
    give(pieces[i]);
  hz4_slab_purge_all();
  EXPECT_EQ(stats().idle_pages, 0u);
  // And serve again, as zeroes.
  for (size_t i = 0; i < kCount; i++) {
    pieces[i] = take(kBytes);
    ASSERT_TRUE(is(pieces[i], 0));
  }
  EXPECT_EQ(stats().slabs, full.slabs);
  for (const Piece &piece : pieces)
    give(piece);
  EXPECT_TRUE(hz4_slab_is_valid());
}

TEST_F(Slab, ThreadsTakeGiveAndPurgeAtOnce) {
  std::atomic<int> faults{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; t++)
    threads.emplace_back([&faults, t] {
      std::mt19937 rng(t);
      std::vector<Piece> mine;
      for (int i = 0; i < 20000; i++) {
        if (mine.size() < 300 && rng() % 5 < 3) {
          const Piece piece = take(1 + rng() % 5000);
          if (!piece.at || !is(piece, 0))
            faults++;
          if (piece.at) {
            memset(piece.at, static_cast<int>(t + 1), piece.bytes);
            mine.push_back(piece);
          }
        } else if (!mine.empty()) {
          std::swap(mine[rng() % mine.size()], mine.back());
          if (!is(mine.back(), static_cast<unsigned char>(t + 1)))
            faults++;
          give(mine.back());
          mine.pop_back();
        }
        if (i % 1000 == 0)
          hz4_slab_purge_all();
      }
      for (const Piece &piece : mine)
        give(piece);
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(faults, 0);
  EXPECT_TRUE(hz4_slab_is_valid());
}

// A child goes on with what there was, whatever other threads were at.
TEST_F(Slab, AChildTakesAndGives) {
  std::atomic<bool> stop{false};
  std::thread other([&stop] {
    while (!stop.load()) {
      std::vector<Piece> pieces(200);
      for (Piece &piece : pieces)
        piece = take(3000);
      for (const Piece &piece : pieces)
        give(piece);
      hz4_slab_purge_all();
    }
  });
  for (int i = 0; i < 50; i++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60); // a lock that nobody holds any more would be waited for until then
      std::vector<Piece> pieces(500);
      for (Piece &piece : pieces) {
        piece = take(2000);
        if (!piece.at || !is(piece, 0))
          _exit(1);
        memset(piece.at, 1, piece.bytes);
      }
      for (const Piece &piece : pieces)
        give(piece);
      hz4_slab_purge_all();
      _exit(stats().idle_pages == 0 ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "round " << i << ": " << status;
  }
  stop.store(true);
  other.join();
}

} // namespace
