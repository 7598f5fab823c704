// The front end of threads with caches of their own.
//
// Owns: the lists of caches, their reuse by later threads. Thread rule: a cache is its thread's
// alone; the lists have a lock (HZ_RANK_THREADS). What a thread that sleeps for ever keeps is
// bounded by its quota (bound.h), and by the number of CPUs where the caches of CPUs are to be had
// (front.h).
//
//   owned ──leave──▶ left ──the next thread──▶ owned         as it is; at most as many as CPUs
//     │                └────the tick──▶ owned ──put──▶ ...   after half a second
//     └────put────▶ unowned ──the next thread──▶ owned       empty
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

// Returns: a cache for this thread, the one that was left last or an empty one; NULL when the OS
// refuses metadata.
struct hz4_cache *hz4_thread_cache_get(void);
// Effect: empties the cache; it is nobody's. Requires: the calling thread's, or one that no thread
// works on any more.
void hz4_thread_cache_put(struct hz4_cache *c);
// What nobody has taken for so long is emptied at the next round.
#define HZ4_LEFT_MS 500u
// Effect: the cache is left as it is to the next thread that asks for one, unless `most` are left
// so already. Returns: false in the latter case: it is the caller's as before. Requires: the
// calling thread's.
bool hz4_thread_cache_leave(struct hz4_cache *c, unsigned most);
// Effect: empties those that were left by then (ms).
void hz4_thread_left_empty(uint64_t by_ms);
// Effect: the cache's empty magazines are anybody's. Requires: the caller's.
void hz4_thread_spares_put(struct hz4_cache *c);
// Effect: empties the bins of the cache. Requires: as above.
void hz4_thread_empty(struct hz4_cache *c);

// Effect: calls visit for each cache that has an owner or was left by one. Lock held meanwhile.
void hz4_thread_caches_each(void (*visit)(struct hz4_cache *c, void *context), void *context);
unsigned hz4_thread_caches(void); // that have an owner

// fork: the child puts the caches of the threads that are no more back, its own excepted.
void hz4_thread_before_fork(void);
void hz4_thread_after_fork_parent(void);
void hz4_thread_after_fork_child(struct hz4_cache *own);

HZ_EXTERN_C_END

#endif // HZ4_FRONT_THREAD_H_
