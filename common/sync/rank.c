// The order of locks, checked for each thread in debug builds. In a file of its own so that only
// those builds link it and pay its thread-local words.
#include "common/sync/lock.h"

#include "common/fail/fail.h"

// Invariants, for the thread that owns them:
//   held[r] == number of locks of rank r that this thread holds
//   highest[r] == the highest address among those taken since held[r] was last 0
static __thread unsigned held[HZ_RANK_COUNT];
static __thread uintptr_t highest[HZ_RANK_COUNT];

void hz_lock_rank_enter(const struct hz_lock *lock, enum hz_lock_rank rank) {
  if ((unsigned)rank == 0 || (unsigned)rank >= HZ_RANK_COUNT)
    hz_fail_assert("lock rank is known", __FILE__, __LINE__);
  for (unsigned above = (unsigned)rank + 1; above < HZ_RANK_COUNT; above++)
    if (held[above] != 0)
      hz_fail_assert("locks are taken in rising rank", __FILE__, __LINE__);
  if (held[rank] != 0 && (uintptr_t)lock <= highest[rank])
    hz_fail_assert("locks of one rank are taken in rising address", __FILE__, __LINE__);
  held[rank]++;
  highest[rank] = (uintptr_t)lock;
}

void hz_lock_rank_leave(const struct hz_lock *lock, enum hz_lock_rank rank) {
  (void)lock;
  if ((unsigned)rank >= HZ_RANK_COUNT || held[rank] == 0)
    hz_fail_assert("a released lock was held by this thread", __FILE__, __LINE__);
  if (--held[rank] == 0)
    highest[rank] = 0;
}

void hz_lock_ranks_forget(void) {
  for (unsigned rank = 0; rank < HZ_RANK_COUNT; rank++) {
    held[rank] = 0;
    highest[rank] = 0;
  }
}
