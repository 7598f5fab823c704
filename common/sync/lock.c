// The two ends of a contended lock; see lock.h.
#include "common/sync/lock.h"

#include "common/os/syscall.h"

#include <linux/futex.h>

HZ_COLD void hz_lock_slow(struct hz_lock *lock) {
  // From here on the word says 2 while we hold it, even if we turn out to be the only one who
  // waited: we cannot know. Costs one needless wake at most. Acquire: as in hz_lock_acquire;
  // partner: the release in hz_lock_release.
  while (hz_exchange_acquire(&lock->state, 2u) != 0) {
    // Returns at once (EAGAIN) if the word is no longer 2; EINTR and false wakes go round again.
    hz_syscall4(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, 0);
  }
}

HZ_COLD void hz_unlock_slow(struct hz_lock *lock) {
  // The word may be anybody's by now, even unmapped with what it guarded: waking needs no access.
  hz_syscall3(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}
