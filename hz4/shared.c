#include "hz4/shared.h"

#include "common/large/large.h"
#include "hz4/bound.h"
#include "hz4/custody.h"
#include "hz4/depot.h"
#include "hz4/mid.h"
#include "hz4/observe.h"
#include "hz4/small.h"

static unsigned take(unsigned cls, void **out, unsigned want, unsigned *fresh) {
  uint64_t began = hz4_timed_begin(HZ4_TIMED_LOCK);
  unsigned n = cls < HZ4_MID_FIRST_CLASS ? hz4_small_take(cls, out, want, fresh)
                                         : hz4_mid_take(cls, out, want, fresh);
  hz4_timed_end(HZ4_TIMED_LOCK, began);
  return n;
}

unsigned hz4_shared_take(unsigned cls, void **out, unsigned want) {
  unsigned fresh = 0, n = take(cls, out, want, &fresh);
  if (HZ_UNLIKELY(n == 0)) {
    // Whole spans of other classes may come free; one try decides.
    hz4_depot_empty();
    hz_large_trim();
    n = take(cls, out, want, &fresh);
  }
  hz4_custody_enter(cls, out, n - fresh); // whose bytes nobody has touched need not be
  hz_add_relaxed(&hz4_bound_counters.out_bytes, n * hz_class_bytes(cls));
  hz4_bound_refresh(); // a program that grows may cache more, at once
  return n;
}

// Below this much free memory a class is not looked at, nor before so many batches in a row have
// come back and none was fetched.
#define RECEDES_LEAST_BYTES (256 * HZ_KIB)
#define RECEDES_LEAST_BATCHES 8

bool hz4_shared_recedes(unsigned cls) {
  const struct hz4_central *c = cls < HZ4_MID_FIRST_CLASS
                                    ? &hz4_small_central[cls]
                                    : &hz4_mid_central[cls - HZ4_MID_FIRST_CLASS];
  // Hints: read without the lock.
  uint64_t free = hz_load_relaxed(&c->free_blocks), carved = hz_load_relaxed(&c->carved_blocks);
  return hz_load_relaxed(&c->gives) >= hz_load_relaxed(&c->taken_at) + RECEDES_LEAST_BATCHES &&
         free * hz_class_bytes(cls) > RECEDES_LEAST_BYTES && free >= carved / 3 &&
         free + hz4_depot_blocks(cls) >= carved - carved / 4;
}

void hz4_shared_give(unsigned cls, void *const *blocks, unsigned n, uint64_t freed_ms) {
  if (n == 0)
    return;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_LOCK);
  if (cls < HZ4_MID_FIRST_CLASS)
    hz4_small_give(cls, blocks, n);
  else
    hz4_mid_give(cls, blocks, n, freed_ms);
  hz4_timed_end(HZ4_TIMED_LOCK, began);
  hz_sub_relaxed(&hz4_bound_counters.out_bytes, n * hz_class_bytes(cls));
  hz4_bound_refresh(); // and one that shrinks, less
}
