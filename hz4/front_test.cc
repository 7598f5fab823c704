// Both front ends from outside and inside: the program starts itself again for each way of
// choosing.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "hz4/bound.h"
#include "hz4/depot.h"
#include "hz4/front.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/init.h"
#include "hz4/mid.h"
#include "hz4/route.h"
#include "hz4/small.h"
#include "hz4/tick.h"
#include "gtest/gtest.h"

namespace {

bool wants_cpus() {
  const char *front = getenv("HZ4_FRONT");
  return front && strcmp(front, "cpu") == 0;
}

void *alloc(size_t bytes) {
  return hz4_alloc(bytes, HZ_API_MALLOC);
}
void release(void *p) {
  hz4_free(p, HZ_API_FREE);
}

const struct hz4_cache *own_cache() {
  return hz4_self.state == HZ4_STATE_CPU ? hz4_cpu_here() : (struct hz4_cache *)hz4_self.cache;
}

bool all_valid() {
  bool valid = true;
  for (unsigned cls = HZ_CLASS_FIRST; cls < HZ4_MID_FIRST_CLASS; cls++)
    valid = valid && hz4_small_is_valid(cls);
  for (unsigned cls = HZ4_MID_FIRST_CLASS; cls <= HZ_CLASS_LAST; cls++)
    valid = valid && hz4_mid_is_valid(cls);
  return valid;
}

// Allocates and frees blocks of its own that say so; a block in two hands is seen by the loser.
class Worker {
public:
  explicit Worker(unsigned id) : id_(id), state_(id * 2654435761u + 1), slots_(200) {}
  void step() {
    state_ = state_ * 1664525u + 1013904223u;
    Slot &s = slots_[(state_ >> 8) % slots_.size()];
    if (s.p) {
      ASSERT_EQ(s.p[0], id_);
      ASSERT_EQ(s.p[s.words - 1], id_);
      release(s.p);
      s.p = nullptr;
      return;
    }
    size_t bytes = 16 + (state_ >> 4) % ((state_ & 7) ? 600 : 40000);
    s.p = (uint32_t *)alloc(bytes);
    ASSERT_NE(s.p, nullptr);
    s.words = bytes / 4;
    s.p[0] = s.p[s.words - 1] = id_;
  }
  void clear() {
    for (Slot &s : slots_)
      if (s.p) {
        EXPECT_EQ(s.p[0], id_);
        release(s.p);
        s.p = nullptr;
      }
  }

private:
  struct Slot {
    uint32_t *p = nullptr;
    size_t words = 0;
  };
  uint32_t id_, state_;
  std::vector<Slot> slots_;
};

void run_workers(unsigned threads, int steps, std::atomic<bool> *stop = nullptr) {
  std::vector<std::thread> all;
  for (unsigned t = 1; t <= threads; t++)
    all.emplace_back([t, steps, stop] {
      Worker w(t);
      for (int i = 0; i < steps && !(stop && stop->load()); i++)
        w.step();
      w.clear();
    });
  for (std::thread &t : all)
    t.join();
}

// The calling thread, for the rest of its life.
void stay_on_this_cpu() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
}

TEST(Front, IsTheOneAskedFor) {
  if (HZ_FAST)
    GTEST_SKIP() << "this variant does not read the environment";
  void *p = alloc(100);
  if (hz4_front.mode == HZ4_FRONT_CPU) {
    EXPECT_EQ(hz4_self.state, HZ4_STATE_CPU);
  } else if (getenv("HZ4_FRONT") && !wants_cpus()) {
    EXPECT_EQ(hz4_self.state, HZ4_STATE_OWN);
  }
  if (wants_cpus() && hz4_front.mode != HZ4_FRONT_CPU)
    GTEST_SKIP() << "no restartable sequences here";
  release(p);
}

TEST(Front, EverySizeComesAndGoes) {
  for (size_t bytes = 0; bytes <= 140000; bytes += bytes < 2048 ? 1 : 509) {
    char *p = (char *)alloc(bytes), *q = (char *)alloc(bytes);
    ASSERT_TRUE(p && q && p != q);
    EXPECT_GE(hz4_usable(p, HZ_API_USABLE_SIZE), bytes);
    memset(p, 1, bytes);
    memset(q, 2, bytes);
    if (bytes) {
      ASSERT_EQ(p[bytes - 1], 1);
    }
    release(p);
    release(q);
  }
  EXPECT_TRUE(all_valid());
}

