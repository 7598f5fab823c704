// The arena when the system refuses: every call in turn, limits on addresses, mappings of others in
// the way.
#include "common/arena/arena_probe.h"

#include <atomic>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>

namespace {

using namespace arena_probe;

// ---------------------------------------------------------------- every call in turn

std::atomic<long> calls_left;
std::atomic<long> calls_refused;
bool fail_once(hz_os_call, size_t) {
  bool fails = calls_left.fetch_sub(1) == 0;
  calls_refused += fails;
  return fails;
}
bool fail_from_then_on(hz_os_call, size_t) {
  bool fails = calls_left.fetch_sub(1) <= 0;
  calls_refused += fails;
  return fails;
}

struct Block {
  hz_run run;
  unsigned char stamp;
};

void stamp(const hz_run &run, unsigned char value) {
  for (uint64_t g : {run.granule, run.granule + run.count - 1})
    address(g)[0] = address(g)[HZ_GRANULE_BYTES - 1] = value;
}
void expect_stamp(const hz_run &run, unsigned char value) {
  for (uint64_t g : {run.granule, run.granule + run.count - 1}) {
    EXPECT_EQ(address(g)[0], value);
    EXPECT_EQ(address(g)[HZ_GRANULE_BYTES - 1], value);
  }
}

// A bit of everything. Whatever is refused, what was had is intact and can be given back.
void scenario(uint32_t delay_ms) {
  hz_arena_config c = config(delay_ms, 0, true);
  if (!hz_arena_init(&c))
    return;
  std::vector<Block> held;
  uint64_t now = hz_os_now_ms();
  for (unsigned i = 0; i < 120; i++) {
    hz_run run;
    uint64_t count = i % 7 == 0 ? 400 : 1 + i % 5;
    if (hz_run_alloc(count, i % 11 == 0 ? 32 : 1, &run)) {
      for (uint64_t g = run.granule; g < run.granule + run.count && run.zeroed; g += 16)
        ASSERT_EQ(address(g)[0], 0);
      stamp(run, (unsigned char)(i + 1));
      held.push_back({run, (unsigned char)(i + 1)});
    }
    if (i % 3 == 2 && !held.empty()) {
      Block b = held[i * 7 % held.size()];
      held.erase(held.begin() + long(i * 7 % held.size()));
      expect_stamp(b.run, b.stamp);
      hz_run_free(b.run.granule, b.run.count);
    }
    if (i % 10 == 0 && !held.empty()) {
      hz_run &last = held.back().run;
      if (hz_run_extend(last.granule, last.count, last.count + 50)) {
        last.count += 50;
        stamp(last, held.back().stamp);
      }
    }
    if (i % 20 == 0)
      hz_runs_tick(now += 500);
    if (auto *p = static_cast<unsigned char *>(hz_meta_alloc(3000, 64)))
      std::memset(p, 1, 3000);
  }
  ASSERT_TRUE(hz_arena_is_valid());
  // Memory is back: full service.
  hz_os_seam = nullptr;
  hz_run run;
  ASSERT_TRUE(hz_run_alloc(1000, 1, &run));
  stamp(run, 250);
  for (const Block &b : held) {
    expect_stamp(b.run, b.stamp);
    hz_run_free(b.run.granule, b.run.count);
  }
  expect_stamp(run, 250);
  hz_run_free(run.granule, run.count);
  hz_runs_purge_all();
  hz_runs_tick(now += 5000);
  EXPECT_TRUE(hz_arena_is_valid());
  EXPECT_EQ(stats().used_bytes, 0u);
  EXPECT_NE(hz_meta_alloc(100000, 4096), nullptr);
  EXPECT_EQ(stats().grown_bytes - stats().free_clean_bytes - stats().free_dirty_bytes, 0u);
}

void every_call_in_turn(bool (*seam)(hz_os_call, size_t), uint32_t delay_ms) {
  for (long n = 0; n < 5000; n++) {
    bool refused = true;
    std::fflush(nullptr);
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    in_child([&] {
      calls_left = n;
      calls_refused = 0;
      hz_os_seam = seam;
      scenario(delay_ms);
      char mark = calls_refused > 0 ? 'r' : '-';
      ASSERT_EQ(write(pipe_ends[1], &mark, 1), 1);
    });
    close(pipe_ends[1]);
    char mark = 0;
    ASSERT_EQ(read(pipe_ends[0], &mark, 1), 1) << "call " << n;
    close(pipe_ends[0]);
    refused = mark == 'r';
    if (testing::Test::HasFailure()) {
      FAIL() << "with call " << n << " refused";
    }
    if (!refused) {
      EXPECT_GT(n, 20); // the scenario made calls at all
      return;
    }
  }
  FAIL() << "the scenario never passed untouched";
}

TEST(ArenaOs, EveryCallRefusedOnce) {
  every_call_in_turn(fail_once, 100);
}
TEST(ArenaOs, EveryCallRefusedOnceWithoutDelay) {
  every_call_in_turn(fail_once, 0);
}
TEST(ArenaOs, EveryCallRefusedFromThenOn) {
  every_call_in_turn(fail_from_then_on, 100);
}

// ---------------------------------------------------------------- reservations

size_t reserve_at_most;
bool refuse_large_reservations(hz_os_call kind, size_t bytes) {
  return kind == HZ_OS_CALL_RESERVE && bytes > reserve_at_most;
}

TEST(ArenaOs, WindowIsWhatCanBeHad) {
  for (size_t most : {HZ_TIB, 64 * HZ_GIB, HZ_GIB + HZ_MIB})
    in_child([most] {
      reserve_at_most = most;
      hz_os_seam = refuse_large_reservations;
      hz_arena_config c = config();
      ASSERT_TRUE(hz_arena_init(&c));
      EXPECT_LE(stats().window_bytes, most);
      EXPECT_GE(stats().window_bytes, most / 4 / 4);
      EXPECT_FALSE(stats().mapped_as_needed);
      hz_run run;
      ASSERT_TRUE(hz_run_alloc(100, 1, &run));
      touch(run);
    });
}

TEST(ArenaOs, PiecesWhereNoReservationIsToBeHad) {
  in_child([] {
    reserve_at_most = 100 * HZ_MIB; // room for tables
    hz_os_seam = refuse_large_reservations;
    hz_arena_config c = config();
    ASSERT_TRUE(hz_arena_init(&c));
    EXPECT_TRUE(stats().mapped_as_needed);
    hz_run run;
    ASSERT_TRUE(hz_run_alloc(5000, 1, &run));
    touch(run);
    EXPECT_TRUE(hz_arena_is_valid());
    EXPECT_LE(lines_of("/proc/self/maps"), 60u);
  });
}

TEST(ArenaOs, NothingAtAllIsARefusalUntilThereIsSomething) {
  in_child([] {
    hz_os_seam = [](hz_os_call, size_t) { return true; };
    hz_arena_config c = config();
    EXPECT_FALSE(hz_arena_init(&c));
    hz_run run;
    EXPECT_FALSE(hz_run_alloc(1, 1, &run));
    // What has no memory has nothing to give back, and says so.
    hz_runs_tick(hz_os_now_ms() + 5000);
    EXPECT_EQ(hz_runs_purge_all(), 0u);
    EXPECT_EQ(stats().window_bytes, 0u);
    EXPECT_EQ(stats().meta_bytes, 0u);
    hz_os_seam = nullptr;
    std::atomic<int> served{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&] {
        hz_run own;
        if (hz_run_alloc(3, 1, &own)) {
          touch(own);
          served++;
          hz_run_free(own.granule, own.count);
        }
      });
    for (std::thread &t : threads)
      t.join();
    EXPECT_EQ(served, 4);
    ASSERT_TRUE(hz_run_alloc(100, 32, &run));
    touch(run);
    EXPECT_TRUE(hz_arena_is_valid());
    EXPECT_GT(stats().window_bytes, 0u);
  });
}

