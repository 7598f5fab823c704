// Spans and the central lists of their classes. See span.h.
#include "hz3/span.h"

#include <string.h>

#include "hz3/observe.h"

// Below this, what a class holds in half-empty spans is not worth a slower free.
#define SPARSE_BYTES (256 * HZ_KIB)

struct hz3_central hz3_central[HZ_CLASS_COUNT];

// ---- one span ----

static uint64_t *bits_of(struct hz3_span *s) {
  return s->bits_batch ? (uint64_t *)(void *)hz3_batch_of(s->bits_batch) : s->bits;
}

static unsigned out_of(const struct hz3_span *s) {
  return (unsigned)s->carved - s->free;
}

// Which list holds a span with so many blocks out.
static uint8_t list_for(const struct hz3_span *s) {
  unsigned blocks = hz3_shape[s->cls].span_blocks, out = out_of(s);
  if (out == blocks)
    return HZ3_LIST_NONE;
  return (uint8_t)(3 - 4 * out / blocks);
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

static void records_open(unsigned cls, uint64_t granule) {
  for (unsigned i = 0; i < hz3_shape[cls].span_granules; i++) {
    struct hz_granule *record = &hz_arena.granules[granule + i];
    hz_store_relaxed(&record->limit16, 0u);
    hz_store_relaxed(&record->index, (uint16_t)i);
    hz_store_relaxed(&record->flags, (uint8_t)0);
    hz_store_relaxed(&record->tag, (uint8_t)cls);
  }
}

// What was a block here stays known by its flags: a later free of it is a second one.
static void record_close(struct hz_granule *record, unsigned cls) {
  hz_store_relaxed(&record->flags, (uint8_t)cls);
  hz_store_relaxed(&record->tag, (uint8_t)HZ_TAG_NONE);
}

// Effect: moves up to `want` free blocks, lowest first, then carves. Returns: how many.
static unsigned span_pick(struct hz3_span *s, uint64_t granule, void **out, unsigned want) {
  char *start = hz_granule_address(granule);
  size_t bytes = hz_class_bytes(s->cls);
  uint64_t *bits = bits_of(s);
  unsigned n = 0, word = s->first_word;
  for (; s->free != 0 && n < want; word++) {
    while (bits[word] != 0 && n < want) {
      out[n++] = start + (word * 64u + hz_lowest_bit(bits[word])) * bytes;
      bits[word] &= bits[word] - 1;
      s->free--;
    }
    if (bits[word] != 0)
      break;
  }
  s->first_word = (uint16_t)word;
  unsigned fresh = (unsigned)hz_min(want - n, hz3_shape[s->cls].span_blocks - s->carved);
  for (unsigned i = 0; i < fresh; i++)
    out[n++] = start + (s->carved + i) * bytes;
  if (fresh != 0) {
    s->carved = (uint16_t)(s->carved + fresh);
    records_set_limit(s, granule);
  }
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

static unsigned central_pick_from(struct hz3_central *c, uint32_t name, void **out, unsigned want) {
  struct hz3_span *s = hz3_span_of(name - 1);
  unsigned n = span_pick(s, name - 1, out, want);
  list_move(c, s, name - 1);
  hz_store_relaxed(&c->blocks_out, c->blocks_out + n);
  return n;
}

static unsigned central_pick(struct hz3_central *c, void **out, unsigned want) {
  unsigned n = 0;
  for (unsigned list = 0; list < HZ3_SPAN_LISTS; list++)
    while (n < want && c->lists[list] != 0)
      n += central_pick_from(c, c->lists[list], out + n, want - n);
  return n;
}

// ---- opening and closing ----

// Effect: a run of the arena becomes an empty span, on no list yet. No lock is held: this makes
// system calls. Returns: its granule + 1, 0 when memory is exhausted.
static uint32_t span_open(unsigned cls) {
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
  records_open(cls, run.granule);
  hz3_count(cls, HZ3_STEP_OPENED, 1);
  return (uint32_t)run.granule + 1;
}

// Effect: the spans linked by `next` from `name` on, which are empty and on no list, go back.
static void spans_close(uint32_t name) {
  while (name != 0) {
    struct hz3_span *s = hz3_span_of(name - 1);
    uint32_t next = s->next;
    if (s->bits_batch != 0)
      hz3_batch_give(s->bits_batch);
    uint64_t began = hz3_time_begin(HZ3_TIMED_RUNS);
    hz_run_free(name - 1, hz3_shape[s->cls].span_granules);
    hz3_time_end(HZ3_TIMED_RUNS, began);
    hz3_count(s->cls, HZ3_STEP_CLOSED, 1);
    name = next;
  }
}

// Effect: a new span serves at once, so that none is ever on a list with nothing out. No lock is
// held. Returns: how many of `want` blocks; 0 when memory is exhausted. *zeroed: whether they read
// as zero.
static unsigned central_open(unsigned cls, void **out, unsigned want, bool *zeroed) {
  struct hz3_central *c = &hz3_central[cls];
  uint32_t name = span_open(cls);
  if (name == 0)
    return 0;
  struct hz3_span *s = hz3_span_of(name - 1);
  *zeroed = s->zeroed;
  central_lock(c);
  list_add(c, s, name - 1, list_for(s));
  hz_store_relaxed(&c->spans, c->spans + 1);
  c->carving = name;
  unsigned n = central_pick_from(c, name, out, want);
  central_unlock(c);
  return n;
}

// ---- the two ways ----

// Bins hand out from the far end: turned round, a fresh bin serves rising addresses.
static void turn_round(void **blocks, unsigned n) {
  for (unsigned i = 0, j = n; i + 1 < j; i++) {
    void *p = blocks[i];
    blocks[i] = blocks[--j];
    blocks[j] = p;
  }
}

unsigned hz3_span_take(unsigned cls, void **out, unsigned want) {
  struct hz3_central *c = &hz3_central[cls];
  central_lock(c);
  unsigned n = central_pick(c, out, want);
  central_unlock(c);
  bool zeroed;
  if (n == 0)
    n = central_open(cls, out, want, &zeroed);
  turn_round(out, n);
  return n;
}

void *hz3_span_take_one(unsigned cls, bool *zeroed) {
  struct hz3_central *c = &hz3_central[cls];
  void *block = NULL;
  *zeroed = false;
  central_lock(c);
  struct hz3_span *s = c->carving != 0 ? hz3_span_of(c->carving - 1) : NULL;
  if (s && s->zeroed && s->free == 0 && s->carved < hz3_shape[cls].span_blocks) {
    (void)central_pick_from(c, c->carving, &block, 1);
    *zeroed = true;
  } else {
    (void)central_pick(c, &block, 1);
  }
  central_unlock(c);
  if (!block)
    (void)central_open(cls, &block, 1, zeroed);
  return block;
}

// Effect: one block is free again. Returns: its span, whose list may now be the wrong one. The lock
// is held.
static struct hz3_span *block_put(unsigned cls, void *p, enum hz_api api) {
  uint64_t granule = hz_granule_of(p);
  struct hz_granule *record = &hz_arena.granules[granule];
  if (hz_load_relaxed(&record->tag) != cls)
    hz_fail_double_free(p, hz_class_bytes(cls), api); // its span is empty since: it was free
  uint64_t first = granule - hz_load_relaxed(&record->index);
  struct hz3_span *s = hz3_span_of(first);
  unsigned index = hz3_block_index((uint32_t)((char *)p - (char *)hz_granule_address(first)), cls);
  uint64_t *word = &bits_of(s)[index / 64], bit = (uint64_t)1 << index % 64;
  if (*word & bit)
    hz_fail_double_free(p, hz_class_bytes(cls), api);
  *word |= bit;
  s->free++;
  if (index / 64 < s->first_word)
    s->first_word = (uint16_t)(index / 64);
  return s;
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
  if (c->carving == first + 1)
    c->carving = 0;
  for (unsigned i = 0; i < hz3_shape[cls].span_granules; i++)
    record_close(&hz_arena.granules[first + i], cls);
  s->next = *empty;
  *empty = (uint32_t)first + 1;
}

void hz3_span_put(unsigned cls, void *const *blocks, unsigned count, enum hz_api api) {
  struct hz3_central *c = &hz3_central[cls];
  uint64_t began = hz3_time_begin(HZ3_TIMED_SPANS);
  uint32_t empty = 0;
  // Neighbours in a batch are often neighbours in a span, which then is settled once for all.
  struct hz3_span *last = NULL;
  central_lock(c);
  for (unsigned i = 0; i < count; i++) {
    struct hz3_span *s = block_put(cls, blocks[i], api);
    if (last && s != last)
      span_settle(c, cls, last, &empty);
    last = s;
  }
  if (last)
    span_settle(c, cls, last, &empty);
  hz_store_relaxed(&c->blocks_out, c->blocks_out - count);
  central_unlock(c);
  spans_close(empty);
  hz3_count(cls, HZ3_STEP_TO_SPANS, 1);
  hz3_time_end(HZ3_TIMED_SPANS, began);
}

// ---- what it holds ----

void hz3_span_stats_read(unsigned cls, struct hz3_span_stats *out) {
  struct hz3_central *c = &hz3_central[cls];
  central_lock(c);
  out->spans = c->spans;
  out->blocks_out = c->blocks_out;
  central_unlock(c);
  out->span_bytes = out->spans * hz3_shape[cls].span_granules * HZ_GRANULE_BYTES;
  out->blocks_free = out->spans * hz3_shape[cls].span_blocks - out->blocks_out;
}

size_t hz3_span_out_bytes(void) {
  size_t sum = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    sum += hz_load_relaxed(&hz3_central[cls].blocks_out) * hz_class_bytes(cls);
  return sum;
}

bool hz3_span_is_sparse(unsigned cls) {
  const struct hz3_central *c = &hz3_central[cls];
  size_t whole =
      (size_t)hz_load_relaxed(&c->spans) * hz3_shape[cls].span_granules * HZ_GRANULE_BYTES;
  size_t out = hz_load_relaxed(&c->blocks_out) * hz_class_bytes(cls);
  return whole >= SPARSE_BYTES && out < whole / 2;
}

static bool span_is_valid(struct hz3_span *s, uint64_t granule, unsigned cls, uint8_t list) {
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
    if (r.tag != cls || r.index != i || r.limit16 != s->carved * hz_class_bytes(cls) / 16)
      return false;
  }
  return s->cls == cls && s->list == list && list_for(s) == list && s->free == set &&
         s->free <= s->carved && s->carved <= shape->span_blocks;
}

bool hz3_span_is_valid(unsigned cls) {
  struct hz3_central *c = &hz3_central[cls];
  bool valid = true;
  size_t spans = 0;
  central_lock(c);
  for (uint8_t list = 0; list < HZ3_SPAN_LISTS; list++)
    for (uint32_t name = c->lists[list]; name != 0 && valid; spans++) {
      struct hz3_span *s = hz3_span_of(name - 1);
      valid = span_is_valid(s, name - 1, cls, list) &&
              (s->next == 0 || hz3_span_of(s->next - 1)->prev == name);
      name = s->next;
    }
  valid = valid && spans <= c->spans;
  central_unlock(c);
  return valid;
}

// ---- fork: all locks of one rank at once, in rising address ----

void hz3_span_before_fork(void) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    hz_lock_acquire(&hz3_central[cls].lock, HZ_RANK_CENTRAL);
}

void hz3_span_after_fork_parent(void) {
  for (unsigned cls = HZ_CLASS_LAST; cls >= HZ_CLASS_FIRST; cls--)
    hz_lock_release(&hz3_central[cls].lock, HZ_RANK_CENTRAL);
}

void hz3_span_after_fork_child(void) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    hz_lock_reset_after_fork(&hz3_central[cls].lock);
}
