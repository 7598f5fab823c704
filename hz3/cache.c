// Bins that run empty or full. See cache.h.
#include "hz3/cache.h"

#include <string.h>

#include "common/fail/check.h"
#include "common/large/large.h"
#include "hz3/duplicates.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "hz3/transfer.h"

// How much idle work (flushes count more than single blocks) makes a thread look at all of its
// bins.
#define IDLE_MOST 64u
#define IDLE_FLUSH 4u
#define IDLE_BLOCK 1u

// One slow call in so many looks at the clock.
#define CLOCK_MASK 7u

// A bin that let go of so many batches while nobody took from its class is not swinging: it fills.
#define UNWANTED_BATCHES 4u
// When a class is given up, its bin may hold this share of what is out, at the most.
#define GIVING_SHARE 8

// So many blocks are fetched at once: more would save little.
#define FETCH_MOST (2 * HZ3_BATCH_BLOCKS)

// Below so many blocks a bin is not sorted.
#define HOME_LEAST HZ3_BATCH_BLOCKS

// So many times its part a bin may have while other bins leave theirs.
#define SPARE_TIMES 4u

// Of a thread's quota, what is shared out among all classes by bytes.
#define FAIR_SHARE 16

static void *no_slots[2] = {NULL, HZ3_FULL};
struct hz3_cache hz3_cache_none = {.tops = {[0 ... HZ3_TAGS - 1] = no_slots}};
struct hz3_cache hz3_cache_gone = {.tops = {[0 ... HZ3_TAGS - 1] = no_slots}};
__thread struct hz3_self hz3_self = {&hz3_cache_none, hz_class_tables[0]};

// ---- capacity ----

static void most_compute(struct hz3_cache *c) {
  if (c->spread > hz_load_relaxed(&hz3_spread_most))
    hz_store_relaxed(&hz3_spread_most, c->spread); // a larger one that is lost comes again
  c->quota = hz3_credit_quota();
  c->fair_bytes = (uint32_t)(c->quota / FAIR_SHARE / HZ_CLASS_SIZES);
  c->most = (uint32_t)hz_clamp(c->quota / hz_max(c->spread, 1), 1, HZ3_BIN_MOST);
}

static void bin_close(struct hz3_cache *c, unsigned cls) {
  hz_store_relaxed(&c->tops[cls], no_slots);
  c->spread -= hz_class_bytes(cls);
  most_compute(c);
}

// Returns: slots of a tier, one that another bin left if there is; NULL when there is no memory.
static void **slots_get(struct hz3_cache *c, unsigned tier) {
  void **slots = c->slots_free[tier];
  if (!slots)
    return hz_meta_alloc(HZ3_TIER_SLOTS(tier) * sizeof(void *), HZ_LINE_BYTES);
  c->slots_free[tier] = slots[0];
  return slots;
}

// Effect: the bin has slots for so many blocks, and what lies in it has moved there. Returns: false
// when there is no memory; then it is as it was.
static bool slots_ensure(struct hz3_cache *c, unsigned cls, unsigned capacity) {
  struct hz3_bin *bin = &c->bins[cls];
  unsigned tier = bin->tier, count = hz3_bin_count(c, cls);
  while (HZ3_TIER_SLOTS(tier) < capacity + 2)
    tier++;
  void **old = bin->bottom;
  if (old && tier == bin->tier)
    return true;
  void **slots = slots_get(c, tier);
  if (!slots)
    return false;
  slots[0] = NULL;
  if (old && bin->capacity != 0) {
    memcpy(slots + 1, old + 1, count * sizeof(void *));
    slots[bin->capacity + 1] = HZ3_FULL;
    old[bin->capacity + 1] = NULL;
  }
  hz_store_relaxed(&bin->bottom, slots); // relaxed: statistics may look
  if (bin->capacity != 0)
    hz_store_relaxed(&c->tops[cls], slots + count);
  if (old) {
    old[0] = c->slots_free[bin->tier];
    c->slots_free[bin->tier] = old;
  }
  bin->tier = (uint8_t)tier;
  return true;
}

