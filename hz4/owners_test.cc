// Whose bins serve a thread: of which set its short blocks are, and what it gathers for others.
#include <sched.h>

#include <set>
#include <thread>
#include <vector>

#include "hz4/front.h"
#include "hz4/route.h"
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
  if (!two && hz4_front.mode == HZ4_FRONT_CPU)
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

} // namespace
