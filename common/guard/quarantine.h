// Freed blocks of classes wait here before they may be reused: first in, first out.
//
// Owns: a quarantine for each thread that frees. Does not own what a block must be like meanwhile.
// Thread rule: a quarantine is its thread's; one of an ended thread is the next thread's, with what
// it holds. What all hold together is bounded: each has an equal part, and 64 blocks at the most.
#ifndef HZ_COMMON_GUARD_QUARANTINE_H_
#define HZ_COMMON_GUARD_QUARANTINE_H_

#include "common/guard/guard.h"

// Effect: p waits; who has waited long enough is given to the generation.
void hz_quarantine_push(void *p, unsigned cls, enum hz_api api);
// Effect: the calling thread's is empty. Returns: whether there was anything.
bool hz_quarantine_empty(enum hz_api api);
// Effect: the same, and the thread gets no other.
void hz_quarantine_leave(void);

// In a forked child. Requires: the guard's lock.
void hz_quarantine_after_fork_child(void);

#endif // HZ_COMMON_GUARD_QUARANTINE_H_