TEST(Front, ManyThreadsKeepTheirBlocks) {
  run_workers(12, 60000);
  EXPECT_TRUE(all_valid());
}

// Blocks freed by other threads than those that allocated them.
TEST(Front, BlocksTravel) {
  constexpr int kThreads = 6, kBlocks = 40000;
  std::vector<std::atomic<uint32_t *>> mail(kThreads * 64);
  for (auto &m : mail)
    m = nullptr;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([t, &mail] {
      for (int i = 0; i < kBlocks; i++) {
        auto *p = (uint32_t *)alloc(16 + (size_t)(i * 37 % 3000));
        *p = (uint32_t)i;
        uint32_t *old = mail[(size_t)((t + 1) % kThreads * 64 + i % 64)].exchange(p);
        if (old) {
          *old = 0xdead;
          release(old);
        }
      }
    });
  for (std::thread &t : threads)
    t.join();
  for (auto &m : mail)
    if (m.load())
      release(m.load());
  EXPECT_TRUE(all_valid());
}

// A signal may come between any two instructions of a sequence, and its handler works on the same
// bin.
constexpr size_t kSignalBytes = 512;
std::atomic<long> handled;

// Takes a block from the bin, looks whether it is its alone, and puts it back. The slow paths take
// locks and are left out: this is about the sequences.
bool take_and_put_back(uint64_t mark) {
  unsigned cls = hz_class_of(kSignalBytes);
  auto *p = (volatile uint64_t *)hz4_cpu_pop(hz4_self.cache, cls);
  if (!p)
    return true;
  *p = mark;
  for (int i = 0; i < 8; i++) // time for a signal
    if (*p != mark)
      return false;
  if (!hz4_cpu_push(hz4_self.cache, (intptr_t)cls, (void *)p))
    return false; // cannot be full: what is pushed was popped
  return true;
}

std::atomic<bool> intact{true};
void on_alarm(int) {
  int saved = errno;
  for (int i = 0; i < 5; i++)
    if (!take_and_put_back(0x5151 + (uint64_t)i))
      intact = false;
  handled++;
  errno = saved;
}

