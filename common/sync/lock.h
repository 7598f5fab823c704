// A futex lock of four bytes, with ranks. It never spins: threads outnumber cores, and the holder
// may be the thread that was descheduled. Three states, after Drepper, "Futexes are tricky" (2011).
//
// Rules: never held across a system call or a call-back (fork's handlers excepted); taken in rising
// rank, and within a rank in rising address (fork's handlers take every lock there is; nobody else
// holds two of a rank). Debug builds check both. Zero-initialised memory is an unlocked lock.
//
// Owns: nothing but the word it is given. Thread rule: any thread; not in signal handlers, unless
// by hz_lock_try. fork: the handlers of a generation acquire all locks before, release them in the
// parent and reset them in the child.
#ifndef HZ_COMMON_SYNC_LOCK_H_
#define HZ_COMMON_SYNC_LOCK_H_

#include "common/base/units.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

// Every lock of every generation has one of these ranks; a lock is taken only while locks of lower
// ranks are held.
enum hz_lock_rank {
  HZ_RANK_THREADS = 1, // list of thread caches
  HZ_RANK_CENTRAL,     // span lists of one class
  HZ_RANK_SLAB,        // metadata of spans
  HZ_RANK_LARGE,       // cache of large blocks
  HZ_RANK_RUNS,        // free runs of the arena
  HZ_RANK_META,        // memory for metadata
  HZ_RANK_COUNT,
};

struct hz_lock {
  uint32_t state; // 0 free, 1 held, 2 held and somebody may wait
};
_Static_assert(sizeof(struct hz_lock) == 4, "what a futex is");

// The two ends that a contended lock reaches; not for direct use.
void hz_lock_slow(struct hz_lock *lock);
void hz_unlock_slow(struct hz_lock *lock);

// The checks of debug builds; a violation is fatal (hz_fail_assert). Linked only where they are
// called.
void hz_lock_rank_enter(const struct hz_lock *lock, enum hz_lock_rank rank);
void hz_lock_rank_leave(const struct hz_lock *lock, enum hz_lock_rank rank);
void hz_lock_ranks_forget(void);

// Effect: waits until the lock is ours.
HZ_INLINE void hz_lock_acquire(struct hz_lock *lock, enum hz_lock_rank rank) {
  if (HZ_DEBUG)
    hz_lock_rank_enter(lock, rank);
  uint32_t seen = 0;
  // Acquire: pairs with the release in hz_lock_release, so that the last holder's writes are seen.
  if (HZ_UNLIKELY(!hz_cas_acquire(&lock->state, &seen, 1u)))
    hz_lock_slow(lock);
#if defined(__SANITIZE_THREAD__)
  (void)hz_load_acquire(&lock->state); // the long way may lie in code that the sanitizer cannot see
#endif
}

// Returns: whether it was free and now is ours; never waits.
HZ_INLINE bool hz_lock_try(struct hz_lock *lock, enum hz_lock_rank rank) {
  uint32_t seen = 0;
  if (!hz_cas_acquire(&lock->state, &seen, 1u))
    return false; // order: as in hz_lock_acquire
  if (HZ_DEBUG)
    hz_lock_rank_enter(lock, rank);
  return true;
}

HZ_INLINE void hz_lock_release(struct hz_lock *lock, enum hz_lock_rank rank) {
  if (HZ_DEBUG)
    hz_lock_rank_leave(lock, rank);
  // Release: pairs with the acquires above.
  if (HZ_UNLIKELY(hz_exchange_release(&lock->state, 0u) == 2))
    hz_unlock_slow(lock);
}

// In a forked child, whose only thread is the one that forked and held every lock: open again.
// Relaxed: there is no other thread.
HZ_INLINE void hz_lock_reset_after_fork(struct hz_lock *lock) {
  hz_store_relaxed(&lock->state, 0u);
  if (HZ_DEBUG)
    hz_lock_ranks_forget();
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_SYNC_LOCK_H_
