// Whose bins serve a thread: of which set its short blocks are, who may have a crowd's bins, and
// what a thread that ends leaves to the next.
#include <sched.h>

#include <cstdlib>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "common/os/os.h"
#include "hz4/bound.h"
#include "hz4/front.h"
#include "hz4/route.h"
#include "hz4/tick.h"
#include "gtest/gtest.h"

namespace {

void *alloc(size_t bytes) {
  return hz4_alloc(bytes, HZ_API_MALLOC);
}
void release(void *p) {
  hz4_free(p, HZ_API_FREE);
}
std::vector<void *> allocs(size_t count, size_t bytes) {
  std::vector<void *> blocks(count);
  for (void *&p : blocks)
    p = alloc(bytes);
  return blocks;
}
unsigned class_of(const void *p) {
  return hz_arena.granules[hz_granule_of(p)].tag;
}
uintptr_t line_of(const void *p) {
  return reinterpret_cast<uintptr_t>(p) / HZ_LINE_BYTES;
}

// Where the process may run.
const cpu_set_t allowed = [] {
  cpu_set_t all;
  CPU_ZERO(&all);
  (void)sched_getaffinity(0, sizeof all, &all);
  return all;
}();

// The calling thread, for the rest of its life. Returns: whether there is an n-th CPU.
bool stay_on_cpu(unsigned n) {
  cpu_set_t one;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      return sched_setaffinity(0, sizeof one, &one) == 0;
    }
  return false;
}

// A thread that has allocated, and waits for the end of its scope.
class Bystander {
public:
  Bystander()
      : thread_([this] {
          release(alloc(100));
          ready_.set_value();
          end_.get_future().wait();
        }) {
    ready_.get_future().wait();
  }
  ~Bystander() {
    end_.set_value();
    thread_.join();
  }

private:
  std::promise<void> ready_, end_;
  std::thread thread_;
};

// Two threads hold blocks of 24 bytes. Whichever frees the other's, no line is in both hands.
TEST(Owners, ThreadsTakeShortBlocksFromLinesOfTheirOwn) {
  constexpr size_t kBytes = 24;
  std::set<uintptr_t> theirs, mine;
  bool two = true;
  unsigned sets[2] = {};
  std::thread([&] {
    two = stay_on_cpu(0);
    std::vector<void *> a = allocs(600, kBytes);
    sets[0] = class_of(a[0]);
    for (size_t i = 0; i < a.size(); i += 2) {
      mine.insert(line_of(a[i]));
      std::swap(a[i / 2], a[i]);
    }
    std::vector<void *> kept(a.begin(), a.begin() + 300);
    std::vector<void *> others(a.begin() + 300, a.end());
    std::thread([&] {
      two = stay_on_cpu(1) && two;
      // The first finds out whose bins these are.
      sets[1] = class_of(allocs(2, kBytes)[1]);
      for (size_t i = 0; i < others.size(); i++)
        if (i % 2)
          hz4_free_sized(others[i], 0, kBytes, HZ_API_DELETE);
        else
          release(others[i]);
      for (void *p : allocs(3000, kBytes))
        theirs.insert(line_of(p));
    }).join();
    for (void *p : kept)
      mine.insert(line_of(p));
  }).join();
  if (!two)
    GTEST_SKIP() << "two CPUs are needed";
  EXPECT_NE(sets[0], sets[1]);
  EXPECT_TRUE(hz_class_same_size(sets[0], sets[1]));
  for (uintptr_t line : theirs)
    ASSERT_EQ(mine.count(line), 0u);
}

TEST(OwnersDeathTest, AWrongSizeOfABlockOfAnotherSetIsNamed) {
  if (HZ_FAST)
    GTEST_SKIP() << "this variant does not look";
  void *p = nullptr;
  std::thread([&] { p = alloc(40); }).join();
  EXPECT_DEATH(hz4_free_sized(p, 0, 24, HZ_API_DELETE), "^hz4: size mismatch: 0x");
  hz4_free_sized(p, 0, 40, HZ_API_DELETE);
}

// A thread that only frees gathers whole magazines, so that others take many blocks at once.
TEST(Owners, AThreadThatOnlyFreesGathersMagazines) {
  constexpr size_t kBytes = 112;
  const unsigned cls = hz_class_of(kBytes);
  std::vector<void *> blocks = allocs(4000, kBytes);
  unsigned cap = 0;
  std::thread([&] {
    stay_on_cpu(0);
    for (void *p : blocks)
      release(p);
    const struct hz4_cache *c =
        hz4_self.state == HZ4_STATE_CPU ? hz4_cpu_here() : (struct hz4_cache *)hz4_self.cache;
    cap = c->cap[cls];
  }).join();
  EXPECT_GE(cap, HZ4_MAGAZINE_CAP_MAX / 2);
}

// A class that is asked for by its alignment is of set 0 everywhere, and found where it was freed.
TEST(Owners, AlignedShortBlocksHaveTheirBinOnEveryCpu) {
  std::thread([] {
    if (!stay_on_cpu(1))
      GTEST_SKIP() << "two CPUs are needed";
    std::vector<void *> blocks(3000); // more than the bin has from before
    for (void *&p : blocks) {
      p = hz4_alloc_aligned(32, 32, HZ_API_ALIGNED_ALLOC);
      ASSERT_EQ(class_of(p), hz_class_of_aligned(32, 32));
    }
    for (void *p : blocks)
      release(p);
  }).join();
}

