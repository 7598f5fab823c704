// Spans and the central lists of their classes. See span.h.
#include "hz3/span.h"

#include <limits.h>
#include <string.h>

#include "common/base/loyal.h"
#include "hz3/observe.h"
#include "hz3/tick.h"

// Blocks that go to the spans under one holding of a lock: about a microsecond.
#define PUT_MOST 256u
// So many empty spans go back under one holding of the arena's lock.
#define CLOSED_TOGETHER 16u

// What a heap may hold free in a class before others may have of it: this much, and this share of
// what is out.
#define PLENTY_BYTES (32 * HZ_KIB)
#define PLENTY_SHARE 4

_Static_assert(PUT_MOST <= HZ_LOYAL_BLOCKS, "what one holding brings is a part of the share");
// A heap is idle when its own threads have been elsewhere for so many ticks (half a second). They
// are counted relaxed: who lags behind is off by one.
#define IDLE_TICKS 20u

// Below so many spans' worth, what a heap holds free is not worth a slower free.
#define SPARSE_SPANS 2u

struct hz3_central hz3_central[HZ3_HEAPS][HZ_CLASS_COUNT];
static uint32_t heaps_end = 1; // no span belongs to a heap at or beyond

// Relaxed: what a heap holds is seen under its lock; who looks early misses one that is new.
static unsigned heaps_used(void) {
  return hz_load_relaxed(&heaps_end);
}

void hz3_span_heap_use(unsigned heap) {
  if (heap >= heaps_used())
    hz_store_relaxed(&heaps_end, heap + 1);
}

// The heap from which a thread of this heap has blocks of the class.
static unsigned heap_for(unsigned heap, unsigned cls) {
  return hz3_span_has_heaps(cls) ? heap : 0;
}

// ---- one span ----

static uint64_t *bits_of(struct hz3_span *s) {
  return s->bits_batch ? (uint64_t *)(void *)hz3_batch_of(s->bits_batch) : s->bits;
}

// Of classes with pages, which have one word of blocks.
#define FREE(s) ((s)->bits[0])
#define PURGED(s) ((s)->bits[1])

static void unpurged_add(struct hz3_central *c, int blocks) {
  hz_store_relaxed(&c->blocks_unpurged, c->blocks_unpurged + (uint64_t)(int64_t)blocks);
}
static int unpurged_of(const struct hz3_span *s) {
  return __builtin_popcountll(FREE(s) & ~PURGED(s));
}

static unsigned out_of(const struct hz3_span *s) {
  return (unsigned)s->carved - s->free;
}

// Which list holds a span with so many blocks out.
static uint8_t list_for(const struct hz3_span *s) {
  unsigned blocks = hz3_shape[s->cls].span_blocks, quarters = 4 * out_of(s);
  if (quarters == 4 * blocks)
    return HZ3_LIST_NONE;
  // Compared, not divided: blocks freed in any order come here one by one.
  return (uint8_t)(3 - (quarters >= blocks) - (quarters >= 2 * blocks) - (quarters >= 3 * blocks));
}

// The records say how far blocks were handed out, in every granule of the span: a pointer beyond is
// refused by free's one load.
static void records_set_limit(const struct hz3_span *s, uint64_t granule) {
  const struct hz3_shape *shape = &hz3_shape[s->cls];
  uint32_t limit = (uint32_t)(s->carved * hz_class_bytes(s->cls) / 16);
  for (unsigned i = 0; i < shape->span_granules; i++)
    // Relaxed: whoever frees one of these blocks was handed it after this store.
    hz_store_relaxed(&hz_arena.granules[granule + i].limit16, limit);
}

static void records_open(unsigned heap, unsigned cls, uint64_t granule) {
  for (unsigned i = 0; i < hz3_shape[cls].span_granules; i++) {
    struct hz_granule *record = &hz_arena.granules[granule + i];
    hz_store_relaxed(&record->limit16, 0u);
    hz_store_relaxed(&record->index, (uint16_t)i);
    hz_store_relaxed(&record->flags, (uint8_t)heap);
    hz_store_relaxed(&record->tag, (uint8_t)cls);
  }
}

