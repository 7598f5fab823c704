#include "hz4/magazine.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/os/os.h"
#include "hz4/init.h"
#include "hz4/shard.h"
#include "gtest/gtest.h"

namespace {

class Magazine : public ::testing::Test {
protected:
  static void SetUpTestSuite() { ASSERT_TRUE(hz4_init()); }
};

TEST_F(Magazine, NothingAndStoppedAreEmptyAndFull) {
  for (void **top : {HZ4_TOP_NOTHING, HZ4_TOP_STOPPED}) {
    EXPECT_TRUE(hz4_top_is_empty(top));
    EXPECT_TRUE(hz4_top_is_full(top));
    EXPECT_FALSE(hz4_top_is_real(top));
  }
  EXPECT_NE(HZ4_TOP_NOTHING, HZ4_TOP_STOPPED);
  EXPECT_FALSE(hz4_top_is_real(nullptr));
}

TEST_F(Magazine, EveryCapacityFillsAndEmpties) {
  struct hz4_magazine *m = hz4_magazine_get(0);
  ASSERT_NE(m, nullptr);
  uint32_t id = m->id;
  for (unsigned cap = 1; cap <= HZ4_MAGAZINE_CAP_MAX; cap++) {
    void **top = hz4_magazine_open(m, cap);
    EXPECT_TRUE(hz4_top_is_empty(top));
    for (uintptr_t i = 1; i <= cap; i++) {
      EXPECT_FALSE(hz4_top_is_full(top));
      *++top = (void *)(i * 16);
      EXPECT_EQ(hz4_top_count(top), i);
      EXPECT_EQ(hz4_magazine_of(top), m);
    }
    EXPECT_TRUE(hz4_top_is_full(top));
    m->count = (uint8_t)hz4_top_count(top);
    EXPECT_EQ(hz4_magazine_top(m), top);
    for (uintptr_t i = cap; i >= 1; i--)
      EXPECT_EQ(*top--, (void *)(i * 16));
    EXPECT_TRUE(hz4_top_is_empty(top));
  }
  EXPECT_EQ(m->id, id) << "slots overlap the header";
  hz4_magazine_put(m, 0);
}

TEST_F(Magazine, NumbersAreTheirs) {
  std::vector<struct hz4_magazine *> held;
  std::set<uint32_t> ids;
  for (int i = 0; i < 1000; i++) {
    struct hz4_magazine *m = hz4_magazine_get(0);
    ASSERT_NE(m, nullptr);
    EXPECT_EQ((uintptr_t)m % HZ4_MAGAZINE_BYTES, 0u);
    EXPECT_EQ(hz4_magazine_by_id(m->id), m);
    EXPECT_TRUE(ids.insert(m->id).second);
    held.push_back(m);
  }
  for (struct hz4_magazine *m : held)
    hz4_magazine_put(m, 0);
}

// What one shard was given serves the others before new ones are made.
TEST_F(Magazine, ShardsHelpEachOther) {
  unsigned before = hz4_shards;
  hz4_shards = HZ4_SHARDS_MAX;
  struct hz4_magazine *held[300];
  for (auto &m : held)
    m = hz4_magazine_get(0);
  for (auto *m : held)
    hz4_magazine_put(m, 3);
  size_t made = hz4_magazine_made();
  for (auto &m : held)
    m = hz4_magazine_get(5);
  EXPECT_EQ(hz4_magazine_made(), made);
  for (auto *m : held)
    hz4_magazine_put(m, 0);
  hz4_shards = before;
}

// A page of which one is held stays, with all that lies in it.
TEST_F(Magazine, PagesNobodyUsesGoBack) {
  constexpr size_t kCount = 20000;
  std::vector<struct hz4_magazine *> all(kCount), kept, again;
  std::vector<uintptr_t> pages;
  kept.reserve(kCount); // their growth would take magazines between two counts
  again.reserve(kCount);
  pages.reserve(kCount);
  for (auto &m : all) {
    m = hz4_magazine_get(0);
    ASSERT_NE(m, nullptr);
    memset(&m->slot[3], 0x5a, sizeof m->slot - 3 * sizeof m->slot[0]);
  }
  for (size_t i = 0; i < kCount; i++) {
    if (i % 100 == 0)
      kept.push_back(all[i]);
    else
      hz4_magazine_put(all[i], i % hz4_shards);
  }
  const size_t made = hz4_magazine_made();
  EXPECT_GT(hz4_magazine_purge(), kCount / 2 * HZ4_MAGAZINE_BYTES);
  EXPECT_GT(hz4_magazine_cold(), kCount / 2);
  const uintptr_t page = hz_os_page_bytes();
  for (auto *m : all)
    pages.push_back((uintptr_t)m / page * page);
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  size_t resident = 0;
  for (uintptr_t p : pages)
    resident += hz_os_resident_pages((void *)p, page);
  EXPECT_GE(resident, kept.size() / 2); // some may share a page
  EXPECT_LE(resident, pages.size() - hz4_magazine_cold() * HZ4_MAGAZINE_BYTES / page + 2);
  for (auto *m : kept)
    ASSERT_EQ(m->slot[63], (void *)0x5a5a5a5a5a5a5a5a);
  // They serve again, each under its number, before any is made.
  again.assign(kept.begin(), kept.end());
  while (again.size() < kCount) {
    struct hz4_magazine *m = hz4_magazine_get(0);
    ASSERT_NE(m, nullptr);
    ASSERT_EQ(hz4_magazine_by_id(m->id), m);
    again.push_back(m);
  }
  EXPECT_EQ(hz4_magazine_made(), made);
  std::sort(again.begin(), again.end());
  EXPECT_EQ(std::adjacent_find(again.begin(), again.end()), again.end()) << "two holders";
  for (auto *m : again)
    hz4_magazine_put(m, 0);
}

TEST_F(Magazine, OneHolderWhileOthersPurge) {
  std::atomic<int> faults{0}, running{4};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([t, &faults, &running] {
      std::vector<struct hz4_magazine *> held;
      for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 1500; i++) {
          held.push_back(hz4_magazine_get((unsigned)t & (hz4_shards - 1)));
          held.back()->slot[63] = (void *)(uintptr_t)(t * 10000 + i);
        }
        for (int i = 1500; i-- > 0; held.pop_back()) {
          if (held.back()->slot[63] != (void *)(uintptr_t)(t * 10000 + i))
            faults++;
          hz4_magazine_put(held.back(), (unsigned)t & (hz4_shards - 1));
        }
      }
      running--;
    });
  size_t bytes = 0;
  while (running.load() > 0)
    bytes += hz4_magazine_purge();
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(faults, 0);
  EXPECT_GT(bytes, 0u);
}