// Requires: at most `capacity` blocks lie in the bin, it has slots for so many, and credit for them
// is held.
static void capacity_set(struct hz3_cache *c, unsigned cls, unsigned capacity) {
  struct hz3_bin *bin = &c->bins[cls];
  void **bottom = c->bins[cls].bottom;
  if (bin->capacity != 0) {
    bottom[bin->capacity + 1] = NULL;
  } else if (capacity != 0) {
    hz_store_relaxed(&c->tops[cls], bottom);
    c->spread += hz_class_bytes(cls);
    most_compute(c);
  }
  hz_store_relaxed(&bin->capacity, (uint16_t)capacity);
  if (capacity != 0)
    bottom[capacity + 1] = HZ3_FULL;
  else
    bin_close(c, cls);
}

static void bin_shrink(struct hz3_cache *c, unsigned cls, unsigned capacity) {
  unsigned old = c->bins[cls].capacity;
  if (capacity >= old)
    return;
  capacity_set(c, cls, capacity);
  size_t bytes = (old - capacity) * hz_class_bytes(cls);
  c->charged -= bytes;
  hz3_credit_give(bytes);
}

// The part of a bin, in blocks: what its class has use for, and no more than all bins that this
// thread uses could hold at once. Blocks are shared out equally, each saves one slow path; and
// some by bytes, so that a few large classes, seldom used, do not starve the small. (The sum of
// both may pass the quota; what is charged may not.)
static unsigned bin_part(const struct hz3_cache *c, unsigned cls) {
  return (unsigned)hz_min(c->most + c->fair_bytes / hz_class_bytes(cls),
                          hz3_shape[cls].capacity_max);
}

// The most blocks that a bin may hold now: more than its part while half of what the thread may be
// granted lies unused and the last slow path was the same bin's, so that who works on one class at
// a time has the room in that class. (Who works on many by turns does better with small bins, which
// stay in the CPU's cache.)
static unsigned bin_most(const struct hz3_cache *c, unsigned cls) {
  unsigned part = bin_part(c, cls);
  if (c->charged >= c->quota / 2 || c->last_slow != cls)
    return part;
  return (unsigned)hz_min(part * SPARE_TIMES, hz3_shape[cls].capacity_max);
}

// Whether it has more than its part, and others want theirs.
static bool bin_is_too_large(const struct hz3_cache *c, unsigned cls) {
  unsigned capacity = c->bins[cls].capacity, part = bin_part(c, cls);
  return capacity > part && (c->charged > c->quota / 4 * 3 || capacity > part * SPARE_TIMES);
}

// Returns: whether the bin has become larger: doubled, or as much as is granted.
static bool bin_grow(struct hz3_cache *c, unsigned cls) {
  unsigned old = c->bins[cls].capacity, part = bin_part(c, cls), most = bin_most(c, cls);
  if (old >= most)
    return false;
  unsigned more = (unsigned)hz_min(old == 0 ? hz3_shape[cls].capacity_min : old, most - old);
  for (; more != 0; more /= 2) {
    size_t bytes = more * hz_class_bytes(cls);
    // Beyond its part a bin leaves half of the quota to the others, or they would want it back.
    if (c->charged + bytes > (old + more > part ? c->quota / 2 : c->quota) ||
        !hz3_credit_take(bytes))
      continue;
    if (!slots_ensure(c, cls, old + more)) {
      hz3_credit_give(bytes);
      return false;
    }
    c->charged += bytes;
    capacity_set(c, cls, old + more);
    hz3_count_seen(HZ3_SEEN_GROWN);
    return true;
  }
  return false;
}

// Whether a bin has all the room it may have, or can have: then the short ways serve.
static bool bin_is_settled(const struct hz3_cache *c, unsigned cls) {
  unsigned capacity = c->bins[cls].capacity;
  if (capacity >= bin_most(c, cls))
    return !bin_is_too_large(c, cls);
  uint64_t room = capacity >= bin_part(c, cls) ? c->quota / 2 : c->quota;
  return capacity != 0 && c->charged + hz_class_bytes(cls) > room;
}

// How many blocks move at once: half of the bin, so that it can run on in either direction.
static unsigned bin_step(const struct hz3_cache *c, unsigned cls) {
  return (unsigned)hz_max(c->bins[cls].capacity / 2, 1);
}

// ---- the shared layers ----

