// What the slow paths count in variant `observe`: totals, printed once at exit.
//
// Owns: the counters and the lines at exit. Thread rule: relaxed adds from anywhere.
#ifndef HZ4_OBSERVE_H_
#define HZ4_OBSERVE_H_

#include "common/os/os.h"
#include "common/sync/atomic.h"
#include "hz4/cache.h"
#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// By part: 0 Small, 1 Mid.
enum hz4_seen_part {
  HZ4_SEEN_REFILL_PREVIOUS, // a miss served by the second magazine
  HZ4_SEEN_REFILL_DEPOT,    // ... by a magazine of another owner
  HZ4_SEEN_REFILL_SPANS,    // ... by the spans: the lock path
  HZ4_SEEN_HANDED_OVER,     // magazines to the depot
  HZ4_SEEN_GIVEN,           // magazines to the spans: the lock path
  HZ4_SEEN_BARE_ALLOC,      // single blocks, threads without a cache
  HZ4_SEEN_BARE_FREE,
  HZ4_SEEN_PARTS
};
enum hz4_seen {
  HZ4_SEEN_RETRIES, // compare-and-swaps lost
  HZ4_SEEN_TRIMS,
  HZ4_SEEN_TRIM_BYTES,
  HZ4_SEEN_DRAINS,
  HZ4_SEEN_DRAIN_BYTES,
  HZ4_SEEN_RESTARTS, // drains that met a sequence under way
  HZ4_SEEN_FREE_NULL,
  HZ4_SEEN_FREE_LARGE,
  HZ4_SEEN_COUNT
};
// Sampled time, one in 64, in nanoseconds.
enum hz4_timed {
  HZ4_TIMED_REFILL,    // a miss, whatever served it
  HZ4_TIMED_HAND_OVER, // an overflow, whatever took it
  HZ4_TIMED_DRAIN,     // of a CPU
  HZ4_TIMED_TRIM,      // a round of giving back
  HZ4_TIMED_LOCK,      // a batch to or from the spans, lock included
  HZ4_TIMED_LARGE,
  HZ4_TIMED_OS, // giving everything back at once (trim, exhaustion)
  HZ4_TIMED_COUNT
};

struct hz4_observed {
  uint64_t part[2][HZ4_SEEN_PARTS];
  uint64_t seen[HZ4_SEEN_COUNT];
  uint64_t retired_allocs[2], retired_frees[2];
  uint64_t calls[HZ4_TIMED_COUNT], sampled[HZ4_TIMED_COUNT], ns[HZ4_TIMED_COUNT];
};
extern HZ_HIDDEN struct hz4_observed hz4_observed;

HZ_INLINE void hz4_observe_part(unsigned cls, enum hz4_seen_part what) {
  if (HZ_OBSERVE)
    hz_add_relaxed(&hz4_observed.part[cls >= HZ4_MID_FIRST_CLASS][what], (uint64_t)1);
}
HZ_INLINE void hz4_observe_add(enum hz4_seen what, uint64_t n) {
  if (HZ_OBSERVE && n != 0)
    hz_add_relaxed(&hz4_observed.seen[what], n);
}

// Effect: counts what a bin served. / The counts of a cache that loses its owner are kept.
void hz4_observe_bin(intptr_t bin, bool alloc);
void hz4_observe_retire(struct hz4_cache *c);

HZ_INLINE void hz4_observe_hit(intptr_t bin, bool alloc) {
  if (HZ_OBSERVE)
    hz4_observe_bin(bin, alloc);
}

// Returns: 0 when this call is not in the sample. / Requires: what begin returned.
uint64_t hz4_timed_begin(enum hz4_timed what);
void hz4_timed_end(enum hz4_timed what, uint64_t began);

// Effect: one line for each tag on stderr, in variant `observe`. Allocates nothing.
void hz4_observe_print(void);

HZ_EXTERN_C_END

#endif // HZ4_OBSERVE_H_
