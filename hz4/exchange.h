// What a front end does when a bin is empty or full: the same for threads and CPUs.
//
//   miss      previous → depot → spans          then load what was found
//   overflow  previous → empty magazine         the full one: previous; no room there: a part of
//                                               these to the depot, or, a bulk of its own, home to
//                                               spans
//
// previous: the stack of second magazines (cache.h).
//
// Owns: the order, and how capacities grow and shrink. Does not own: how a word of a bin is
// replaced; the front end says that by hz4_front_ops. Thread rule: of the front end. In between two
// operations a thread may find itself on another CPU: every step takes what it finds in one atomic
// piece and stows what it is left with.
//
// Capacity (slow start): a bin opens small. It doubles when misses follow each other or alternate
// with flushes, while the owner's quota allows, and beyond two magazines only when they alternate;
// it is halved, and the magazine that ran full is not kept, when flushes follow each other: then
// the thread only frees, and should keep little. While the depot takes what it frees, others want
// it, and it gathers whole magazines.
#ifndef HZ4_EXCHANGE_H_
#define HZ4_EXCHANGE_H_

#include <string.h>

#include "common/os/os.h"
#include "hz4/bound.h"
#include "hz4/cache.h"
#include "hz4/custody.h"
#include "hz4/depot.h"
#include "hz4/observe.h"
#include "hz4/self.h"
#include "hz4/shared.h"
#include "hz4/small.h"
#include "hz4/tick.h"

HZ_EXTERN_C_BEGIN

struct hz4_front_ops {
  // Returns: the cache to work on; where CPUs own caches it may be another one the next moment.
  struct hz4_cache *(*here)(void);
  // Effect: `top` is loaded. Returns: what was; HZ4_TOP_STOPPED when refused (then nothing
  // changed).
  void **(*exchange)(unsigned cls, void **top);
  // Effect: takes the uppermost of the second magazines, or all (linked by `below`). Returns: NULL
  // when there is none.
  void **(*prev_take)(struct hz4_cache *c, unsigned cls);
  void **(*prev_take_all)(struct hz4_cache *c, unsigned cls);
  // Effect: lays one more on them. Returns: false when that cannot be now.
  bool (*prev_put)(struct hz4_cache *c, unsigned cls, void **top);
  // An empty magazine; NULL when the OS refuses metadata. / Back.
  struct hz4_magazine *(*spare_get)(struct hz4_cache *c);
  void (*spare_put)(struct hz4_cache *c, struct hz4_magazine *m);
  // Effect: notes that so many bytes went to the depot (less than 0: came from it).
  void (*owe)(struct hz4_cache *c, int64_t bytes);
  // A bin that only runs empty, or only full, does not grow from here on.
  size_t one_way_bytes;
};

// ---- capacity

// A class may have this part of an owner's quota.
#define HZ4_CLASS_SHARE 12

HZ_INLINE void hz4_cap_release(struct hz4_cache *c, unsigned cls, unsigned from, unsigned to) {
  uint16_t seen = (uint16_t)from;
  if (from > to && hz_cas_relaxed(&c->cap[cls], &seen, (uint16_t)to)) {
    uint64_t bytes = (uint64_t)(from - to) * 2 * hz_class_bytes(cls);
    hz_sub_relaxed(&c->reserved, bytes);
    hz4_bound_reserved_add(-(int64_t)bytes);
  }
}

// Effect: may raise the capacity. Returns: whether the quota stood in the way.
HZ_INLINE bool hz4_cap_raise(struct hz4_cache *c, unsigned cls) {
  uint16_t cap = hz_load_relaxed(&c->cap[cls]);
  uint64_t quota = hz_load_relaxed(&hz4_bound.owner_quota);
  uint64_t reserved = hz_load_relaxed(&c->reserved);
  if (HZ_UNLIKELY(reserved > quota + quota / 4 && cap > hz4_bound.cap_min[cls])) {
    // Granted while there were fewer owners, or much more was live.
    hz4_cap_release(c, cls, cap, (unsigned)hz_max(cap / 2u, hz4_bound.cap_min[cls]));
    return false;
  }
  unsigned want =
      cap == 0 ? hz4_bound.cap_min[cls] : (unsigned)hz_min(2u * cap, hz4_bound.cap_max[cls]);
  if (want <= cap)
    return false;
  uint64_t need = (uint64_t)(want - cap) * 2 * hz_class_bytes(cls);
  // No class takes all: in mixed work the few largest would.
  if (cap != 0 && (uint64_t)want * 2 * hz_class_bytes(cls) > quota / HZ4_CLASS_SHARE)
    return false;
  if (cap == 0)
    hz4_bound_reserved_add((int64_t)need);
  else if (!hz4_bound_reserve(reserved, need))
    return true;
  // Only the one whose swap succeeds accounts for it.
  if (hz_cas_relaxed(&c->cap[cls], &cap, (uint16_t)want))
    hz_add_relaxed(&c->reserved, need);
  else
    hz4_bound_reserved_add(-(int64_t)need);
  return false;
}