// Returns: the near shelf where so few blocks move that company for the longer way pays; NULL else.
static struct hz3_shelf *shelf_for(const struct hz3_cache *c, unsigned cls, unsigned n) {
  return n < hz3_shape[cls].batch / 2u ? hz3_shelf_here(c) : NULL;
}

// Effect: blocks go to the shelf of this CPU; what it cannot hold goes on, a batch at a time.
static void shared_give(struct hz3_cache *c, unsigned cls, void *const *blocks, unsigned n,
                        enum hz_api api) {
  void *old[HZ3_BATCH_BLOCKS];
  unsigned moved = 0;
  struct hz3_shelf *s = shelf_for(c, cls, n);
  bool lies = s && hz3_shelf_give(s, cls, blocks, n, old, hz3_shape[cls].batch, &moved);
  if (moved != 0)
    hz3_transfer_give(cls, old, moved, &c->spare, api);
  if (!lies)
    hz3_transfer_give(cls, blocks, n, &c->spare, api);
}

// ---- blocks out of bins ----

// Effect: everything that lies in the bin goes back to spans, which see for themselves what comes
// twice.
static void bin_to_spans(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  void **bottom = c->bins[cls].bottom;
  unsigned count = hz3_bin_count(c, cls);
  if (count == 0)
    return;
  if (hz3_span_has_heaps(cls))
    count = hz3_span_put_own(c->heap, cls, bottom + 1, count, api);
  if (count != 0)
    hz3_span_put(cls, bottom + 1, count, api);
  hz_store_relaxed(&c->tops[cls], bottom);
}

// Effect: the `n` coldest blocks become everybody's. Those that stay move down to the bin's bottom.
static void bin_to_transfer(struct hz3_cache *c, unsigned cls, unsigned n, enum hz_api api) {
  if (n == 0)
    return;
  void **bottom = c->bins[cls].bottom, **first = bottom + 1;
  unsigned count = hz3_bin_count(c, cls);
  if (!HZ_FAST)
    hz3_duplicates_refuse(first, count, cls, api);
  for (unsigned done = 0, part; done < n; done += part) {
    part = (unsigned)hz_min(n - done, HZ3_BATCH_BLOCKS);
    shared_give(c, cls, first + done, part, api);
  }
  for (unsigned i = n; i < count; i++)
    first[i - n] = first[i];
  hz_store_relaxed(&c->tops[cls], bottom + (count - n));
}

// Effect: a full bin makes room. In company worth the way all blocks of this thread's own heap go
// home; of those that remain, or where there is no such company, the colder half becomes
// everybody's if it fills the bin more than half.
static void bin_sort(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  void **bottom = c->bins[cls].bottom;
  unsigned count = hz3_bin_count(c, cls);
  if (count >= HOME_LEAST && hz3_span_has_heaps(cls)) {
    count = hz3_span_put_own(c->heap, cls, bottom + 1, count, api);
    hz_store_relaxed(&c->tops[cls], bottom + count);
  }
  if (count > c->bins[cls].capacity / 2u)
    bin_to_transfer(c, cls, (count + 1) / 2, api);
}

// Few enough that the last blocks of a class, when nothing else holds their spans, lie in no bin.
static unsigned giving_capacity(const struct hz3_cache *c, unsigned cls) {
  uint32_t threads = hz_load_relaxed(&hz3_threads_alive);
  uint32_t sharing = hz3_span_has_heaps(cls) ? (threads + HZ3_HEAPS - 1) / HZ3_HEAPS : threads;
  return (unsigned)hz_min(hz3_span_heap_out(c->heap, cls) / GIVING_SHARE / hz_max(sharing, 1),
                          hz3_shape[cls].capacity_max);
}

// How many blocks a bin may let go of in a row, while nobody takes, before it is not swinging but
// filling for good.
static unsigned patience_with(const struct hz3_cache *c, unsigned cls) {
  return (unsigned)hz_clamp(hz3_span_heap_out(c->heap, cls) / 4,
                            UNWANTED_BATCHES * hz3_shape[cls].batch, UINT16_MAX / 2);
}