// What was a block here stays known by its flags: a later free of it is a second one.
static void record_close(struct hz_granule *record, unsigned cls) {
  hz_store_relaxed(&record->flags, (uint8_t)cls);
  hz_store_relaxed(&record->tag, (uint8_t)HZ_TAG_NONE);
}

// Bins hand out from the far end: filled from there, a fresh bin serves rising addresses. Both
// write downwards from `end`.

// Effect: moves up to `want` free blocks, lowest first. Returns: how many.
static unsigned span_reuse(struct hz3_span *s, char *start, void **end, unsigned want) {
  size_t bytes = hz_class_bytes(s->cls);
  uint64_t *bits = bits_of(s);
  unsigned most = (unsigned)hz_min(s->free, want), left = most, word = s->first_word;
  while (left != 0) {
    uint64_t set = bits[word];
    char *first = start + word * 64u * bytes;
    for (; set != 0 && left != 0; left--, set &= set - 1)
      *--end = first + hz_lowest_bit(set) * bytes;
    bits[word] = set;
    word += set == 0;
  }
  s->first_word = (uint16_t)word;
  s->free = (uint16_t)(s->free - most);
  return most;
}

// Effect: hands out up to `want` blocks for the first time. Returns: how many.
static unsigned span_carve(struct hz3_span *s, uint64_t granule, char *start, void **end,
                           unsigned want) {
  size_t bytes = hz_class_bytes(s->cls);
  unsigned n = (unsigned)hz_min(want, hz3_shape[s->cls].span_blocks - s->carved);
  if (n == 0)
    return 0;
  start += s->carved * bytes;
  for (unsigned i = 0; i < n; i++, start += bytes)
    *--end = start;
  s->carved = (uint16_t)(s->carved + n);
  records_set_limit(s, granule);
  return n;
}

static void central_lock(struct hz3_central *c) {
  uint64_t began = hz3_time_begin(HZ3_TIMED_LOCK);
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  hz3_time_end(HZ3_TIMED_LOCK, began);
}
static void central_unlock(struct hz3_central *c) {
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
}

// ---- lists; the class's lock is held ----

static void list_remove(struct hz3_central *c, struct hz3_span *s) {
  if (s->list == HZ3_LIST_NONE)
    return;
  if (s->prev)
    hz3_span_of(s->prev - 1)->next = s->next;
  else
    c->lists[s->list] = s->next;
  if (s->next)
    hz3_span_of(s->next - 1)->prev = s->prev;
  s->list = HZ3_LIST_NONE;
}

static void list_add(struct hz3_central *c, struct hz3_span *s, uint64_t granule, uint8_t list) {
  s->list = list;
  if (list == HZ3_LIST_NONE)
    return;
  s->prev = 0;
  s->next = c->lists[list];
  if (s->next)
    hz3_span_of(s->next - 1)->prev = (uint32_t)granule + 1;
  c->lists[list] = (uint32_t)granule + 1;
}

static void list_move(struct hz3_central *c, struct hz3_span *s, uint64_t granule) {
  uint8_t list = list_for(s);
  if (list == s->list)
    return;
  list_remove(c, s);
  list_add(c, s, granule, list);
}

// Neighbouring blocks that were never handed out before, and read as zero.
struct carved {
  void *first;
  unsigned count;
};