HZ_INLINE unsigned hz4_cap(const struct hz4_cache *c, unsigned cls) {
  unsigned cap = hz_load_relaxed(&c->cap[cls]);
  return cap ? cap : hz4_bound.cap_min[cls];
}
// ... of the next magazine opened.
HZ_INLINE unsigned hz4_magazine_cap(const struct hz4_cache *c, unsigned cls) {
  return (unsigned)hz_min(hz4_cap(c, cls), HZ4_MAGAZINE_CAP_MAX);
}

// Whether the stack of second magazines may have one more, beside the one that is loaded. A look:
// where CPUs own caches it may be another's the next moment.
HZ_INLINE bool hz4_prev_has_room(const struct hz4_cache *c, unsigned cls) {
  void **head = hz_load_relaxed(&c->prev[cls]);
  unsigned stacked = head ? hz_load_relaxed(&hz4_magazine_of(head)->stacked) : 0;
  return head == NULL ||
         (head != HZ4_TOP_STOPPED && stacked + 2 * hz4_magazine_cap(c, cls) <= 2 * hz4_cap(c, cls));
}

// How small a bin may become whose owner only frees: what it keeps must be little beside what is
// still out, since each block of it may hold a span; what it gathers must be worth a way.
#define HZ4_KEEP_SHARE 16
HZ_INLINE unsigned hz4_cap_least(unsigned cls) {
  struct hz4_shared_counts sum = hz4_shared_count(cls);
  uint64_t out = sum.carved_blocks - hz_min(sum.free_blocks, sum.carved_blocks);
  uint64_t owners = hz_max(hz_load_relaxed(&hz4_bound_counters.owners), 1);
  return (unsigned)hz_clamp(out / HZ4_KEEP_SHARE / owners, hz4_bound.cap_min[cls],
                            hz4_bound.cap_max[cls]);
}

// ---- where magazines go

// So many blocks at once are worth the way to the spans.
#define HZ4_HOME_LEAST 128u

// Effect: the blocks leave the owner: to the depot if `offer` says so and it takes them, else back
// to their spans. Returns: false in the latter case.
HZ_INLINE bool hz4_put_away(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                            void **top, uint64_t now_ms, bool offer) {
  unsigned retries = 0, count = hz4_top_count(top);
  void **blocks = top + 1 - count;
  if (offer && !hz4_shared_recedes(cls, c->shard)) {
    hz4_custody_leave(cls, blocks, count);
    bool passed = hz4_depot_put(cls, c->shard, top, now_ms, &retries);
    hz4_observe_add(HZ4_SEEN_RETRIES, retries);
    if (passed) {
      f->owe(c, (int64_t)(count * hz_class_bytes(cls)));
      hz4_observe_part(cls, HZ4_SEEN_HANDED_OVER);
      return true;
    }
    hz4_shared_give(cls, c->shard, blocks, count, now_ms);
  } else {
    hz4_shared_leave(cls, c->shard, blocks, count, now_ms);
  }
  hz4_observe_part(cls, HZ4_SEEN_GIVEN);
  f->spare_put(c, hz4_magazine_of(top));
  hz4_depot_recede(cls, c->shard, now_ms);
  return false;
}

HZ_INLINE bool hz4_put_any(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                           void **top, uint64_t now_ms, bool offer) {
  if (!hz4_top_is_empty(top))
    return hz4_put_away(f, c, cls, top, now_ms, offer);
  f->spare_put(c, hz4_magazine_of(top));
  return true;
}

// Effect: the magazines of a stack, taken out, leave the owner. Returns: whether the depot had all.
HZ_INLINE bool hz4_put_stack(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                             void **top, uint64_t now_ms, bool offer) {
  bool passed = true;
  for (void **below; top; top = below) {
    below = hz4_magazine_of(top)->below;
    passed = hz4_put_any(f, c, cls, top, now_ms, offer) && passed;
  }
  return passed;
}

