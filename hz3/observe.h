// What variant `observe` counts and times: the route each block took, printed once at exit and by
// malloc_info.
//
// Owns: totals of the slow paths, and their samples of time. The two counters of the hot paths lie
// in each thread's cache (cache.h). In other variants everything here is empty. Thread rule: any
// thread; relaxed adds, since nothing depends on their order.
#ifndef HZ3_OBSERVE_H_
#define HZ3_OBSERVE_H_

#include "common/base/units.h"
#include "common/sizeclass/sizeclass.h"
#include "common/sync/atomic.h"

struct hz_stats;

HZ_EXTERN_C_BEGIN

// hz3 routes all classes alike; the figures are given for two halves, as hz4 gives its parts.
#define HZ3_MID_FIRST_CLASS 62u // above 2 KiB
#define HZ3_PARTS 2u            // 0: up to 2 KiB, 1: above, up to 128 KiB
HZ_INLINE unsigned hz3_part_of(size_t cls) {
  return cls >= HZ3_MID_FIRST_CLASS;
}

enum hz3_step {
  HZ3_STEP_FROM_SHELF,    // misses served there
  HZ3_STEP_FROM_TRANSFER, // misses served there
  HZ3_STEP_FROM_SPANS,    // misses served under the class's lock
  HZ3_STEP_TO_TRANSFER,   // batches
  HZ3_STEP_TO_SPANS,      // batches, under the class's lock
  HZ3_STEP_DRAINED,       // blocks that left the transfer layer for the spans
  HZ3_STEP_OPENED,        // spans
  HZ3_STEP_CLOSED,        // spans
  HZ3_STEP_UNCACHED,      // allocs and frees of threads without a cache
  HZ3_STEPS
};
enum hz3_seen {
  HZ3_SEEN_LARGE_ALLOC,
  HZ3_SEEN_LARGE_FREE,
  HZ3_SEEN_NULL_FREE,
  HZ3_SEEN_GROWN,   // bins
  HZ3_SEEN_EMPTIED, // bins, because the program gives memory back
  HZ3_SEEN_TICKS,
  HZ3_SEENS
};
enum hz3_timed {
  HZ3_TIMED_REFILL,   // a bin that ran empty
  HZ3_TIMED_HANDOVER, // a batch to the transfer layer
  HZ3_TIMED_LOCK,     // waiting for a class's lock
  HZ3_TIMED_SPANS,    // a batch to the spans
  HZ3_TIMED_RUNS,     // runs from and to the arena: where OS calls are
  HZ3_TIMED_TICK,
  HZ3_TIMEDS
};

struct hz3_observed {
  uint64_t steps[HZ3_PARTS][HZ3_STEPS];
  uint64_t seen[HZ3_SEENS];
  uint64_t calls[HZ3_TIMEDS], samples[HZ3_TIMEDS], ns[HZ3_TIMEDS];
};
extern HZ_HIDDEN struct hz3_observed hz3_observed;

HZ_INLINE void hz3_count(unsigned cls, enum hz3_step step, uint64_t n) {
  if (HZ_OBSERVE)
    hz_add_relaxed(&hz3_observed.steps[hz3_part_of(cls)][step], n);
}
HZ_INLINE void hz3_count_seen(enum hz3_seen what) {
  if (HZ_OBSERVE)
    hz_add_relaxed(&hz3_observed.seen[what], (uint64_t)1);
}

// One call in 64 of a kind is timed. Returns: the time in nanoseconds, 0 for the others.
uint64_t hz3_clock_sample(enum hz3_timed what);
void hz3_clock_done(enum hz3_timed what, uint64_t began);
HZ_INLINE uint64_t hz3_time_begin(enum hz3_timed what) {
  return HZ_OBSERVE ? hz3_clock_sample(what) : 0;
}
HZ_INLINE void hz3_time_end(enum hz3_timed what, uint64_t began) {
  if (HZ_OBSERVE && began != 0)
    hz3_clock_done(what, began);
}

// Effect: adds the pairs of HZ3_MID_STATS, HZ3_FREE_STATS and HZ3_TIMING. allocs and frees are the
// sums of the caches' counters, by part.
void hz3_observe_pairs(struct hz_stats *out, const uint64_t *allocs, const uint64_t *frees);

HZ_EXTERN_C_END

#endif // HZ3_OBSERVE_H_