static unsigned central_pick_from(struct hz3_central *c, uint32_t name, void **end, unsigned want,
                                  struct carved *carved) {
  struct hz3_span *s = hz3_span_of(name - 1);
  char *start = hz_granule_address(name - 1);
  bool has_pages = hz3_span_has_pages(s->cls);
  int unpurged = has_pages ? unpurged_of(s) : 0;
  unsigned reused = span_reuse(s, start, end, want);
  if (has_pages) {
    PURGED(s) &= FREE(s);
    unpurged_add(c, unpurged_of(s) - unpurged);
  }
  unsigned fresh = span_carve(s, name - 1, start, end - reused, want - reused);
  if (fresh != 0 && s->zeroed)
    *carved = (struct carved){end[-(int)reused - 1], fresh};
  list_move(c, s, name - 1);
  c->tick_used = hz_load_relaxed(&hz3_tick_count);
  hz_store_relaxed(&c->blocks_free, c->blocks_free - reused);
  hz_store_relaxed(&c->blocks_out, c->blocks_out + reused + fresh);
  return reused + fresh;
}

static unsigned central_pick(struct hz3_central *c, void **end, unsigned want,
                             struct carved *carved) {
  unsigned n = 0;
  for (unsigned list = 0; list < HZ3_SPAN_LISTS; list++)
    while (n < want && c->lists[list] != 0)
      n += central_pick_from(c, c->lists[list], end - n, want - n, carved);
  return n;
}

// ---- opening and closing ----

// Effect: a run of the arena becomes an empty span, on no list yet. No lock is held: this makes
// system calls. Returns: its granule + 1, 0 when memory is exhausted.
static uint32_t span_open(unsigned heap, unsigned cls) {
  const struct hz3_shape *shape = &hz3_shape[cls];
  uint32_t bits_batch = 0;
  if (shape->span_blocks > HZ3_SPAN_BITS_WORDS * 64) {
    bits_batch = hz3_batch_take();
    if (bits_batch == 0)
      return 0;
  }
  struct hz_run run;
  uint64_t began = hz3_time_begin(HZ3_TIMED_RUNS);
  bool got = hz_run_alloc(shape->span_granules, 1, &run);
  hz3_time_end(HZ3_TIMED_RUNS, began);
  if (!got) {
    if (bits_batch != 0)
      hz3_batch_give(bits_batch);
    return 0;
  }
  struct hz3_span *s = hz3_span_of(run.granule);
  s->carved = s->free = s->first_word = 0;
  s->cls = (uint8_t)cls;
  s->list = HZ3_LIST_NONE;
  s->bits_batch = bits_batch;
  s->zeroed = run.zeroed;
  memset(bits_of(s), 0, (shape->span_blocks + 63u) / 64 * 8);
  if (hz3_span_has_pages(cls))
    PURGED(s) = 0;
  records_open(heap, cls, run.granule);
  hz3_count(cls, HZ3_STEP_OPENED, 1);
  return (uint32_t)run.granule + 1;
}

// Effect: the spans of the class linked by `next` from `name` on, which are empty and on no list,
// go back, in company: the arena has one lock.
static void spans_close(unsigned cls, uint32_t name) {
  while (name != 0) {
    uint64_t granules[CLOSED_TOGETHER];
    unsigned n = 0;
    for (; name != 0 && n < CLOSED_TOGETHER; n++) {
      struct hz3_span *s = hz3_span_of(name - 1);
      if (s->bits_batch != 0)
        hz3_batch_give(s->bits_batch);
      granules[n] = name - 1;
      name = s->next;
    }
    uint64_t began = hz3_time_begin(HZ3_TIMED_RUNS);
    hz_runs_free(granules, n, hz3_shape[cls].span_granules);
    hz3_time_end(HZ3_TIMED_RUNS, began);
    hz3_count(cls, HZ3_STEP_CLOSED, n);
  }
}

// Effect: a new span serves at once, so that none is ever on a list with nothing out. No lock is
// held. Returns: how many of `want` blocks; 0 when memory is exhausted. *zeroed: whether they read
// as zero.
static unsigned central_open(unsigned heap, unsigned cls, void **end, unsigned want, bool *zeroed,
                             struct carved *carved) {
  struct hz3_central *c = &hz3_central[heap][cls];
  uint32_t name = span_open(heap, cls);
  if (name == 0)
    return 0;
  struct hz3_span *s = hz3_span_of(name - 1);
  *zeroed = s->zeroed;
  central_lock(c);
  list_add(c, s, name - 1, list_for(s));
  hz_store_relaxed(&c->spans, c->spans + 1);
  c->carving = name;
  unsigned n = central_pick_from(c, name, end, want, carved);
  central_unlock(c);
  return n;
}