// Whether a stack, taken out, goes home to the spans: a bulk of small blocks of which this owner's
// shard has carved some. There neighbours in time are neighbours in memory: the spans hand them out
// again in the order of their addresses, to the shard that had them; as magazines they would go
// round in the order in which they were freed, among all CPUs. Blocks that come from elsewhere are
// better off in the depot: they are going round anyway.
HZ_INLINE bool hz4_goes_home(const struct hz4_cache *c, unsigned cls, void **top) {
  return cls < HZ4_MID_FIRST_CLASS && top &&
         hz_load_relaxed(&hz4_magazine_of(top)->stacked) >= HZ4_HOME_LEAST &&
         hz4_small_is_near(cls, c->shard, top + 1 - hz4_top_count(top), hz4_top_count(top));
}

// Effect: the blocks of a stack, taken out, go home. Returns: whether the class is still wanted.
HZ_INLINE bool hz4_send_home(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                             void **top, uint64_t now_ms) {
  void *blocks[HZ4_COMPANY_BLOCKS];
  unsigned n = 0;
  for (void **below; top; top = below) {
    unsigned count = hz4_top_count(top);
    below = hz4_magazine_of(top)->below;
    if (n + count > HZ4_COMPANY_BLOCKS) {
      hz4_shared_leave(cls, c->shard, blocks, n, now_ms);
      n = 0;
    }
    memcpy(blocks + n, top + 1 - count, count * sizeof *blocks);
    n += count;
    f->spare_put(c, hz4_magazine_of(top));
  }
  hz4_shared_leave(cls, c->shard, blocks, n, now_ms);
  hz4_observe_part(cls, HZ4_SEEN_GIVEN);
  hz4_depot_recede(cls, c->shard, now_ms);
  return !hz4_shared_recedes(cls, c->shard);
}

// Effect: finds a place for a magazine that was replaced, whatever it holds.
HZ_INLINE void hz4_stow(const struct hz4_front_ops *f, unsigned cls, void **top, bool keep) {
  if (!hz4_top_is_real(top))
    return;
  struct hz4_cache *c = f->here();
  bool empty = hz4_top_is_empty(top);
  // An empty one only where it is alone, so that it hides none.
  bool wanted = empty ? hz_load_relaxed(&c->prev[cls]) == NULL : keep && hz4_prev_has_room(c, cls);
  if (wanted && f->prev_put(c, cls, top))
    return;
  if (empty)
    f->spare_put(c, hz4_magazine_of(top));
  else
    hz4_put_away(f, c, cls, top, hz_os_now_ms(), true);
}

HZ_INLINE void hz4_load(const struct hz4_front_ops *f, unsigned cls, void **top, bool keep) {
  void **old = f->exchange(cls, top);
  // After the exchange: a tick in between may have drained this CPU too.
  hz_store_relaxed(&f->here()->drained, false);
  hz4_stow(f, cls, HZ_UNLIKELY(old == HZ4_TOP_STOPPED) ? top : old, keep);
}

// Effect: everything a bin holds leaves the owner. offer: the depot may have it.
HZ_INLINE void hz4_bin_empty(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                             uint64_t now_ms, bool offer) {
  void **top = f->exchange(cls, HZ4_TOP_NOTHING);
  if (hz4_top_is_real(top))
    hz4_put_any(f, c, cls, top, now_ms, offer);
  hz4_put_stack(f, c, cls, f->prev_take_all(c, cls), now_ms, offer);
  hz4_cap_release(c, cls, hz_load_relaxed(&c->cap[cls]), hz4_bound.cap_min[cls]);
}

// Where a bin stands, in a byte: slot and, roughly, magazine.
HZ_INLINE uint8_t hz4_stand(const struct hz4_cache *c, unsigned cls) {
  return (uint8_t)((uintptr_t)hz_load_relaxed(&c->top[cls]) / sizeof(void *));
}

// Effect: a bin that stands where it stood when the hand last went by gives its room to others.
HZ_INLINE void hz4_steal_room(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned for_cls,
                              uint64_t now_ms) {
  for (unsigned step = 0; step < 8; step++) {
    unsigned cls = hz_load_relaxed(&c->hand) % HZ_CLASS_LAST + 1;
    hz_store_relaxed(&c->hand, (uint8_t)cls);
    if (cls == for_cls || hz_load_relaxed(&c->cap[cls]) <= hz4_bound.cap_min[cls])
      continue;
    uint8_t stand = hz4_stand(c, cls);
    if (stand == hz_load_relaxed(&c->used[cls])) {
      hz4_bin_empty(f, c, cls, now_ms, false); // nobody wanted them: home
      return;
    }
    hz_store_relaxed(&c->used[cls], stand);
  }
}