TEST(Front, SignalsMayInterruptASequenceAnywhere) {
  if (hz4_front.mode != HZ4_FRONT_CPU)
    GTEST_SKIP() << "a promise of the CPUs' bins";
  // On one CPU, so that its bin keeps what it has.
  cpu_set_t before, one;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  CPU_SET((unsigned)sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  std::vector<void *> warm;
  for (int i = 0; i < 6; i++)
    warm.push_back(alloc(kSignalBytes));
  for (void *p : warm)
    release(p);
  struct sigaction action = {};
  action.sa_handler = on_alarm;
  sigaction(SIGVTALRM, &action, nullptr);
  struct itimerval often = {{0, 100}, {0, 100}}, never = {};
  setitimer(ITIMER_VIRTUAL, &often, nullptr);
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  // On a loaded machine few come in that time.
  while ((std::chrono::steady_clock::now() < until || handled.load() <= 10) && intact)
    for (uint64_t i = 0; i < 1000 && intact; i++)
      if (!take_and_put_back(i << 20))
        intact = false;
  setitimer(ITIMER_VIRTUAL, &never, nullptr);
  sched_setaffinity(0, sizeof before, &before);
  EXPECT_TRUE(intact) << "two owners";
  EXPECT_TRUE(all_valid());
}

// Threads are moved from CPU to CPU while they work, and bins are drained under them.
TEST(Front, ThreadsMoveAndBinsAreDrained) {
  unsigned cpus = std::thread::hardware_concurrency();
  std::atomic<bool> stop{false};
  std::atomic<long> drained{0};
  std::vector<std::atomic<pid_t>> ids(4);
  std::vector<std::thread> movers;
  movers.emplace_back([&] {
    uint32_t r = 1;
    while (!stop) {
      r = r * 1664525u + 1013904223u;
      for (const std::atomic<pid_t> &slot : ids)
        if (pid_t id = slot) {
          cpu_set_t one;
          CPU_ZERO(&one);
          CPU_SET((r >> 16) % cpus, &one);
          sched_setaffinity(id, sizeof one, &one);
          r = r * 1664525u + 1013904223u;
        }
      usleep(50);
    }
  });
  movers.emplace_back([&] {
    while (!stop) {
      drained += (long)hz4_cpu_drain_all();
      usleep(300);
    }
  });
  std::vector<std::thread> workers;
  for (size_t t = 0; t < ids.size(); t++)
    workers.emplace_back([&, t] {
      ids[t] = gettid();
      Worker w((unsigned)t + 1);
      auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
      while (std::chrono::steady_clock::now() < until)
        for (int i = 0; i < 500; i++)
          w.step();
      w.clear();
      ids[t] = 0;
    });
  for (std::thread &t : workers)
    t.join();
  stop = true;
  for (std::thread &t : movers)
    t.join();
  if (hz4_front.mode == HZ4_FRONT_CPU) {
    EXPECT_GT(drained.load(), 0);
  }
  EXPECT_TRUE(all_valid());
}

TEST(Front, ThreadsThatEndLeaveNothingBehind) {
  size_t before = hz4_thread_caches();
  for (int i = 0; i < 300; i++)
    std::thread([] {
      std::vector<void *> v;
      for (int k = 0; k < 50; k++)
        v.push_back(alloc(64 + (size_t)k * 8));
      for (void *p : v)
        release(p);
    }).join();
  EXPECT_LE(hz4_thread_caches(), before + 1);
  EXPECT_TRUE(all_valid());
}

TEST(Front, ChildOfAForkWorksOn) {
  std::atomic<bool> stop{false};
  std::thread noise([&] { run_workers(3, 1 << 30, &stop); });
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      run_workers(2, 3000);
      _exit(all_valid() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "round " << i << " status " << status;
  }
  stop = true;
  noise.join();
  EXPECT_TRUE(all_valid());
}

// Where blocks are that nobody has in hand. A bit for each 16 bytes of the arena, and one for each
// magazine; in memory of its own, so that looking changes nothing.
class Places {
public:
  Places() {
    end_ = hz_arena.end;
    blocks_ = (uint8_t *)map(end_ << (HZ_GRANULE_SHIFT - 4 - 3));
    magazines_ = (uint8_t *)map(kMagazines / 8);
  }
  // Returns: false when a magazine, or a block in it, has been seen elsewhere, or lies in its span.
  bool see(void **top) {
    if (!hz4_top_is_real(top))
      return true;
    bool once = mark(magazines_, hz4_magazine_of(top)->id);
    unsigned n = hz4_top_count(top);
    for (unsigned i = 0; i < n; i++)
      once = see_block(top[-(ptrdiff_t)i]) && once;
    return once;
  }
  bool see_empty(uint32_t id) { return mark(magazines_, id); }
  uint64_t blocks() const { return seen_; }

private:
  static constexpr size_t kMagazines = 1 << 22;
  static void *map(size_t bytes) {
    void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
  }
  static bool mark(uint8_t *bits, uint64_t n) {
    bool first = !(bits[n / 8] & (1u << n % 8));
    bits[n / 8] = (uint8_t)(bits[n / 8] | 1u << n % 8);
    return first;
  }
  bool see_block(void *p) {
    seen_++;
    uint64_t g = hz_granule_of(p);
    if (g >= end_ || !mark(blocks_, ((uintptr_t)p - hz_arena.base) >> 4))
      return false;
    const struct hz_granule *record = &hz_arena.granules[g];
    unsigned cls = record->tag;
    uint32_t offset = (uint32_t)record->index << HZ_GRANULE_SHIFT | ((uintptr_t)p & 0xffff);
    if (cls < HZ_CLASS_FIRST || cls > HZ_CLASS_LAST || !hz4_is_block_start(cls, offset))
      return false;
    const struct hz4_span *s = hz4_span_at(g - record->index);
    unsigned index = hz4_block_index(cls, offset);
    uint64_t word = cls < HZ4_MID_FIRST_CLASS ? s->bits[index / 64] : s->word[0];
    return !(word & (uint64_t)1 << index % 64);
  }
  uint64_t end_, seen_ = 0;
  uint8_t *blocks_, *magazines_;
};

void see_cache(struct hz4_cache *c, void *context) {
  auto *at = (std::pair<Places *, bool> *)context;
  for (unsigned cls = 0; cls < HZ_CLASS_COUNT; cls++) {
    at->second = at->first->see(c->top[cls]) && at->second;
    for (void **top = c->prev[cls]; top; top = hz4_magazine_of(top)->below) {
      at->second = at->first->see(top) && at->second;
      if (!hz4_top_is_real(top))
        break;
    }
  }
  for (void **top = c->spare; hz4_top_is_real(top); top = hz4_magazine_of(top)->below)
    at->second = at->first->see_empty(hz4_magazine_of(top)->id) && at->second;
}

// Requires: no other thread.
bool everything_is_in_one_place(uint64_t *blocks) {
  Places places;
  std::pair<Places *, bool> at{&places, true};
  hz4_thread_caches_each(see_cache, &at);
  hz4_cpu_caches_each(see_cache, &at);
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      for (uint32_t id = (uint32_t)hz4_depot[shard][cls].full.head; id != 0;
           id = *hz4_magazine_next_of(id))
        at.second = places.see(hz4_magazine_top(hz4_magazine_by_id(id))) && at.second;
  *blocks = places.blocks();
  return at.second;
}

// Exchanges of a class with depot and spans so far.
uint64_t exchanges(unsigned cls) {
  uint64_t sum = 0; // the depot's head has a count of what came and went in its upper half
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    sum += (hz4_depot[shard][cls].full.head >> 32) + hz4_small_central[shard][cls].takes +
           hz4_small_central[shard][cls].gives;
  return sum;
}

void work_in_bulk(std::vector<void *> &blocks, size_t bytes) {
  for (void *&p : blocks)
    p = alloc(bytes);
  for (void *p : blocks)
    release(p);
}

// Bins have all the room there is, and keep it: on a loaded machine a thread may wait for so long
// that a tick takes its bins for idle.
class NoTicks {
public:
  NoTicks() : due_ms_(hz4_tick_state.due_ms) {
    hz4_trim_all(); // else other tests' bins have the room
    hz4_tick_state.due_ms = UINT64_MAX;
  }
  ~NoTicks() { hz4_tick_state.due_ms = due_ms_; }

private:
  const uint64_t due_ms_;
};

// What a thread frees and allocates again in bulk, on one CPU, does not leave its owner, once the
// bin has grown: neither depot nor spans hear of it.
TEST(Front, BulkStaysWithItsOwner) {
  const NoTicks none;
  constexpr unsigned kBlocks = 3000, kBytes = 48;
  uint64_t before = 0, after = 0;
  std::thread([&] {
    stay_on_this_cpu();
    std::vector<void *> blocks(kBlocks);
    work_in_bulk(blocks, kBytes);
    unsigned cls = hz_class_by(hz4_self.classes, kBytes); // of the set of its owner
    for (unsigned round = 0; round < 40; round++) {
      if (round == 30)
        before = exchanges(cls);
      work_in_bulk(blocks, kBytes);
    }
    after = exchanges(cls);
  }).join();
  EXPECT_EQ(before, after);
}

// Of a bulk a little larger than what the owner keeps most stays: it is not all of it that leaves
// when the bin runs over.
TEST(Front, OfABulkALittleTooLargeMostStays) {
  const NoTicks none;
  constexpr unsigned kBytes = 112, kRounds = 10;
  size_t kept = 0;
  uint64_t passed = 0;
  std::thread([&] {
    stay_on_this_cpu();
    unsigned cls = hz_class_of(kBytes);
    std::vector<void *> blocks;
    for (unsigned round = 0; round < 10 * kRounds; round++) { // as far as the bin grows
      kept = 2 * std::max<size_t>(own_cache()->cap[cls], hz4_bound.cap_min[cls]);
      blocks.resize(kept + kept / 16 + 1);
      work_in_bulk(blocks, kBytes);
    }
    passed = exchanges(cls);
    for (unsigned round = 0; round < kRounds; round++)
      work_in_bulk(blocks, kBytes);
    passed = exchanges(cls) - passed;
  }).join();
  ASSERT_GT(kept, 2000u);
  EXPECT_LT(passed, kRounds * kept / HZ4_COMPANY_BLOCKS);
}

// A bulk that passes what an owner keeps goes home: freed in any order, it comes back in the order
// of its addresses. Of magazines that went round hardly two blocks in a row would be neighbours.
TEST(Front, BulkBeyondTheOwnersComesBackInOrder) {
  const NoTicks none;
  constexpr size_t kBytes = 80;
  std::vector<char *> blocks(120000);
  unsigned neighbours = 0;
  std::thread([&] {
    stay_on_this_cpu();
    for (int round = 0; round < 8; round++) { // bins grow with the rounds
      for (char *&p : blocks)
        p = (char *)alloc(kBytes);
      neighbours = 0;
      for (size_t i = blocks.size() / 2; i + 1 < blocks.size(); i++)
        neighbours += blocks[i + 1] - blocks[i] == (ptrdiff_t)kBytes;
      std::shuffle(blocks.begin(), blocks.end(), std::minstd_rand((unsigned)round));
      for (char *p : blocks)
        release(p);
    }
  }).join();
  EXPECT_GT(neighbours, blocks.size() / 4);
  EXPECT_TRUE(all_valid());
}

// Magazines that a bulk has left empty wait with its owner, not too many, and leave when it is
// drained.
TEST(Front, EmptyMagazinesStayWithTheirOwner) {
  const NoTicks none;
  constexpr unsigned kBytes = 80;
  size_t kept = 0, counted = 0;
  bool any_left = true;
  std::thread([&] {
    stay_on_this_cpu();
    std::vector<void *> blocks(120000);
    for (int round = 0; round < 8; round++) // bins grow with the rounds
      work_in_bulk(blocks, kBytes);
    const struct hz4_cache *c = own_cache();
    kept = c->spare ? hz4_magazine_of(c->spare)->stacked : 0;
    for (void **spare = c->spare; spare; spare = hz4_magazine_of(spare)->below)
      counted++;
    hz4_trim_all();
    any_left = c->spare != nullptr;
  }).join();
  EXPECT_EQ(kept, counted);
  EXPECT_GT(kept, 60u);
  EXPECT_LE(kept, HZ4_SPARES_MAX);
  EXPECT_FALSE(any_left);
}

// Of a heap that is torn down nothing is left behind on the way: a magazine in the depot would hold
// the spans of its blocks, and leave holes among those that are handed out again.
TEST(Front, NothingOfATeardownStaysInTheDepot) {
  const NoTicks none;
  constexpr size_t kBytes = 144;
  size_t left = SIZE_MAX;
  std::thread([&] {
    stay_on_this_cpu();
    std::vector<void *> blocks(30000);
    work_in_bulk(blocks, kBytes);
    left = hz4_depot_blocks(hz_class_of(kBytes));
  }).join();
  EXPECT_LE(left, 4 * HZ4_MAGAZINE_CAP_MAX) << "but for what left before it was a bulk";
}

// fork stops the other threads wherever they are, amid a sequence, a swap or a hand-over: what they
// had in hand is lost, but nothing is in two places (init.c says why).
TEST(Front, ChildOfAForkHasEveryBlockOnce) {
  std::atomic<bool> stop{false};
  // Blocks of few classes, freed by whoever comes by: the depot is busy.
  std::atomic<void *> slots[256] = {};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      uint32_t state = t + 1;
      while (!stop)
        for (unsigned i = 0; i < 300; i++) {
          state = state * 1664525u + 1013904223u;
          void *mine[150];
          unsigned n = 1 + (state >> 9) % 150;
          for (unsigned k = 0; k < n; k++)
            mine[k] = alloc((state & 1024) ? 200 : 3000);
          for (unsigned k = 0; k < n; k++)
            release(slots[((state >> 3) + k) & 255].exchange(mine[k]));
        }
    });
  uint64_t most = 0;
  for (int i = 0; i < 60; i++) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      uint64_t blocks = 0;
      bool once = everything_is_in_one_place(&blocks);
      bool told = write(pipe_ends[1], &blocks, sizeof blocks) == sizeof blocks;
      _exit(!once ? 1 : !told ? 2 : all_valid() ? 0 : 3);
    }
    uint64_t blocks = 0;
    close(pipe_ends[1]);
    EXPECT_EQ(read(pipe_ends[0], &blocks, sizeof blocks), (ssize_t)sizeof blocks);
    close(pipe_ends[0]);
    most = std::max(most, blocks);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "round " << i << " status " << status;
  }
  EXPECT_GT(most, 100u) << "there was something to look at";
  stop = true;
  for (std::thread &t : threads)
    t.join();
  for (auto &slot : slots)
    release(slot);
}