// ---- heaps ----

// Whether a heap holds so much memory that was used and is free that another may have of it. A look
// without its lock, hence relaxed: the span is chosen under it.
static bool heap_has_plenty(const struct hz3_central *c, unsigned cls) {
  uint64_t free = hz_load_relaxed(&c->blocks_free), out = hz_load_relaxed(&c->blocks_out);
  return free * hz_class_bytes(cls) >= PLENTY_BYTES && free >= out / PLENTY_SHARE;
}

// The fullest list of whose spans others may have one.
static unsigned adoptable(const struct hz3_central *from) {
  bool idle = hz_load_relaxed(&hz3_tick_count) - from->tick_used >= IDLE_TICKS;
  return idle || !hz_is_loyal(from->loyal) ? 0 : HZ3_SPAN_LISTS - 1;
}

// Effect: the emptiest span of `from`, where others may have it, becomes `to`'s. Both locks are
// held.
static bool span_move(struct hz3_central *from, struct hz3_central *to, unsigned heap) {
  unsigned list = HZ3_SPAN_LISTS - 1, least = adoptable(from);
  while (list > least && from->lists[list] == 0)
    list--;
  if (from->lists[list] == 0)
    return false;
  uint32_t name = from->lists[list];
  struct hz3_span *s = hz3_span_of(name - 1);
  list_remove(from, s);
  if (from->carving == name)
    from->carving = 0;
  hz_store_relaxed(&from->spans, from->spans - 1);
  hz_store_relaxed(&from->blocks_out, from->blocks_out - out_of(s));
  hz_store_relaxed(&from->blocks_free, from->blocks_free - s->free);
  for (unsigned i = 0; i < hz3_shape[s->cls].span_granules; i++)
    hz_store_relaxed(&hz_arena.granules[name - 1 + i].flags, (uint8_t)heap);
  list_add(to, s, name - 1, (uint8_t)list);
  hz_store_relaxed(&to->spans, to->spans + 1);
  hz_store_relaxed(&to->blocks_out, to->blocks_out + out_of(s));
  hz_store_relaxed(&to->blocks_free, to->blocks_free + s->free);
  return true;
}

// Effect: a span with room that another heap has no need of becomes this heap's. Nobody is waited
// for. Returns: whether there was one.
static bool span_adopt(unsigned heap, unsigned cls) {
  unsigned used = heaps_used();
  struct hz3_central *to = &hz3_central[heap][cls];
  if (!hz3_span_has_heaps(cls))
    return false;
  for (unsigned i = 1; i < used; i++) {
    struct hz3_central *from = &hz3_central[(heap + i) % used][cls];
    if (!heap_has_plenty(from, cls))
      continue;
    struct hz3_central *first = from < to ? from : to, *second = from < to ? to : from;
    if (!hz_lock_try(&first->lock, HZ_RANK_CENTRAL))
      continue;
    bool moved = false;
    if (hz_lock_try(&second->lock, HZ_RANK_CENTRAL)) {
      moved = span_move(from, to, heap);
      central_unlock(second);
    }
    central_unlock(first);
    if (moved)
      return true;
  }
  return false;
}

// ---- the two ways ----