// A bin grows beyond two magazines only where it alternates: what it gave away it asks for again.
HZ_INLINE void hz4_grow(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                        bool alternates, uint64_t now_ms) {
  unsigned cap = hz_load_relaxed(&c->cap[cls]);
  if (!alternates && (cap >= HZ4_MAGAZINE_CAP_MAX || cap * hz_class_bytes(cls) >= f->one_way_bytes))
    return;
  if (HZ_UNLIKELY(hz4_cap_raise(c, cls)))
    hz4_steal_room(f, c, cls, now_ms);
}

HZ_INLINE void hz4_note(struct hz4_cache *c, unsigned cls, enum hz4_trend trend, uint64_t now_ms) {
  hz_store_relaxed(&c->trend[cls], (uint8_t)trend);
  hz_store_relaxed(&c->last_ms, now_ms);
}

// ---- between the two magazines of a bin

// Effect: notes what befell the bin. Returns: whether that is the opposite of what befell it last:
// the bin swings about the border between its two magazines.
HZ_INLINE bool hz4_swings(struct hz4_cache *c, unsigned cls, enum hz4_trend now) {
  uint8_t last = hz_load_relaxed(&c->swing[cls]);
  hz_store_relaxed(&c->swing[cls], (uint8_t)now);
  return last == (now == HZ4_TREND_MISS ? HZ4_TREND_FLUSH : HZ4_TREND_MISS);
}

// Effect: the upper n blocks of `from` are on top of `to`. Requires: both the caller's; n <= blocks
// of from, and room in to. Returns: to's top.
HZ_INLINE void **hz4_move(void ***from, void **to, unsigned n) {
  memcpy(to + 1, *from + 1 - n, n * sizeof *to);
  *from -= n;
  return to + n;
}

// A swing costs as much as a dozen blocks moved: below this many it is let be.
#define HZ4_HALVE_LEAST 6u

// Effect: of the second magazine, taken out, half stays there, so that neither way the next
// exchange is near. Returns: the other half, to be loaded.
HZ_INLINE void **hz4_halve(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                           void **top) {
  unsigned n = hz4_top_count(top);
  struct hz4_magazine *m = n < HZ4_HALVE_LEAST ? NULL : f->spare_get(c);
  if (!m)
    return top;
  void **upper = hz4_move(&top, hz4_magazine_open(m, hz4_magazine_of(top)->cap), n / 2);
  hz4_stow(f, cls, top, true);
  return upper;
}

// The same for a bin that is full and whose second magazine, taken out, has room. Returns: the
// second magazine's top, to be loaded.
HZ_INLINE void **hz4_even_out(const struct hz4_front_ops *f, unsigned cls, void **top) {
  unsigned room = hz4_magazine_of(top)->cap - hz4_top_count(top);
  void **full = f->exchange(cls, HZ4_TOP_NOTHING);
  if (!hz4_top_is_real(full))
    return top;
  unsigned n = (unsigned)hz_min(hz4_top_count(full) / 2, room - 1);
  top = hz4_move(&full, top, n);
  hz4_stow(f, cls, full, true);
  return top;
}

// ---- miss

// So many blocks at once from the spans, where a bin has grown to hold several times as many.
#define HZ4_REFILL_BLOCKS 241u

// Effect: n blocks lie in a magazine, the first of them on top. Returns: its top.
HZ_INLINE void **hz4_magazine_fill(struct hz4_magazine *m, unsigned cap, void *const *blocks,
                                   unsigned n) {
  void **top = hz4_magazine_open(m, cap);
  while (n > 0)
    *++top = blocks[--n]; // so that the lowest address goes first
  return top;
}

// Effect: blocks beyond the first magazine lie on the stack of second ones, the lowest addresses
// uppermost.
HZ_INLINE void hz4_stack_up(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                            unsigned cap, void *const *blocks, unsigned n) {
  while (n > 0) {
    unsigned part = n % cap ? n % cap : cap;
    struct hz4_magazine *m = f->spare_get(c);
    if (HZ_UNLIKELY(!m)) { // no metadata to be had
      hz4_shared_leave(cls, c->shard, blocks, n, 0);
      return;
    }
    n -= part;
    hz4_stow(f, cls, hz4_magazine_fill(m, cap, blocks + n, part), true);
  }
}