// Nobody wants blocks of this class: all that lie in the bin, on the shelf here and in the transfer
// layer go back to their spans, and the bin has room for a share of what is out, so that of what
// the program frees last no more than that lies in bins when it is done. Where most of the spans'
// memory is free, each block that stayed would hold a whole span for nothing: then the bin only
// gathers company for the way, until the program allocates.
static void bin_give_up(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  struct hz3_bin *bin = &c->bins[cls];
  if (bin->capacity != 0)
    hz3_count_seen(HZ3_SEEN_EMPTIED);
  bin_to_spans(c, cls, api);
  struct hz3_shelf *s = hz3_shelf_here(c);
  if (s)
    (void)hz3_shelf_clear_row(s, cls, api);
  (void)hz3_transfer_drain(cls, api);
  if (bin->capacity == 0)
    return;
  bin->giving = c->receding || hz3_span_is_sparse(c->heap, cls);
  bin_shrink(c, cls, giving_capacity(c, cls));
}

// Effect: counts what was freed and wanted by nobody; after much of it, or where little is left,
// the program is giving memory back for good, and every class that was not asked for since the last
// time is given up; where little is left of the heap on the shelves of all CPUs too.
static void note_idle(struct hz3_cache *c, unsigned weight, uint64_t bytes, enum hz_api api) {
  c->idle += weight;
  c->idle_bytes += bytes;
  if (c->idle < IDLE_MOST && c->idle_bytes < hz3_heap_recedes_by())
    return;
  // By bytes too: sixteen flushes of large bins may be a tenth of what is out, and the last of a
  // heap would lie in bins before so many have been counted.
  bool receded = c->receding;
  c->receding = hz3_heap_is_receding();
  c->idle_bytes = 0;
  if (c->idle < IDLE_MOST && (receded || !c->receding))
    return;
  c->idle = 0;
  bool unwanted[HZ_CLASS_COUNT];
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    struct hz3_bin *bin = &c->bins[cls];
    uint32_t takes = hz_load_relaxed(&hz3_transfer[cls].takes);
    unwanted[cls] = takes == bin->takes_seen;
    if (unwanted[cls])
      bin_give_up(c, cls, api);
    bin->takes_seen = takes;
  }
  if (c->receding)
    (void)hz3_shelf_clear(unwanted, api);
}

// Effect: once per interval the colder half of every bin becomes everybody's; a bin that was not
// used at all gives half of its capacity back.
static void halve_bins(struct hz3_cache *c, uint32_t intervals) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    struct hz3_bin *bin = &c->bins[cls];
    if (bin->capacity == 0)
      continue;
    unsigned count = hz3_bin_count(c, cls);
    bin_to_transfer(c, cls, count - (count >> hz_min(intervals, 16)), HZ_API_FREE);
    if (!bin->used)
      bin_shrink(c, cls, hz_max(bin->capacity / 2, hz3_bin_count(c, cls)));
    bin->used = 0;
  }
}

// Effect: a bin that grew when the thread used fewer classes, or when there were fewer threads,
// gives the difference back.
static void bin_fit(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  if (!bin_is_too_large(c, cls))
    return;
  unsigned part = bin_part(c, cls), count = hz3_bin_count(c, cls);
  if (count >= part) // room for one more
    bin_to_transfer(c, cls, count - part + 1, api);
  bin_shrink(c, cls, part);
}

// At the end of a slow path: is it time?
static void look_at_clock(struct hz3_cache *c) {
  if (HZ_LIKELY((++c->slow_calls & CLOCK_MASK) != 0))
    return;
  hz3_tick_maybe();
  uint32_t ticks = hz_load_relaxed(&hz3_tick_count);
  if (c->tick_seen != ticks) {
    halve_bins(c, ticks - c->tick_seen);
    c->tick_seen = ticks;
    most_compute(c);
  }
}

// ---- a bin runs empty ----

// Returns: how many of `want` blocks were found behind the shelf: transfer layer, else spans.
static unsigned fetch_behind(unsigned heap, unsigned cls, void **out, unsigned want,
                             uint32_t *spare) {
  uint64_t began = hz3_time_begin(HZ3_TIMED_REFILL);
  hz3_transfer_ask(cls);
  unsigned n = hz3_transfer_take(cls, out, want, spare);
  hz3_count(cls, n != 0 ? HZ3_STEP_FROM_TRANSFER : HZ3_STEP_FROM_SPANS, 1);
  if (n == 0)
    n = hz3_span_take(heap, cls, out, want);
  hz3_time_end(HZ3_TIMED_REFILL, began);
  return n;
}