unsigned hz3_span_take(unsigned heap, unsigned cls, void **out, unsigned want) {
  heap = heap_for(heap, cls);
  struct hz3_central *c = &hz3_central[heap][cls];
  void **end = out + want;
  struct carved carved = {NULL, 0};
  central_lock(c);
  unsigned n = central_pick(c, end, want, &carved);
  central_unlock(c);
  if (n == 0 && span_adopt(heap, cls)) {
    central_lock(c);
    n = central_pick(c, end, want, &carved);
    central_unlock(c);
  }
  bool zeroed;
  if (n == 0)
    n = central_open(heap, cls, end, want, &zeroed, &carved);
  // Relaxed: a hint.
  if (carved.count != 0 && hz_load_relaxed(&c->spans) > 1)
    hz_run_ahead(carved.first, carved.count, hz_class_bytes(cls));
  if (n < want)
    memmove(out, end - n, n * sizeof(void *));
  return n;
}

void *hz3_span_take_fresh(unsigned heap, unsigned cls, bool *zeroed) {
  heap = heap_for(heap, cls);
  struct hz3_central *c = &hz3_central[heap][cls];
  void *block = NULL;
  struct carved carved; // may be large, and its caller wants it as it is
  // Relaxed: a look without the lock, which is not worth taking then.
  if (hz_load_relaxed(&c->blocks_free) != 0)
    return NULL;
  central_lock(c);
  bool used = c->blocks_free != 0;
  struct hz3_span *s = c->carving != 0 ? hz3_span_of(c->carving - 1) : NULL;
  if (!used && s && s->carved < hz3_shape[cls].span_blocks) {
    *zeroed = s->zeroed;
    (void)central_pick_from(c, c->carving, &block + 1, 1, &carved);
  }
  central_unlock(c);
  if (!used && !block)
    (void)central_open(heap, cls, &block + 1, 1, zeroed, &carved);
  return block;
}

// Effect: the span stands in its right list, or, empty, in none but *empty. The lock is held.
static void span_settle(struct hz3_central *c, unsigned cls, struct hz3_span *s, uint32_t *empty) {
  uint64_t first = hz3_granule_of_span(s);
  if (out_of(s) != 0) {
    list_move(c, s, first);
    return;
  }
  list_remove(c, s);
  hz_store_relaxed(&c->spans, c->spans - 1);
  hz_store_relaxed(&c->blocks_free, c->blocks_free - s->free);
  if (hz3_span_has_pages(cls))
    unpurged_add(c, -unpurged_of(s));
  if (c->carving == first + 1)
    c->carving = 0;
  for (unsigned i = 0; i < hz3_shape[cls].span_granules; i++)
    record_close(&hz_arena.granules[first + i], cls);
  s->next = *empty;
  *empty = (uint32_t)first + 1;
}

// A place in one span while blocks of a batch come back to it: neighbours in a batch are often
// neighbours there, so that a word of bits is written, and the span settled, once for many. All
// that takes its address is inlined, so that it lives in registers.
struct cursor {
  struct hz3_span *span;
  char *start;
  uintptr_t bytes; // from start: in all granules of the span; 0: there is no span
  uint64_t *bits;
  uint64_t value; // of the word, with what is not written yet
  unsigned word;  // NO_WORD: none of this span yet
  unsigned added; // blocks, to this span
};
#define NO_WORD UINT_MAX

// Returns: the record of the block's granule. A block whose span is no more is a double free.
static const struct hz_granule *record_holding(unsigned cls, const void *p, enum hz_api api) {
  const struct hz_granule *record = &hz_arena.granules[hz_granule_of(p)];
  if (HZ_UNLIKELY(hz_load_relaxed(&record->tag) != cls))
    hz_fail_double_free(p, hz_class_bytes(cls), api); // its span is empty since: it was free
  return record;
}

HZ_INLINE void cursor_to_word(struct cursor *at, unsigned word) {
  if (at->word != NO_WORD)
    at->bits[at->word] = at->value;
  at->value = at->bits[word]; // NOLINT(clang-analyzer-core.NullDereference): there is a span
  at->word = word;
  if (word < at->span->first_word)
    at->span->first_word = (uint16_t)word;
}