// ---------------------------------------------------------------- RLIMIT_AS

// Serves until refused. Returns: bytes that were had.
size_t fill(uint64_t count, std::vector<hz_run> *runs) {
  hz_run run;
  size_t bytes = 0;
  while (hz_run_alloc(count, 1, &run)) {
    address(run.granule)[0] = 1;
    address(run.granule + run.count - 1)[0] = 1;
    bytes += count * HZ_GRANULE_BYTES;
    runs->push_back(run);
  }
  return bytes;
}

TEST(ArenaOs, MostOfALimitOnAddressesIsServed) {
  for (size_t limit : {64 * HZ_MIB, 128 * HZ_MIB, 512 * HZ_MIB, HZ_GIB, 4 * HZ_GIB})
    in_child([limit] {
      // The test itself has tens of MiB: the limit is set above what is mapped already.
      std::ifstream in("/proc/self/statm");
      size_t mapped = 0;
      in >> mapped;
      in.close();
      mapped *= hz_os_page_bytes();
      std::vector<hz_run> runs;
      runs.reserve(limit / HZ_GRANULE_BYTES + 16);
      rlimit all, r;
      ASSERT_EQ(getrlimit(RLIMIT_AS, &all), 0);
      r = all;
      r.rlim_cur = mapped + limit;
      ASSERT_EQ(setrlimit(RLIMIT_AS, &r), 0);
      hz_arena_config c = config();
      ASSERT_TRUE(hz_arena_init(&c));
      EXPECT_TRUE(stats().mapped_as_needed);
      size_t got = fill(limit >= HZ_GIB ? 16 : 1, &runs);
      EXPECT_GE(got, limit / 100 * 88) << "of " << limit;
      EXPECT_TRUE(hz_arena_is_valid());
      // A refusal harms nothing: what is freed is had again, small or large.
      for (const hz_run &run : runs)
        hz_run_free(run.granule, run.count);
      size_t count = runs.size();
      runs.clear();
      hz_run run;
      ASSERT_TRUE(hz_run_alloc(got / HZ_GRANULE_BYTES / 2, 1, &run));
      hz_run_free(run.granule, run.count);
      fill(limit >= HZ_GIB ? 16 : 1, &runs);
      EXPECT_GE(runs.size(), count);
      EXPECT_TRUE(hz_arena_is_valid());
      ASSERT_EQ(setrlimit(RLIMIT_AS, &all), 0); // the test needs memory to look
      EXPECT_LE(lines_of("/proc/self/maps"), 100u);
    });
}