// Returns: how many of `want` blocks were found. Where few are wanted more are fetched for the
// shelf: the way behind it is longer.
static unsigned fetch(struct hz3_cache *c, unsigned cls, void **out, unsigned want) {
  struct hz3_shelf *s = shelf_for(c, cls, want);
  unsigned n = s ? hz3_shelf_take(s, cls, out, want) : 0, company = hz3_shape[cls].batch / 2u;
  if (n != 0) {
    hz3_count(cls, HZ3_STEP_FROM_SHELF, 1);
    return n;
  }
  if (!s)
    return fetch_behind(c->heap, cls, out, want, &c->spare);
  void *found[HZ3_BATCH_BLOCKS];
  n = fetch_behind(c->heap, cls, found, want + company, &c->spare);
  unsigned others = n > want ? n - want : 0, moved;
  if (others != 0 && !hz3_shelf_give(s, cls, found, others, NULL, 0, &moved))
    hz3_transfer_give(cls, found, others, &c->spare, HZ_API_MALLOC);
  memcpy(out, found + others, (n - others) * sizeof(void *));
  return n - others;
}

// Memory is short: everything that waits in shared layers becomes spans, perhaps runs. Returns: as
// fetch.
static unsigned fetch_at_any_price(struct hz3_cache *c, unsigned cls, void **out, unsigned want) {
  (void)hz3_shelf_clear(NULL, HZ_API_MALLOC);
  for (unsigned other = HZ_CLASS_FIRST; other <= HZ_CLASS_LAST; other++) {
    if (c)
      bin_to_spans(c, other, HZ_API_MALLOC);
    (void)hz3_transfer_drain(other, HZ_API_MALLOC);
  }
  (void)hz_large_trim();
  return hz3_span_take(c ? c->heap : 0, cls, out, want);
}

// A bin that has all the room it may have, and whose class lies on the near shelf: most calls where
// threads are many. Returns: a block, or NULL.
static void *near_miss(struct hz3_cache *c, unsigned cls) {
  struct hz3_bin *bin = &c->bins[cls];
  struct hz3_shelf *s = shelf_for(c, cls, bin_step(c, cls));
  if (!s || !bin_is_settled(c, cls))
    return NULL;
  void **bottom = c->bins[cls].bottom;
  unsigned n = hz3_shelf_take(s, cls, bottom + 1, bin_step(c, cls));
  if (n == 0)
    return NULL;
  bin->missed = bin->used = bin->serves = 1;
  c->idle = 0;
  void *p = bottom[n];
  hz_signal_fence();
  hz_store_relaxed(&c->tops[cls], bottom + (n - 1));
  hz3_count(cls, HZ3_STEP_FROM_SHELF, 1);
  return p;
}

// The long way: the bin may grow, and blocks come from wherever there are some. Returns: a block,
// or NULL.
static void *far_miss(struct hz3_cache *c, unsigned cls) {
  struct hz3_bin *bin = &c->bins[cls];
  bin->missed = bin->used = bin->serves = 1;
  bin->giving = 0;
  c->idle = 0;
  if (!bin_grow(c, cls))
    bin_fit(c, cls, HZ_API_MALLOC);
  void *alone, **bottom = c->bins[cls].bottom;
  void **out = bin->capacity != 0 ? bottom + 1 : &alone;
  unsigned want = (unsigned)hz_min(bin_step(c, cls), FETCH_MOST);
  unsigned n = fetch(c, cls, out, want);
  if (HZ_UNLIKELY(n == 0))
    n = fetch_at_any_price(c, cls, out, want);
  bin->takes_seen = hz_load_relaxed(&hz3_transfer[cls].takes);
  if (n == 0)
    return NULL;
  if (bin->capacity != 0)
    hz_store_relaxed(&c->tops[cls], bottom + (n - 1));
  return out[n - 1];
}

HZ_NOINLINE void *hz3_cache_miss(struct hz3_cache *c, unsigned cls) {
  hz_store_relaxed(&c->busy, 1u);
  hz_signal_fence();
  void *p = near_miss(c, cls);
  if (HZ_UNLIKELY(p == NULL))
    p = far_miss(c, cls);
  c->last_slow = (uint8_t)cls;
  look_at_clock(c);
  hz_signal_fence();
  hz_store_relaxed(&c->busy, 0u);
  return p;
}