HZ_INLINE void cursor_leave(struct cursor *at, struct hz3_central *c, unsigned cls,
                            uint32_t *empty) {
  if (at->bytes == 0)
    return;
  at->bits[at->word] = at->value;
  at->span->free = (uint16_t)(at->span->free + at->added);
  hz_store_relaxed(&c->blocks_free, c->blocks_free + at->added);
  hz_store_relaxed(&c->blocks_out, c->blocks_out - at->added);
  if (hz3_span_has_pages(cls)) {
    unpurged_add(c, (int)at->added);
    at->span->put_tick = (uint16_t)hz_load_relaxed(&hz3_tick_count);
  }
  span_settle(c, cls, at->span, empty);
}

HZ_INLINE void cursor_enter(struct cursor *at, uint64_t granule, unsigned cls) {
  at->start = hz_granule_address(granule);
  at->bytes = (uintptr_t)hz3_shape[cls].span_granules << HZ_GRANULE_SHIFT;
  at->span = hz3_span_of(granule);
  at->bits = bits_of(at->span);
  at->word = NO_WORD;
  at->added = 0;
}

// Effect: `count` blocks came back, its own threads' or others'. The lock is held.
static void note_back(struct hz3_central *c, unsigned count, bool own) {
  c->loyal = hz_loyal_after(c->loyal, count, own);
  if (own)
    c->tick_used = hz_load_relaxed(&hz3_tick_count);
}

// Effect: of `count` blocks those of this heap are free again; the others are in `later`, which may
// be `blocks`. own: a thread of the heap brings them. Spans that ran empty are linked before
// *empty, for spans_close. Returns: how many blocks are others.
static unsigned heap_put(unsigned heap, unsigned cls, void *const *blocks, unsigned count,
                         void **later, uint32_t *empty, bool own, enum hz_api api) {
  struct hz3_central *c = &hz3_central[heap][cls];
  struct cursor at = {.bytes = 0, .word = NO_WORD};
  unsigned others = 0;
  central_lock(c);
  for (unsigned i = 0; i < count; i++) {
    char *p = blocks[i];
    if (HZ_UNLIKELY((uintptr_t)p - (uintptr_t)at.start >= at.bytes)) {
      const struct hz_granule *record = record_holding(cls, p, api);
      // Relaxed: a span becomes or ceases to be this heap's under the lock we hold alone.
      if (hz_load_relaxed(&record->flags) != heap) {
        later[others++] = p;
        continue;
      }
      cursor_leave(&at, c, cls, empty);
      cursor_enter(&at, hz_granule_of(p) - hz_load_relaxed(&record->index), cls);
    }
    unsigned index = hz3_block_index((uint32_t)(p - at.start), cls);
    if (index / 64 != at.word)
      cursor_to_word(&at, index / 64);
    uint64_t bit = (uint64_t)1 << index % 64;
    if (HZ_UNLIKELY(at.value & bit))
      hz_fail_double_free(p, hz_class_bytes(cls), api);
    at.value |= bit;
    at.added++;
  }
  cursor_leave(&at, c, cls, empty);
  note_back(c, count - others, own);
  central_unlock(c);
  return others;
}

// A guess without a lock, hence relaxed; heap_put looks again.
static unsigned heap_of(unsigned cls, const void *p, enum hz_api api) {
  return hz_load_relaxed(&record_holding(cls, p, api)->flags);
}

void hz3_span_put(unsigned cls, void *const *blocks, unsigned count, enum hz_api api) {
  uint64_t began = hz3_time_begin(HZ3_TIMED_SPANS);
  void *others[PUT_MOST];
  uint32_t empty = 0;
  for (unsigned part; count != 0; count -= part, blocks += part) {
    part = (unsigned)hz_min(count, PUT_MOST);
    void *const *now = blocks;
    for (unsigned left = part; left != 0; now = others)
      left = heap_put(heap_of(cls, now[0], api), cls, now, left, others, &empty, false, api);
  }
  spans_close(cls, empty);
  hz3_count(cls, HZ3_STEP_TO_SPANS, 1);
  hz3_time_end(HZ3_TIMED_SPANS, began);
}

