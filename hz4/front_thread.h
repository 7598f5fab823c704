// The front end of threads with caches of their own.
//
// Owns: the list of caches, their reuse by later threads. Thread rule: a cache is its thread's
// alone; the list has a lock (HZ_RANK_THREADS). A cache goes back at thread exit, empty; what a
// thread that sleeps for ever keeps is bounded by its quota (bound.h), and by the number of CPUs
// where the caches of CPUs are to be had (front.h).
#ifndef HZ4_FRONT_THREAD_H_
#define HZ4_FRONT_THREAD_H_

#include "hz4/exchange.h"

HZ_EXTERN_C_BEGIN

// The hot path.
HZ_INLINE void *hz4_thread_pop(struct hz4_cache *c, intptr_t bin) {
  void ***at = hz4_bin(c, bin);
  HZ_IN_REGISTER(at);
  void **top = *at;
  void *p = *top;
  if (HZ_LIKELY(p != NULL))
    *at = top - 1;
  return p; // NULL: the slow path's turn
}

// Slow paths.
void *hz4_thread_miss(unsigned cls);
void hz4_thread_overflow(unsigned cls, void *p);

// Returns: an empty cache for this thread; NULL when the OS refuses metadata.
struct hz4_cache *hz4_thread_cache_get(void);
// Effect: empties the cache; it is nobody's. Requires: the calling thread's, or a vanished
// thread's.
void hz4_thread_cache_put(struct hz4_cache *c);
// Effect: empties the bins of the calling thread's cache.
void hz4_thread_empty(struct hz4_cache *c);

// Effect: calls visit for each cache that has an owner. Lock held meanwhile.
void hz4_thread_caches_each(void (*visit)(struct hz4_cache *c, void *context), void *context);
unsigned hz4_thread_caches(void);

// fork: the child puts the caches of the threads that are no more back, its own excepted.
void hz4_thread_before_fork(void);
void hz4_thread_after_fork_parent(void);
void hz4_thread_after_fork_child(struct hz4_cache *own);

HZ_EXTERN_C_END

#endif // HZ4_FRONT_THREAD_H_