// ---- a bin is full ----

// Returns: how many blocks a bin of a class that this thread only frees may hold: a batch; where
// the heap recedes and nobody asks, a share of what is still out, from whichever heap it is.
static unsigned one_way_capacity(const struct hz3_cache *c, unsigned cls, bool wanted) {
  if (wanted || !c->receding)
    return hz3_shape[cls].batch;
  uint64_t out = 0;
  for (unsigned heap = 0; heap < (hz3_span_has_heaps(cls) ? HZ3_HEAPS : 1); heap++)
    out += hz3_span_heap_out(heap, cls);
  uint32_t threads = hz_load_relaxed(&hz3_threads_alive);
  return (unsigned)hz_min(out / GIVING_SHARE / hz_max(threads, 1), hz3_shape[cls].batch);
}

// Effect: makes room in a full bin of a class that this thread only frees: it gathers a batch, for
// others if they take some, else for the spans. Returns: whether there is room.
static bool one_way_make_room(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  struct hz3_bin *bin = &c->bins[cls];
  uint32_t takes = hz_load_relaxed(&hz3_transfer[cls].takes);
  bool wanted = takes != bin->takes_seen;
  bin->takes_seen = takes;
  bin->used = 1;
  bin->giving = !wanted;
  unsigned most = one_way_capacity(c, cls, wanted), count = hz3_bin_count(c, cls);
  if (bin->capacity < most && bin_grow(c, cls))
    return true;
  if (wanted) {
    c->idle = 0;
    bin_to_transfer(c, cls, count, api);
  } else {
    bool closed = bin->capacity == 0;
    bin_to_spans(c, cls, api);
    bin_shrink(c, cls, hz_min(bin->capacity, most));
    note_idle(c, closed ? IDLE_BLOCK : IDLE_FLUSH, hz_max(count, 1) * hz_class_bytes(cls), api);
  }
  return bin->capacity != 0;
}

// Effect: makes room in a full bin. Returns: whether there is room.
static bool bin_make_room(struct hz3_cache *c, unsigned cls, enum hz_api api) {
  struct hz3_bin *bin = &c->bins[cls];
  if (!bin->serves)
    return one_way_make_room(c, cls, api);
  uint32_t takes = hz_load_relaxed(&hz3_transfer[cls].takes);
  // Where most of the spans is free others take from there.
  bool sparse = hz3_span_is_sparse(c->heap, cls);
  bool wanted = bin->missed || (takes != bin->takes_seen && !sparse);
  // Read before anything beside it is written: a load of what two stores left waits until both, and
  // all that the program has stored, are in the cache.
  bool giving = bin->giving, closed = bin->capacity == 0;
  bin->takes_seen = takes;
  bin->missed = 0;
  bin->used = 1;
  if (wanted || (closed && !giving)) {
    bin->giving = bin->unwanted = 0;
    c->idle = 0;
    if (bin_grow(c, cls))
      return true;
    if (closed)
      return false;
    bin_sort(c, cls, api);
    bin_fit(c, cls, api);
    return true;
  }
  if (!giving && !sparse && bin->unwanted < patience_with(c, cls)) {
    bin->unwanted = (uint16_t)(bin->unwanted + bin_step(c, cls));
    bin_sort(c, cls, api);
    return true;
  }
  unsigned weight = closed ? IDLE_BLOCK : IDLE_FLUSH;
  uint64_t bytes = hz_max(hz3_bin_count(c, cls), 1) * hz_class_bytes(cls);
  if (!giving) {
    bin_give_up(c, cls, api);
  } else if (!closed) {
    bin_to_spans(c, cls, api);
    bin_shrink(c, cls, giving_capacity(c, cls));
  }
  note_idle(c, weight, bytes, api);
  return bin->capacity != 0;
}