// A child may find bins that a thread which is no more had stopped: they serve again.
TEST(Front, ChildOfAForkAmidADrainWorksOn) {
  if (hz4_front.mode != HZ4_FRONT_CPU)
    GTEST_SKIP() << "a promise of the CPUs' bins";
  std::atomic<bool> stop{false};
  std::thread drainer([&] {
    while (!stop)
      hz4_cpu_drain_all();
  });
  std::thread noise([&] { run_workers(2, 1 << 30, &stop); });
  auto is_closed = [](struct hz4_cache *c, void *closed) {
    for (unsigned cls = 0; cls < HZ_CLASS_COUNT; cls++)
      if (c->top[cls] == HZ4_TOP_STOPPED || c->prev[cls] == HZ4_TOP_STOPPED)
        *(bool *)closed = true;
    if (c->draining)
      *(bool *)closed = true;
  };
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool closed = false;
      hz4_cpu_caches_each(is_closed, &closed);
      run_workers(1, 1000);
      size_t drained = hz4_cpu_drain_all();
      _exit(closed ? 1 : drained == 0 ? 2 : all_valid() ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "round " << i << " status " << status;
  }
  stop = true;
  noise.join();
  drainer.join();
  EXPECT_TRUE(all_valid());
}

uint64_t thread_time_ns() {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Sleeping threads keep little of what they freed, and others get it back.
TEST(Front, MemoryComesBackFromSleepers) {
  std::atomic<int> done{0};
  std::atomic<bool> go_home{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++)
    threads.emplace_back([&] {
      std::vector<void *> v;
      for (int i = 0; i < 4000; i++) {
        v.push_back(alloc(512 + (size_t)(i % 16) * 512));
        memset(v.back(), 1, 512 + (size_t)(i % 16) * 512);
      }
      for (void *p : v)
        release(p);
      done++;
      while (!go_home)
        usleep(1000);
    });
  while (done < 8)
    usleep(1000);
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  // Ordinary work: blocks up to 4 KiB, some dozens alive. One that only takes back what it just
  // gave never leaves the hot paths, and then nobody looks at the clock.
  void *alive[64] = {};
  uint32_t r = 1;
  // Ten milliseconds of this thread's own time: on a busy machine ten of the clock may be no work.
  for (uint64_t until = thread_time_ns() + 10000000; thread_time_ns() < until;) {
    r = r * 1664525u + 1013904223u;
    void **slot = &alive[r >> 26];
    if (*slot)
      release(*slot);
    *slot = alloc(16 + (r >> 8) % 4000);
  }
  for (void *p : alive)
    if (p)
      release(p);
  struct hz_stats stats;
  hz4_stats(&stats);
  // What sleepers keep in bins of their own is bounded by half of CACHE_MAX; CPUs' bins are
  // drained.
  EXPECT_LT(stats.cached_thread_bytes, hz4_front.mode != HZ4_FRONT_CPU ? 16u << 20 : 4u << 20);
  EXPECT_LT(stats.cached_shared_bytes, 2u << 20);
  go_home = true;
  for (std::thread &t : threads)
    t.join();
}

TEST(Front, TrimGivesEverythingBack) {
  run_workers(4, 20000);
  hz4_trim_all();
  struct hz_stats stats;
  hz4_stats(&stats);
  EXPECT_LT(stats.cached_thread_bytes + stats.cached_shared_bytes, 1u << 20);
  EXPECT_EQ(stats.arena.free_dirty_bytes, 0u);
}

} // namespace