unsigned hz3_span_put_own(unsigned heap, unsigned cls, void **blocks, unsigned count,
                          enum hz_api api) {
  uint64_t began = hz3_time_begin(HZ3_TIMED_SPANS);
  unsigned others = 0, i = 0;
  uint32_t empty = 0;
  while (i < count) {
    if (heap_of(cls, blocks[i], api) != heap) {
      blocks[others++] = blocks[i++];
      continue;
    }
    unsigned part = (unsigned)hz_min(count - i, PUT_MOST);
    unsigned left = heap_put(heap, cls, blocks + i, part, blocks + others, &empty, true, api);
    others += left;
    i += part;
    hz3_count(cls, HZ3_STEP_TO_SPANS, 1);
  }
  spans_close(cls, empty);
  hz3_time_end(HZ3_TIMED_SPANS, began);
  return others;
}

// ---- pages of free blocks: purge.c ----

// Effect: the blocks leave their span, or come back to it. The lock is held.
static void claim_move(struct hz3_central *c, struct hz3_span *s, uint64_t blocks, bool back) {
  int n = __builtin_popcountll(blocks), more = back ? n : -n;
  FREE(s) ^= blocks;
  s->free = (uint16_t)(s->free + more);
  hz_store_relaxed(&c->blocks_free, c->blocks_free + (uint64_t)(int64_t)more);
  hz_store_relaxed(&c->blocks_out, c->blocks_out - (uint64_t)(int64_t)more);
}

unsigned hz3_span_claim(unsigned cls, uint32_t ticks, struct hz3_claim *claims, unsigned most) {
  struct hz3_central *c = &hz3_central[0][cls];
  unsigned n = 0;
  central_lock(c);
  uint32_t now = hz_load_relaxed(&hz3_tick_count);
  for (unsigned list = 0; list < HZ3_SPAN_LISTS; list++)
    for (uint32_t name = c->lists[list], next; name != 0 && n < most; name = next) {
      struct hz3_span *s = hz3_span_of(name - 1);
      next = s->next; // before it changes lists
      uint64_t blocks = FREE(s) & ~PURGED(s);
      if (blocks == 0 || (uint16_t)(now - s->put_tick) < ticks)
        continue;
      claims[n++] = (struct hz3_claim){name, blocks};
      unpurged_add(c, -unpurged_of(s));
      claim_move(c, s, blocks, false);
      list_move(c, s, name - 1);
    }
  central_unlock(c);
  return n;
}

void hz3_span_unclaim(unsigned cls, const struct hz3_claim *claims, unsigned n) {
  struct hz3_central *c = &hz3_central[0][cls];
  uint32_t empty = 0;
  central_lock(c);
  for (unsigned i = 0; i < n; i++) {
    struct hz3_span *s = hz3_span_of(claims[i].name - 1);
    claim_move(c, s, claims[i].blocks, true);
    s->first_word = 0; // what was left may have been taken meanwhile
    PURGED(s) |= claims[i].blocks;
    span_settle(c, cls, s, &empty);
  }
  central_unlock(c);
  spans_close(cls, empty);
}

// ---- what it holds ----

void hz3_span_stats_read(unsigned cls, struct hz3_span_stats *out) {
  out->spans = out->blocks_out = 0;
  for (unsigned heap = 0; heap < heaps_used(); heap++) {
    struct hz3_central *c = &hz3_central[heap][cls];
    central_lock(c);
    out->spans += c->spans;
    out->blocks_out += c->blocks_out;
    central_unlock(c);
  }
  out->span_bytes = out->spans * hz3_shape[cls].span_granules * HZ_GRANULE_BYTES;
  out->blocks_free = out->spans * hz3_shape[cls].span_blocks - out->blocks_out;
}

size_t hz3_span_out_bytes(void) {
  size_t sum = 0;
  for (unsigned heap = 0, used = heaps_used(); heap < used; heap++)
    for (unsigned cls = HZ_CLASS_FIRST;
         cls <= HZ_CLASS_LAST && (heap == 0 || hz3_span_has_heaps(cls)); cls++)
      sum += hz_load_relaxed(&hz3_central[heap][cls].blocks_out) * hz_class_bytes(cls);
  return sum;
}