// The same for a full bin that ran empty not long ago. Returns: whether p has found its place.
static bool near_flush(struct hz3_cache *c, unsigned cls, void *p, enum hz_api api) {
  struct hz3_bin *bin = &c->bins[cls];
  unsigned capacity = bin->capacity, moved, n = bin_step(c, cls), left = capacity - n;
  struct hz3_shelf *s = shelf_for(c, cls, n);
  if (!s || !bin->missed || !bin_is_settled(c, cls))
    return false;
  void **first = c->bins[cls].bottom + 1;
  if (!HZ_FAST)
    hz3_duplicates_refuse(first, capacity, cls, api);
  if (!hz3_shelf_give(s, cls, first, n, NULL, 0, &moved))
    return false;
  bin->missed = 0;
  bin->used = 1;
  bin->unwanted = 0;
  c->idle = 0;
  for (unsigned i = 0; i < left; i++)
    first[i] = first[n + i];
  first[left] = p;
  hz_store_relaxed(&c->tops[cls], first + left);
  return true;
}

HZ_NOINLINE void hz3_cache_flush(struct hz3_cache *c, unsigned cls, void *p, enum hz_api api) {
  hz_store_relaxed(&c->busy, 1u);
  hz_signal_fence();
  if (HZ_LIKELY(near_flush(c, cls, p, api))) {
    // p lies in its bin
  } else if (bin_make_room(c, cls, api)) {
    void **top = c->tops[cls];
    HZ_ASSERT(top[1] != HZ3_FULL);
    top[1] = p;
    hz_store_relaxed(&c->tops[cls], top + 1);
  } else if (c->bins[cls].giving) {
    hz3_span_put(cls, &p, 1, api);
  } else {
    shared_give(c, cls, &p, 1, api);
  }
  c->last_slow = (uint8_t)cls;
  look_at_clock(c);
  hz_signal_fence();
  hz_store_relaxed(&c->busy, 0u);
}

// ---- threads without a cache ----

void *hz3_uncached_alloc(unsigned cls) {
  void *p = NULL;
  uint32_t spare = 0;
  hz3_count(cls, HZ3_STEP_UNCACHED, 1);
  if (fetch_behind(0, cls, &p, 1, &spare) == 0)
    (void)fetch_at_any_price(NULL, cls, &p, 1);
  if (spare != 0)
    hz3_batch_give(spare);
  return p;
}

void hz3_uncached_free(unsigned cls, void *p, enum hz_api api) {
  hz3_count(cls, HZ3_STEP_UNCACHED, 1);
  hz3_span_put(cls, &p, 1, api);
}

// ---- all of a cache ----

void hz3_cache_init(struct hz3_cache *c) {
  for (unsigned tag = 0; tag < HZ3_TAGS; tag++)
    c->tops[tag] = no_slots;
}

void hz3_cache_begin(struct hz3_cache *c) {
  c->tick_seen = hz_load_relaxed(&hz3_tick_count);
  most_compute(c);
}

void hz3_cache_empty(struct hz3_cache *c, enum hz_api api) {
  hz_store_relaxed(&c->busy, 1u);
  hz_signal_fence();
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    bin_to_spans(c, cls, api);
    bin_shrink(c, cls, 0);
    c->bins[cls] = (struct hz3_bin){.bottom = c->bins[cls].bottom, .tier = c->bins[cls].tier};
  }
  if (c->spare != 0)
    hz3_batch_give(c->spare);
  c->spare = 0;
  hz_signal_fence();
  hz_store_relaxed(&c->busy, 0u);
}

bool hz3_cache_is_valid(const struct hz3_cache *c) {
  uint64_t charged = 0, spread = 0;
  for (unsigned tag = 0; tag < HZ3_TAGS; tag++) {
    unsigned capacity = tag < HZ_CLASS_COUNT ? c->bins[tag].capacity : 0;
    if (capacity == 0) {
      if (c->tops[tag] != no_slots)
        return false;
      continue;
    }
    void *const *bottom = c->bins[tag].bottom;
    charged += capacity * hz_class_bytes(tag);
    spread += hz_class_bytes(tag);
    if (bottom[0] != NULL || bottom[capacity + 1] != HZ3_FULL || c->tops[tag] < bottom ||
        c->tops[tag] > bottom + capacity || capacity > hz3_shape[tag].capacity_max ||
        capacity + 2 > HZ3_TIER_SLOTS(c->bins[tag].tier))
      return false;
    for (void *const *slot = bottom + 1; slot <= bottom + capacity; slot++)
      if (*slot == HZ3_FULL || (slot <= c->tops[tag] && *slot == NULL))
        return false;
  }
  return charged == c->charged && spread == c->spread;
}
