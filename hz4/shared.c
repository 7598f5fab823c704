#include "hz4/shared.h"

#include "common/large/large.h"
#include "hz4/bound.h"
#include "hz4/custody.h"
#include "hz4/depot.h"
#include "hz4/front.h"
#include "hz4/front_thread.h"
#include "hz4/mid.h"
#include "hz4/observe.h"
#include "hz4/small.h"

static unsigned take(unsigned cls, unsigned shard, void **out, unsigned want, unsigned *fresh) {
  uint64_t began = hz4_timed_begin(HZ4_TIMED_LOCK);
  unsigned n = cls < HZ4_MID_FIRST_CLASS ? hz4_small_take(cls, shard, out, want, fresh)
                                         : hz4_mid_take(cls, out, want, fresh);
  hz4_timed_end(HZ4_TIMED_LOCK, began);
  return n;
}

// The last `fresh` of `n` blocks are neighbours in one span, which they keep as it is. Where more
// was carved than one holds there is another. Relaxed: a hint.
static void ahead(unsigned cls, void *const *blocks, unsigned n, unsigned fresh) {
  void *first = blocks[n - fresh];
  const struct hz4_span *s = hz4_span_at(hz_granule_of(first) - hz4_span_index(cls, first));
  unsigned shard = cls < HZ4_MID_FIRST_CLASS ? hz_load_relaxed(&s->shard) : 0;
  if (s->zeroed && hz_load_relaxed(&hz4_shared_central(cls, shard)->carved_blocks) > s->blocks)
    hz_run_ahead(first, fresh, hz_class_bytes(cls));
}

unsigned hz4_shared_take(unsigned cls, unsigned shard, void **out, unsigned want) {
  unsigned fresh = 0, n = take(cls, shard, out, want, &fresh);
  if (HZ_UNLIKELY(n == 0)) {
    // Whole spans of other classes may come free, and pieces for a span's bits; one try decides.
    hz4_front_spares_put();
    hz4_thread_left_empty(UINT64_MAX);
    hz4_depot_empty();
    hz_large_trim();
    n = take(cls, shard, out, want, &fresh);
  }
  if (fresh != 0)
    ahead(cls, out, n, fresh);
  hz4_custody_enter(cls, out, n - fresh); // whose bytes nobody has touched need not be
  hz4_bound_out_add(shard,
                    (int64_t)(n * hz_class_bytes(cls))); // a program that grows may cache more
  return n;
}

// Below this much free memory a class is not looked at, nor before so many batches in a row have
// come back and none was fetched.
#define RECEDES_LEAST_BYTES (256 * HZ_KIB)
#define RECEDES_LEAST_BATCHES 8

struct hz4_central *hz4_shared_central(unsigned cls, unsigned shard) {
  if (cls < HZ4_MID_FIRST_CLASS)
    return &hz4_small_central[shard][cls];
  return shard == 0 ? &hz4_mid_central[cls - HZ4_MID_FIRST_CLASS] : NULL;
}

struct hz4_shared_counts hz4_shared_count(unsigned cls) {
  struct hz4_shared_counts sum = {0};
  for (unsigned shard = 0; shard < hz4_shards; shard++) {
    const struct hz4_central *c = hz4_shared_central(cls, shard);
    if (!c)
      break;
    sum.carved_blocks += hz_load_relaxed(&c->carved_blocks);
    sum.free_blocks += hz_load_relaxed(&c->free_blocks);
  }
  return sum;
}

bool hz4_shared_recedes(unsigned cls, unsigned shard) {
  const struct hz4_central *c =
      hz4_shared_central(cls, cls < HZ4_MID_FIRST_CLASS ? HZ4_SMALL_SHARD(shard) : 0);
  // The near shard first: it mostly says no. Hints: read without the lock.
  if (hz_load_relaxed(&c->gives) < hz_load_relaxed(&c->taken_at) + RECEDES_LEAST_BATCHES)
    return false;
  struct hz4_shared_counts sum = hz4_shared_count(cls);
  uint64_t free = sum.free_blocks, carved = sum.carved_blocks;
  return free * hz_class_bytes(cls) > RECEDES_LEAST_BYTES && free >= carved / 3 &&
         free + hz4_depot_blocks(cls) >= carved - carved / 4;
}

static void give(unsigned cls, unsigned shard, void *const *blocks, unsigned n, uint64_t freed_ms,
                 bool leave) {
  if (n == 0)
    return;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_LOCK);
  if (cls < HZ4_MID_FIRST_CLASS) {
    hz4_small_give(cls, shard, blocks, n, leave);
  } else {
    if (leave)
      hz4_custody_leave(cls, blocks, n);
    hz4_mid_give(cls, blocks, n, freed_ms);
  }
  hz4_timed_end(HZ4_TIMED_LOCK, began);
  hz4_bound_out_add(shard, -(int64_t)(n * hz_class_bytes(cls))); // and one that shrinks, less
}

void hz4_shared_give(unsigned cls, unsigned shard, void *const *blocks, unsigned n,
                     uint64_t freed_ms) {
  give(cls, shard, blocks, n, freed_ms, false);
}

void hz4_shared_leave(unsigned cls, unsigned shard, void *const *blocks, unsigned n,
                      uint64_t freed_ms) {
  give(cls, shard, blocks, n, freed_ms, true);
}
