// The bound on cached bytes.
#include "hz3/tick.h"

#include "common/os/os.h"
#include "hz3/init.h"
#include "hz3/route.h"
#include "hz3/shelf.h"
#include "hz3/transfer.h"
#include "gtest/gtest.h"

namespace {

// What all shelves together may hold; the one of this CPU is there.
size_t shelves_limit() {
  EXPECT_TRUE(hz3_init_ensure());
  EXPECT_NE(hz3_shelf_here(nullptr), nullptr);
  size_t count = 0;
  for (const hz3_shelf *s : hz3_shelves)
    count += s != nullptr;
  return count * hz3_shelf_limit_bytes;
}

size_t transfer_limit() {
  size_t sum = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    sum += hz3_transfer[cls].limit * hz_class_bytes(cls);
  return sum;
}

// A tick that finds so much on the shelf of this CPU.
void tick_with_on_shelf(uint64_t bytes) {
  hz3_shelf_here(nullptr)->bytes = bytes; // counted anew by the tick
  hz3_tick_now(hz_os_now_ms());
}

TEST(Tick, WhatMayWaitKeepsToItsPartOfTheBound) {
  (void)shelves_limit();
  for (unsigned step : {1u, 3u, HZ_CLASS_REQUEST_LAST - 1}) {
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls += step)
      hz3_transfer_ask(cls);
    tick_with_on_shelf(hz3_bound_bytes / 8);
    EXPECT_LE(transfer_limit(), hz3_bound_bytes / 8);
    EXPECT_GT(transfer_limit(), HZ_MIB);
  }
}

TEST(Tick, ShelvesThatLieIdleLendToTheTransferLayer) {
  (void)shelves_limit();
  tick_with_on_shelf(0); // the first one does not tell
  for (bool idle : {true, false, true}) {
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      hz3_transfer_ask(cls);
    tick_with_on_shelf(idle ? 0 : hz3_bound_bytes / 8);
    const size_t eighth = hz3_bound_bytes / 8;
    EXPECT_LE(shelves_limit() + transfer_limit(), 3 * eighth);
    EXPECT_LE(shelves_limit(), idle ? eighth : 2 * eighth);
    EXPECT_GT(shelves_limit(), (idle ? eighth : 2 * eighth) - HZ_KIB);
    EXPECT_EQ(transfer_limit() > eighth, idle);
  }
}

TEST(Tick, ShelvesDoWithoutWhatTheTransferLayerHasNotGivenBack) {
  (void)shelves_limit();
  const unsigned cls = hz_class_of(8000);
  const size_t eighth = hz3_bound_bytes / 8;
  const auto waiting = static_cast<uint32_t>(eighth * 3 / 2 / hz_class_bytes(cls));
  hz3_transfer[cls].blocks += waiting; // half of its part too much
  tick_with_on_shelf(eighth);
  EXPECT_LE(shelves_limit(), eighth * 3 / 2 + hz_class_bytes(cls));
  EXPECT_GE(shelves_limit(), eighth);
  EXPECT_LE(transfer_limit(), eighth);
  hz3_transfer[cls].blocks -= waiting;
  tick_with_on_shelf(eighth);
  EXPECT_GT(shelves_limit(), 2 * eighth - HZ_KIB);
}

TEST(Tick, WhatWasAskedForMoreMayWaitMore) {
  (void)shelves_limit();
  const unsigned much = hz_class_of(4000), little = hz_class_of(3000), none = hz_class_of(5000);
  for (int i = 0; i < 100; i++) {
    hz3_transfer_ask(much);
    if (i % 20 == 0)
      hz3_transfer_ask(little);
  }
  hz3_tick_now(hz_os_now_ms());
  EXPECT_GT(hz3_transfer[much].limit, 4 * hz3_transfer[little].limit);
  EXPECT_GT(hz3_transfer[little].limit, 4 * hz3_transfer[none].limit);
  hz3_tick_now(hz_os_now_ms()); // nobody asked since
  EXPECT_LE(hz3_transfer[much].limit * hz_class_bytes(much), 16 * HZ_KIB);
}

TEST(Tick, CreditIsRefusedBeyondTheBoundAndComesBack) {
  ASSERT_TRUE(hz3_init_ensure());
  uint64_t before = hz3_credit_used;
  EXPECT_FALSE(hz3_credit_take(32 * HZ_MIB));
  size_t taken = 0;
  while (taken < 64 * HZ_MIB && hz3_credit_take(256 * HZ_KIB))
    taken += 256 * HZ_KIB;
  EXPECT_LE(hz3_credit_used, hz3_bound_bytes / 8 * 5);
  EXPECT_GT(taken, 8 * HZ_MIB);
  hz3_credit_give(taken);
  EXPECT_EQ(hz3_credit_used, before);
}

TEST(Tick, TheBoundFollowsTheLiveBytes) {
  ASSERT_TRUE(hz3_init_ensure());
  hz3_tick_now(hz_os_now_ms());
  EXPECT_EQ(hz3_bound_bytes, 32 * HZ_MIB);
  void *large = hz3_alloc(400 * HZ_MIB, HZ_API_MALLOC); // never touched
  ASSERT_NE(large, nullptr);
  hz3_tick_now(hz_os_now_ms());
  EXPECT_GE(hz3_bound_bytes, 80 * HZ_MIB);
  hz3_free(large, HZ_API_FREE);
  hz3_tick_now(hz_os_now_ms());
  EXPECT_EQ(hz3_bound_bytes, 32 * HZ_MIB);
}

// A thread that could have one block of each of its classes does better to leave them to all.
TEST(Tick, WhereBinsAreOfLittleUseShelvesHaveTheirPart) {
  (void)shelves_limit();
  const uint32_t alive = hz3_threads_alive;
  hz3_threads_alive = 16;
  // Tenths of a thread's five eighths that its classes take for one block each; and whether bins
  // then have little. Who has two eighths cannot use more.
  const struct {
    uint64_t spread;
    bool few;
  } ticks[] = {{4, false}, {6, true}, {4, true}, {1, false}, {4, false}};
  for (const auto &[spread, few] : ticks) {
    hz3_spread_most = hz3_bound_bytes / 8 * 5 / 16 * spread / 10;
    tick_with_on_shelf(hz3_bound_bytes / 8); // enough that they lend nothing
    EXPECT_EQ(hz3_credit_quota(), hz3_bound_bytes / 8 * (few ? 2 : 5) / 16) << spread;
    EXPECT_LE(shelves_limit() + hz3_credit_used, hz3_bound_bytes / 8 * 7);
    EXPECT_GE(shelves_limit(), hz3_bound_bytes / 8 * (few ? 4 : 2) - HZ_KIB);
  }
  hz3_threads_alive = alive;
}

} // namespace