TEST(Owners, ACrowdThatIsGoneIsRememberedForAWhile) {
  release(alloc(100));
  if (hz4_front.mode != HZ4_FRONT_AUTO)
    GTEST_SKIP() << "here no crowd changes anything";
  {
    std::vector<Bystander> crowd(hz4_front.limit);
    EXPECT_EQ(hz4_front.crowded, 1u);
    release(alloc(50000)); // a slow path
    EXPECT_EQ(hz4_self.state, HZ4_STATE_CPU);
  }
  ASSERT_LE(hz4_front.threads, hz4_front.limit);
  hz4_front_tick(hz4_front.crowd_ms + 499);
  EXPECT_EQ(hz4_front.crowded, 1u);
  std::thread([] {
    release(alloc(100));
    EXPECT_EQ(hz4_self.state, HZ4_STATE_CPU);
  }).join();
  hz4_front_tick(hz4_front.crowd_ms + 500);
  EXPECT_EQ(hz4_front.crowded, 0u);
  std::thread([] {
    release(alloc(100));
    EXPECT_EQ(hz4_self.state, HZ4_STATE_OWN);
  }).join();
  // Who was of the crowd changes back at its next slow path.
  std::vector<void *> blocks = allocs(2000, 112);
  EXPECT_EQ(hz4_self.state, HZ4_STATE_OWN);
  for (void *p : blocks)
    release(p);
}

// The bytes in the caches of threads, alive or ended.
size_t cached_bytes() {
  size_t bytes = 0;
  hz4_thread_caches_each(
      [](struct hz4_cache *c, void *sum) { *static_cast<size_t *>(sum) += hz4_cache_bytes(c); },
      &bytes);
  return bytes;
}

// Effect: a thread frees a block of this size into its own bins and ends. Returns: the block.
void *end_with_a_block(size_t bytes) {
  void *p = nullptr;
  std::thread([&] {
    p = alloc(bytes);
    release(p);
  }).join();
  return p;
}

class Left : public testing::Test {
protected:
  void SetUp() override {
    release(alloc(100));
    hz4_front_tick(UINT64_MAX); // no crowd
    if (hz4_front.mode == HZ4_FRONT_CPU || hz4_front.limit < 3)
      GTEST_SKIP() << "here threads own nothing, or three are a crowd";
    hz4_thread_left_empty(UINT64_MAX);
  }
};

TEST_F(Left, TheNextThreadWorksOnWhereTheLastOneStopped) {
  constexpr size_t kBytes = 3000;
  Bystander other;
  for (int i = 0; i < 20; i++) {
    void *left = end_with_a_block(kBytes), *found = nullptr;
    std::thread([&] { release(found = alloc(kBytes)); }).join();
    EXPECT_EQ(found, left);
  }
}

TEST_F(Left, IsEmptiedWhenNobodyCame) {
  Bystander other;
  const size_t before = cached_bytes();
  end_with_a_block(100000);
  const size_t after = cached_bytes();
  EXPECT_GE(after, before + 100000);
  const uint64_t now_ms = hz_os_now_ms();
  hz4_thread_left_empty(now_ms - 1000);
  EXPECT_EQ(cached_bytes(), after) << "too soon";
  hz4_thread_left_empty(hz_os_now_ms());
  EXPECT_LT(cached_bytes(), before + 100000);
}

TEST_F(Left, OfTheLastThreadNothing) {
  const size_t before = cached_bytes();
  end_with_a_block(100000);
  EXPECT_LT(cached_bytes(), before + 100000);
}

// Whichever of them is the last.
TEST_F(Left, OfThreadsThatEndTogetherNothing) {
  for (int round = 0; round < 200; round++) {
    const size_t before = cached_bytes();
    std::thread a([] { release(alloc(100000)); }), b([] { release(alloc(100000)); });
    a.join();
    b.join();
    ASSERT_LT(cached_bytes(), before + 100000) << round;
  }
}

TEST_F(Left, IsEmptiedByARoundOfTheTick) {
  Bystander other;
  const size_t before = cached_bytes();
  hz4_tick_state.due_ms = UINT64_MAX;
  end_with_a_block(100000);
  ASSERT_GE(cached_bytes(), before + 100000);
  EXPECT_LE(hz4_tick_state.due_ms, hz_os_now_ms() + HZ4_LEFT_MS)
      << "however far the rounds are apart";
  hz4_tick_state.due_ms = 1;
  hz4_tick_run(hz_os_now_ms() + HZ4_LEFT_MS);
  EXPECT_LT(cached_bytes(), before + 100000);
}

TEST_F(Left, AtMostSoMany) {
  Bystander other;
  const unsigned most = 2;
  for (int round = 0; round < 2; round++) {
    std::vector<struct hz4_cache *> caches;
    for (unsigned i = 0; i < most + 2; i++)
      caches.push_back(hz4_thread_cache_get());
    unsigned kept = 0;
    for (struct hz4_cache *c : caches)
      if (hz4_thread_cache_leave(c, most))
        kept++;
      else
        hz4_thread_cache_put(c);
    EXPECT_EQ(kept, most) << round;
    hz4_thread_left_empty(UINT64_MAX);
  }
}

} // namespace