size_t hz3_span_heap_out(unsigned heap, unsigned cls) {
  return hz_load_relaxed(&hz3_central[heap_for(heap, cls)][cls].blocks_out);
}

bool hz3_span_is_sparse(unsigned heap, unsigned cls) {
  const struct hz3_central *c = &hz3_central[heap_for(heap, cls)][cls];
  uint64_t free = hz_load_relaxed(&c->blocks_free), out = hz_load_relaxed(&c->blocks_out);
  return free > out && free >= SPARSE_SPANS * hz3_shape[cls].span_blocks;
}

static bool span_is_valid(struct hz3_span *s, uint64_t granule, unsigned heap, unsigned cls,
                          uint8_t list) {
  const struct hz3_shape *shape = &hz3_shape[cls];
  const uint64_t *bits = bits_of(s);
  unsigned set = 0;
  for (unsigned w = 0; w < (shape->span_blocks + 63u) / 64; w++) {
    set += (unsigned)__builtin_popcountll(bits[w]);
    if (w < s->first_word && bits[w] != 0)
      return false;
  }
  for (unsigned i = 0; i < shape->span_granules; i++) {
    struct hz_granule r = hz_arena.granules[granule + i];
    if (r.tag != cls || r.flags != heap || r.index != i ||
        r.limit16 != s->carved * hz_class_bytes(cls) / 16)
      return false;
  }
  if (hz3_span_has_pages(cls) && (PURGED(s) & ~FREE(s)) != 0)
    return false;
  return s->cls == cls && s->list == list && list_for(s) == list && s->free == set &&
         s->free <= s->carved && s->carved <= shape->span_blocks;
}

static bool central_is_valid(unsigned heap, unsigned cls) {
  struct hz3_central *c = &hz3_central[heap][cls];
  bool valid = true;
  size_t spans = 0, free = 0, unpurged = 0;
  central_lock(c);
  for (uint8_t list = 0; list < HZ3_SPAN_LISTS; list++)
    for (uint32_t name = c->lists[list]; name != 0 && valid; spans++) {
      struct hz3_span *s = hz3_span_of(name - 1);
      valid = span_is_valid(s, name - 1, heap, cls, list) &&
              (s->next == 0 || hz3_span_of(s->next - 1)->prev == name);
      free += s->free;
      unpurged += hz3_span_has_pages(cls) ? (size_t)unpurged_of(s) : 0;
      name = s->next;
    }
  valid = valid && spans <= c->spans && free == c->blocks_free && unpurged == c->blocks_unpurged;
  central_unlock(c);
  return valid;
}

bool hz3_span_is_valid(unsigned cls) {
  bool valid = true;
  for (unsigned heap = 0; heap < heaps_used(); heap++)
    valid = central_is_valid(heap, cls) && valid;
  return valid;
}

// ---- fork: all locks of one rank at once, in rising address. Requires: no cache is made meanwhile
// (its list is locked), so no heap comes into use ----

void hz3_span_before_fork(void) {
  for (unsigned heap = 0; heap < heaps_used(); heap++)
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      hz_lock_acquire(&hz3_central[heap][cls].lock, HZ_RANK_CENTRAL);
}

void hz3_span_after_fork_parent(void) {
  for (unsigned heap = heaps_used(); heap-- > 0;)
    for (unsigned cls = HZ_CLASS_LAST; cls >= HZ_CLASS_FIRST; cls--)
      hz_lock_release(&hz3_central[heap][cls].lock, HZ_RANK_CENTRAL);
}

void hz3_span_after_fork_child(void) {
  for (unsigned heap = 0; heap < heaps_used(); heap++)
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      hz_lock_reset_after_fork(&hz3_central[heap][cls].lock);
}
