// Freed blocks of classes wait here before they may be reused: first in, first out.
//
// Owns: a quarantine for each thread that frees. Does not own what a block must be like meanwhile.
// Thread rule: a quarantine is its thread's; one of an ended thread is the next thread's, with what
// it holds. What all hold together is bounded: each has an equal part, and 64 blocks at the most.
//
//   slot    [ ... | newest | oldest | ... ]      a block takes the place of the one that waited
//                            hand                longest, which is the caller's to give away
//
// A forked child gives on what threads that are no more had here, wherever they stood. So a block
// leaves its slot before it is given away: the worst that can happen is that nobody has it.
#ifndef HZ_COMMON_GUARD_QUARANTINE_H_
#define HZ_COMMON_GUARD_QUARANTINE_H_

#include "common/guard/guard.h"
#include "common/sizeclass/sizeclass.h"

HZ_EXTERN_C_BEGIN

enum { HZ_QUARANTINE_BLOCKS = 64 };

// Invariants: hand < HZ_QUARANTINE_BLOCKS; bytes == the sum of the sizes of the blocks in it.
struct hz_quarantine {
  uint64_t slot[HZ_QUARANTINE_BLOCKS]; // class << 56 | address; 0: empty
  uint32_t hand;
  size_t bytes;
  struct hz_quarantine *next; // all there ever were
  struct hz_quarantine *next_unowned;
};

// Never NULL: one that is over its bounds for ever before a thread has its own, and after its exit.
extern HZ_HIDDEN __thread struct hz_quarantine *hz_quarantine_mine;
extern HZ_HIDDEN size_t hz_quarantine_most_bytes; // of each; changes when threads come

HZ_INLINE unsigned hz_quarantined_class(uint64_t slot) {
  return (unsigned)(slot >> 56);
}
HZ_INLINE void *hz_quarantined(uint64_t slot) {
  return (void *)(uintptr_t)(slot & (UINT64_MAX >> 8));
}

// Effect: p waits, and *old is whom it replaces, 0 for nobody. Requires: cls and have are p's.
// Returns: false when more than that is to be done (hz_quarantine_push); then nothing is.
HZ_INLINE bool hz_quarantine_swap(void *p, unsigned cls, size_t have, uint64_t *old) {
  struct hz_quarantine *q = hz_quarantine_mine;
  uint32_t hand = q->hand;
  *old = q->slot[hand];
  size_t bytes = q->bytes + have - hz_class_bytes(hz_quarantined_class(*old));
  if (HZ_UNLIKELY(bytes > hz_load_relaxed(&hz_quarantine_most_bytes)))
    return false;
  q->slot[hand] = (uint64_t)cls << 56 | (uintptr_t)p;
  q->hand = (hand + 1) % HZ_QUARANTINE_BLOCKS;
  q->bytes = bytes;
  hz_signal_fence(); // see above
  return true;
}

// Effect: p waits; who has waited long enough is given to the generation.
void hz_quarantine_push(void *p, unsigned cls, enum hz_api api);
// Effect: the calling thread's is empty. Returns: whether there was anything.
bool hz_quarantine_empty(enum hz_api api);
// Effect: the same, and the thread gets no other.
void hz_quarantine_leave(void);

// In a forked child. Requires: the guard's lock.
void hz_quarantine_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ_COMMON_GUARD_QUARANTINE_H_