// What another thread is at when the process forks is lost to the child, and nothing else.
TEST_F(Magazine, AChildGoesOnAmidAPurge) {
  std::atomic<bool> stop{false};
  std::thread other([&stop] {
    std::vector<struct hz4_magazine *> held(5000);
    while (!stop.load()) {
      for (auto &m : held)
        m = hz4_magazine_get(0);
      for (auto *m : held)
        hz4_magazine_put(m, 0);
      hz4_magazine_purge();
    }
  });
  for (int i = 0; i < 30; i++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      std::vector<struct hz4_magazine *> held(9000);
      for (auto &m : held)
        if ((m = hz4_magazine_get(0)) == nullptr || hz4_magazine_by_id(m->id) != m)
          _exit(1);
      std::sort(held.begin(), held.end());
      if (std::adjacent_find(held.begin(), held.end()) != held.end())
        _exit(2);
      for (auto *m : held)
        hz4_magazine_put(m, 0);
      _exit(hz4_magazine_purge() > 0 ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "round " << i << ": " << status;
  }
  stop.store(true);
  other.join();
}

TEST_F(Magazine, OneHolderAtATime) {
  constexpr int kThreads = 8, kRounds = 20000, kHeld = 5;
  const size_t made = hz4_magazine_made();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([t] {
      struct hz4_magazine *held[kHeld];
      unsigned shard = hz4_shard_of((unsigned)t);
      for (int round = 0; round < kRounds; round++) {
        for (int i = 0; i < kHeld; i++) {
          held[i] = hz4_magazine_get(shard);
          held[i]->slot[63] = (void *)(uintptr_t)(t * 100 + i);
        }
        for (int i = 0; i < kHeld; i++) {
          ASSERT_EQ(held[i]->slot[63], (void *)(uintptr_t)(t * 100 + i));
          hz4_magazine_put(held[i], shard);
        }
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_LT(hz4_magazine_made() - made, 5000u);
}

} // namespace