// Returns: a block from the spans, others with it in the bin; NULL when memory is exhausted.
// empty: a magazine that may be used for them, NULL if none; consumed.
HZ_INLINE void *hz4_refill(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                           void **empty) {
  void *blocks[HZ4_REFILL_BLOCKS];
  unsigned cap = hz4_magazine_cap(c, cls);
  unsigned want = (unsigned)hz_clamp(hz4_cap(c, cls) / 4u, cap, HZ4_REFILL_BLOCKS);
  struct hz4_magazine *m = empty ? hz4_magazine_of(empty) : f->spare_get(c);
  unsigned n = hz4_shared_take(cls, c->shard, blocks, m ? want : 1);
  hz4_observe_part(cls, HZ4_SEEN_REFILL_SPANS);
  if (n <= 1 || !m) { // the last block there is, or no metadata to keep others in
    if (m)
      f->spare_put(c, m);
    return n == 0 ? NULL : blocks[0];
  }
  unsigned first = (unsigned)hz_min(n - 1, cap);
  hz4_stack_up(f, c, cls, cap, blocks + 1 + first, n - 1 - first);
  hz4_load(f, cls, hz4_magazine_fill(m, cap, blocks + 1, first), true);
  return blocks[0];
}

// Effect: a magazine of the depot is loaded, one block less. Returns: that block. replaced: the
// second magazine, empty, or NULL.
HZ_INLINE void *hz4_load_full(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls,
                              void **full, void **replaced) {
  unsigned count = hz4_top_count(full);
  void *p = *full;
  hz4_observe_part(cls, HZ4_SEEN_REFILL_DEPOT);
  f->owe(c, -(int64_t)(count * hz_class_bytes(cls)));
  if (replaced)
    f->spare_put(c, hz4_magazine_of(replaced));
  // Before the others can have them. Stores to many lines, so nothing that waits for stores (an
  // atomic swap does) should come soon after.
  hz4_custody_enter(cls, full + 1 - count, count);
  hz4_load(f, cls, full - 1, true);
  return p;
}

HZ_INLINE void *hz4_miss(const struct hz4_front_ops *f, unsigned cls) {
  struct hz4_cache *c = f->here();
  hz_store_relaxed(&c->drained, false);
  bool swings = hz4_swings(c, cls, HZ4_TREND_MISS);
  void **top = f->prev_take(c, cls);
  if (top && hz4_top_is_empty(top) && hz_load_relaxed(&c->prev[cls])) {
    f->spare_put(c, hz4_magazine_of(top)); // it was alone when it was put there
    top = f->prev_take(c, cls);
  }
  if (top && !hz4_top_is_empty(top)) {
    uint64_t now_ms = hz_os_now_ms();
    hz4_observe_part(cls, HZ4_SEEN_REFILL_PREVIOUS);
    hz_store_relaxed(&c->last_ms, now_ms); // its stacks serve: not idle
    hz4_tick(now_ms);
    if (swings)
      top = hz4_halve(f, c, cls, top);
    void *p = *top;
    hz4_load(f, cls, top - 1, true);
    return p;
  }
  uint64_t now_ms = hz_os_now_ms();
  unsigned retries = 0;
  hz4_grow(f, c, cls, hz_load_relaxed(&c->trend[cls]) == HZ4_TREND_FLUSH, now_ms);
  hz4_note(c, cls, HZ4_TREND_MISS, now_ms);
  hz4_tick(now_ms);
  void **full = hz4_depot_get(cls, c->shard, now_ms, &retries);
  hz4_observe_add(HZ4_SEEN_RETRIES, retries);
  return full ? hz4_load_full(f, c, cls, full, top) : hz4_refill(f, c, cls, top);
}

// ---- overflow

// Of a stack that ran full so much leaves at once, and a company at least (beyond that each block
// costs the same): who frees a little more than the bin holds, and allocates again, finds the rest.
#define HZ4_LEAVE_SHARE 4u

