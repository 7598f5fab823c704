// What happens now and then rather than at each call: the bound on cached bytes, and ageing.
//
// Owns: the bound, the credit of threads' bins, the time of the last tick. No thread of its own:
// the slow paths of whoever is active call hz3_tick_maybe at batch boundaries. Thread rule: any
// thread, any time, no lock held (a tick may purge memory).
//
// Bound on cached bytes, threads' bins, shelves and transfer layer together:
//   resident part of what is cached  <=  max(HZ3_CACHE_MAX, a fifth of the bytes out of spans or
//   large)       (cached <= out/5 and out == live + cached  =>  cached <= live/4)
//   bound == that / the resident part of the memory in spans (sampled; a block that the program
//   never touches costs an address and no memory, so more of them may be kept)
//   bins:      sum over all threads of capacity * block size  == hz3_credit_used   <= 5/8 bound
//   shelves:   sum over CPUs of bytes                                           <= 2/8 bound
//              (2/8 and 5/8 where a thread's part would be less than two blocks of each class that
//              it uses: 16 threads on 2 CPUs with blocks up to 128 KiB)
//   transfer:  sum over classes of limit * block size                           <= 1/8 bound
//              (and half of the shelves' part while next to nothing lies on them; until what was
//              lent has left again, shelves do without); each class as often as it was asked for
//              since the last tick
// A bin can hold no more than its capacity, so a thread that sleeps for ever holds no more than it
// was granted, an equal part of the credit: by construction, at no cost for free.
#ifndef HZ3_TICK_H_
#define HZ3_TICK_H_

#include "common/base/units.h"
#include "common/sync/atomic.h"
#include "hz3/shape.h"

HZ_EXTERN_C_BEGIN

extern HZ_HIDDEN uint64_t hz3_bound_bytes;   // recomputed by ticks
extern HZ_HIDDEN uint64_t hz3_credit_used;   // by all bins of all threads
extern HZ_HIDDEN uint32_t hz3_threads_alive; // caches in use
// The largest spread (cache.h) of a thread since the last tick, by and by; it steers how bins and
// shelves share the bound.
extern HZ_HIDDEN uint64_t hz3_spread_most;
extern HZ_HIDDEN uint32_t hz3_tick_count; // intervals that ended in a tick, or passed without

// Returns: whether the program holds less than an eighth of what it held at its recent peak, and
// the difference matters: then blocks in bins hold spans that would be free.
bool hz3_heap_is_receding(void);
// Returns: by how many bytes it must have fallen before that is worth another look.
uint64_t hz3_heap_recedes_by(void);

// Effect: `bytes` of capacity are granted to a bin, or refused.
bool hz3_credit_take(size_t bytes);
void hz3_credit_give(size_t bytes);
// What a thread may be granted in all, as things stand.
size_t hz3_credit_quota(void);

// Effect: when a quarter of the purge delay (at least 10 ms) has passed since the last tick, ages
// the transfer layer, recomputes the bound, purges what has been free for long. A clock read
// otherwise.
void hz3_tick_maybe(void);
// The same at once. Requires: initialisation is complete.
void hz3_tick_now(uint64_t now_ms);
// First values. Called once.
void hz3_tick_init(uint64_t cache_max_bytes, uint32_t purge_delay_ms);

HZ_EXTERN_C_END

#endif // HZ3_TICK_H_