TEST(ArenaOs, MappingsOfOthersAreSteppedOver) {
  in_child([] {
    rlimit r = {4 * HZ_GIB, 4 * HZ_GIB};
    ASSERT_EQ(setrlimit(RLIMIT_AS, &r), 0);
    hz_arena_config c = config();
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run first, run;
    ASSERT_TRUE(hz_run_alloc(1, 1, &first));
    unsigned char *in_the_way = address(first.granule) + 8 * HZ_MIB;
    ASSERT_EQ(mmap(in_the_way, HZ_MIB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
              in_the_way);
    std::memset(in_the_way, 0x77, HZ_MIB);
    std::vector<hz_run> runs;
    for (int i = 0; i < 1000; i++) {
      ASSERT_TRUE(hz_run_alloc(3, 1, &run));
      stamp(run, 1);
      runs.push_back(run);
    }
    for (size_t at = 0; at < HZ_MIB; at++)
      ASSERT_EQ(in_the_way[at], 0x77);
    // Inside our range, yet nobody's block.
    EXPECT_LT(hz_granule_of(in_the_way), hz_arena_end());
    EXPECT_EQ(hz_arena.granules[hz_granule_of(in_the_way)].tag, HZ_TAG_NONE);
    EXPECT_TRUE(hz_arena_is_valid());
    for (const hz_run &b : runs)
      hz_run_free(b.granule, b.count);
    hz_runs_purge_all();
    EXPECT_TRUE(hz_arena_is_valid());
    for (size_t at = 0; at < HZ_MIB; at++)
      ASSERT_EQ(in_the_way[at], 0x77);
  });
}

// ---------------------------------------------------------------- mappings

TEST(ArenaOs, FewMappingsWhateverHappens) {
  for (bool huge : {false, true})
    in_child([huge] {
      hz_arena_config c = config(0, 0, huge);
      ASSERT_TRUE(hz_arena_init(&c));
      size_t before = lines_of("/proc/self/maps");
      std::vector<hz_run> runs;
      uint64_t seed = 88172645463325252u;
      for (int i = 0; i < 60000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        hz_run run;
        if (runs.size() < 3000 || seed % 2) {
          ASSERT_TRUE(hz_run_alloc(1 + seed / 2 % 9, seed % 16 ? 1 : 32, &run));
          address(run.granule)[0] = 1;
          runs.push_back(run);
        }
        if (runs.size() > 4000 || seed % 3 == 0) {
          std::swap(runs[seed % runs.size()], runs.back());
          hz_run_free(runs.back().granule, runs.back().count);
          runs.pop_back();
        }
      }
      EXPECT_LE(lines_of("/proc/self/maps"), before + 20);
      EXPECT_TRUE(hz_arena_is_valid());
    });
}

TEST(ArenaOs, MovedPagesJoinTheirNeighboursAgain) {
  for (bool as_needed : {false, true})
    in_child([as_needed] {
      if (as_needed) {
        reserve_at_most = 100 * HZ_MIB;
        hz_os_seam = refuse_large_reservations;
      }
      hz_arena_config c = config(100, 0, true);
      ASSERT_TRUE(hz_arena_init(&c));
      std::vector<hz_run> runs(1000);
      for (hz_run &r : runs) {
        ASSERT_TRUE(hz_run_alloc(2, 1, &r));
        touch(r);
        for (uint64_t g = r.granule; g < r.granule + r.count; g++)
          hz_arena.granules[g].tag = 1;
      }
      size_t before = lines_of("/proc/self/maps"), middle = 0;
      for (size_t i = 1; i < 400; i += 2) {
        hz_run to;
        ASSERT_TRUE(hz_run_alloc(2, 1, &to));
        if (!hz_os_move_pages(address(runs[i].granule), address(to.granule), 2 * HZ_GRANULE_BYTES))
          return; // this kernel does not move
        hz_run_free_moved(runs[i].granule, 2);
        runs[i] = to;
        middle = std::max(middle, lines_of("/proc/self/maps"));
      }
      EXPECT_GT(middle, before + 50); // they are apart indeed
      for (size_t i = 1; i < 400; i += 2)
        hz_run_free_moved(runs[i].granule, 2);
      EXPECT_LE(lines_of("/proc/self/maps"), before + 5);
      EXPECT_TRUE(hz_arena_is_valid());
      // What comes back is fresh.
      hz_run run;
      ASSERT_TRUE(hz_run_alloc(2, 1, &run));
      EXPECT_TRUE(run.zeroed);
      touch(run);
    });
}

bool refuse_commits(hz_os_call kind, size_t) {
  return kind == HZ_OS_CALL_COMMIT;
}

TEST(ArenaOs, MovedPagesThatCannotBeMappedAfresh) {
  in_child([] {
    hz_arena_config c = config(100);
    ASSERT_TRUE(hz_arena_init(&c));
    hz_run a, b;
    ASSERT_TRUE(hz_run_alloc(2, 1, &a));
    ASSERT_TRUE(hz_run_alloc(2, 1, &b));
    hz_os_seam = refuse_commits;
    hz_run_free_moved(a.granule, 2);
    EXPECT_TRUE(hz_arena_is_valid());
    EXPECT_EQ(stats().used_bytes, 2 * HZ_GRANULE_BYTES);
    hz_os_seam = nullptr;
    hz_run_free_moved(b.granule, 2);
    EXPECT_TRUE(hz_arena_is_valid());
    for (int i = 0; i < 100; i++) {
      ASSERT_TRUE(hz_run_alloc(1, 1, &a));
      touch(a);
    }
  });
}

// ---------------------------------------------------------------- locked memory

bool refuse_purges(hz_os_call kind, size_t) {
  return kind == HZ_OS_CALL_PURGE;
}

TEST(ArenaOs, WhereNothingCanBePurgedItIsNotTriedAgainAndAgain) {
  in_child([] { // as in a program that locked its memory
    hz_os_seam = refuse_purges;
    hz_arena_config c = config(0);
    ASSERT_TRUE(hz_arena_init(&c));
    std::vector<hz_run> runs(2000);
    for (hz_run &r : runs) {
      ASSERT_TRUE(hz_run_alloc(1, 1, &r));
      stamp(r, 9);
    }
    for (const hz_run &r : runs)
      hz_run_free(r.granule, r.count);
    EXPECT_LE(os_stats().calls[HZ_OS_CALL_PURGE], 20u);
    EXPECT_EQ(stats().free_dirty_bytes, 2000 * HZ_GRANULE_BYTES);
    hz_run run;
    ASSERT_TRUE(hz_run_alloc(2000, 1, &run)); // used again as it is
    EXPECT_FALSE(run.zeroed);
    EXPECT_TRUE(hz_arena_is_valid());
  });
}

} // namespace