// Effect: the upper, warmer part of a stack, taken out, lies in the cache again. Returns: the rest.
HZ_INLINE void **hz4_keep_upper(const struct hz4_front_ops *f, unsigned cls, void **stack) {
  if (!stack)
    return NULL;
  unsigned blocks = hz_load_relaxed(&hz4_magazine_of(stack)->stacked);
  unsigned leave = (unsigned)hz_max(blocks / HZ4_LEAVE_SHARE, HZ4_COMPANY_BLOCKS);
  void **upper = NULL; // the other way round
  for (void **below; stack; stack = below) {
    struct hz4_magazine *m = hz4_magazine_of(stack);
    if (hz_load_relaxed(&m->stacked) <= leave)
      break;
    below = m->below;
    m->below = upper;
    upper = stack;
  }
  for (void **below; upper; upper = below) {
    below = hz4_magazine_of(upper)->below;
    hz4_stow(f, cls, upper, true);
  }
  return stack;
}

// Effect: the loaded magazine goes the way of a stack, taken out: alone in the depot it would leave
// a hole among its neighbours. Returns: the stack with it.
HZ_INLINE void **hz4_with_loaded(const struct hz4_front_ops *f, unsigned cls, void **stack) {
  void **full = f->exchange(cls, HZ4_TOP_NOTHING);
  if (!hz4_top_is_real(full))
    return stack;
  hz4_magazine_stack(full, stack);
  return full;
}

// Effect: second magazines leave the owner: they are full, and there may be no more of them.
// Returns: whether the loaded one may take their place.
HZ_INLINE bool hz4_flush(const struct hz4_front_ops *f, struct hz4_cache *c, unsigned cls) {
  uint64_t now_ms = hz_os_now_ms();
  unsigned last = hz_load_relaxed(&c->trend[cls]);
  bool keep = last != HZ4_TREND_FLUSH;
  if (keep)
    hz4_grow(f, c, cls, last == HZ4_TREND_MISS, now_ms);
  void **stack = f->prev_take_all(c, cls);
  if (keep)
    stack = hz4_keep_upper(f, cls, stack);
  bool home = hz4_goes_home(c, cls, stack);
  if (home && !keep)
    stack = hz4_with_loaded(f, cls, stack);
  bool passed = home ? hz4_send_home(f, c, cls, stack, now_ms)
                     : hz4_put_stack(f, c, cls, stack, now_ms, true);
  if (!keep && !passed) {
    unsigned cap = hz_load_relaxed(&c->cap[cls]);
    hz4_cap_release(c, cls, cap, (unsigned)hz_max(cap / 2, hz4_cap_least(cls)));
  } else if (!keep) {
    hz4_grow(f, c, cls, false, now_ms); // others take it: fewer ways
  }
  hz4_note(c, cls, HZ4_TREND_FLUSH, now_ms);
  hz4_tick(now_ms);
  return keep;
}

// Returns: a second magazine with room, taken out; NULL when there is none.
HZ_INLINE void **hz4_prev_take_roomy(const struct hz4_front_ops *f, struct hz4_cache *c,
                                     unsigned cls) {
  void **top = hz_load_relaxed(&c->prev[cls]);
  if (!hz4_top_is_real(top) || hz4_top_is_full(top))
    return NULL;
  top = f->prev_take(c, cls);
  if (HZ_LIKELY(!top || !hz4_top_is_full(top)))
    return top;
  hz4_stow(f, cls, top, true); // another thread's of this CPU, put there meanwhile
  return NULL;
}

HZ_INLINE void hz4_overflow(const struct hz4_front_ops *f, unsigned cls, void *p) {
  struct hz4_cache *c = f->here();
  hz_store_relaxed(&c->drained, false);
  bool swings = hz4_swings(c, cls, HZ4_TREND_FLUSH);
  void **top = hz4_prev_take_roomy(f, c, cls);
  bool keep = true;
  if (!top && !hz4_prev_has_room(c, cls))
    keep = hz4_flush(f, c, cls);
  if (!top) {
    struct hz4_magazine *m = f->spare_get(c);
    if (HZ_UNLIKELY(!m)) { // no metadata to be had: the block goes home at once
      hz4_shared_leave(cls, c->shard, &p, 1, 0);
      return;
    }
    top = hz4_magazine_open(m, hz4_magazine_cap(c, cls));
  } else if (hz4_top_is_empty(top)) {
    top = hz4_magazine_open(hz4_magazine_of(top), hz4_magazine_cap(c, cls));
    if (swings)
      top = hz4_even_out(f, cls, top);
  }
  *++top = p;
  hz4_load(f, cls, top, keep);
}

HZ_EXTERN_C_END

#endif // HZ4_EXCHANGE_H_
