// Making spans, and the lists they stand in.
#include "hz4/span.h"

#include <string.h>

#include "common/fail/check.h"
#include "hz4/custody.h"
#include "hz4/self.h"

uint64_t hz4_reciprocals[HZ4_NO_BINS + HZ_CLASS_COUNT];

void hz4_span_init(void) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    hz4_reciprocals[HZ4_NO_BINS + cls] = UINT64_MAX / hz_class_bytes(cls) + 1;
}

static unsigned bucket_of(const struct hz4_span *s) {
  unsigned available = hz4_span_available(s);
  return available == 0 ? HZ4_BUCKET_NONE : (available * HZ4_BUCKETS - 1) / s->blocks;
}

static uint32_t name_of(const struct hz4_span *s) {
  return (uint32_t)hz4_span_granule(s) + 1;
}

static void list_remove(struct hz4_central *c, struct hz4_span *s) {
  if (s->bucket == HZ4_BUCKET_NONE)
    return;
  if (s->next)
    hz4_span_at(s->next - 1)->prev = s->prev;
  if (s->prev)
    hz4_span_at(s->prev - 1)->next = s->next;
  else
    c->list[s->bucket] = s->next;
  s->bucket = HZ4_BUCKET_NONE;
}

void hz4_central_unlist(struct hz4_central *c, struct hz4_span *s) {
  list_remove(c, s);
  if (c->taking == name_of(s))
    c->taking = 0;
}

void hz4_central_relist(struct hz4_central *c, struct hz4_span *s) {
  unsigned bucket = bucket_of(s);
  if (bucket == s->bucket)
    return;
  if (bucket == HZ4_BUCKET_NONE) {
    hz4_central_unlist(c, s);
    return;
  }
  list_remove(c, s);
  uint32_t self = name_of(s);
  s->prev = 0;
  s->next = c->list[bucket];
  if (s->next)
    hz4_span_at(s->next - 1)->prev = self;
  c->list[bucket] = self;
  s->bucket = (uint8_t)bucket;
}

void hz4_central_served(struct hz4_central *c, struct hz4_span *s) {
  hz4_central_relist(c, s);
  c->taking = s->bucket == HZ4_BUCKET_NONE ? 0 : name_of(s);
}

struct hz4_span *hz4_central_best(struct hz4_central *c) {
  if (c->taking)
    return hz4_span_at(c->taking - 1);
  // Those first of which an eighth is to be had: a batch that lies together, for one change of
  // list.
  for (unsigned b = 1; b < HZ4_BUCKETS; b++)
    if (c->list[b])
      return hz4_span_at(c->list[b] - 1);
  return c->list[0] ? hz4_span_at(c->list[0] - 1) : NULL;
}

struct hz4_span *hz4_span_make(unsigned cls) {
  const struct hz_class_layout *layout = &hz_class_layout_table[cls];
  struct hz_run run;
  if (!hz_run_alloc(layout->span_granules, 1, &run))
    return NULL;
  for (unsigned i = 0; i < layout->span_granules; i++) {
    struct hz4_span *d = hz4_span_at(run.granule + i);
    memset(d, 0, offsetof(struct hz4_span, array));
    d->cls = (uint8_t)cls;
    d->index = (uint8_t)i;
    struct hz_granule record = {0, (uint16_t)i, (uint8_t)cls, 0};
    uint64_t word;
    memcpy(&word, &record, sizeof word);
    // Relaxed: no block of it is known to anybody yet.
    hz_store_relaxed((uint64_t *)(void *)&hz_arena.granules[run.granule + i], word);
  }
  hz4_custody_open(cls, run.granule, layout->span_granules);
  if (HZ_HARDENED && !run.zeroed) // blocks that are free read as zero there
    memset(hz_granule_address(run.granule), 0, run.count * HZ_GRANULE_BYTES);
  struct hz4_span *s = hz4_span_at(run.granule);
  s->blocks = layout->span_blocks;
  s->bucket = HZ4_BUCKET_NONE;
  s->zeroed = run.zeroed;
  return s;
}

void hz4_span_raise_limit(struct hz4_span *s, unsigned cls) {
  uint64_t first = hz4_span_granule(s);
  uint32_t limit16 = (uint32_t)(s->carved * hz_class_bytes(cls) / 16);
  // Relaxed: who frees a block got it after this store, and the hand-over ordered the two.
  for (unsigned i = 0; i < hz_class_layout_table[cls].span_granules; i++)
    hz_store_relaxed(&hz_arena.granules[first + i].limit16, limit16);
}

unsigned hz4_span_index(unsigned cls, const void *p) {
  const struct hz_granule *record = &hz_arena.granules[hz_granule_of(p)];
  // The record changed while the block lay in a cache: its span went away under it, which only a
  // second free of a block that had gone back already can do.
  if (HZ_UNLIKELY(hz_load_relaxed(&record->tag) != cls))
    hz_fail_double_free(p, hz_class_bytes(cls), hz4_api());
  return hz_load_relaxed(&record->index);
}

struct hz4_place hz4_span_find(unsigned cls, void *p) {
  uint64_t g = hz_granule_of(p);
  const struct hz_granule *record = &hz_arena.granules[g];
  unsigned index = hz4_span_index(cls, p);
  uint32_t offset =
      (uint32_t)index << HZ_GRANULE_SHIFT | (uint32_t)((uintptr_t)p & (HZ_GRANULE_BYTES - 1));
  if (HZ_UNLIKELY(!hz4_is_block_start(cls, offset) ||
                  offset / 16 >= hz_load_relaxed(&record->limit16)))
    hz_fail_invalid_free(p, hz_class_bytes(cls), hz4_api());
  return (struct hz4_place){hz4_span_at(g - index), hz4_block_index(cls, offset)};
}

bool hz4_span_is_valid(const struct hz4_span *s, uint64_t set_bits) {
  return s->free == set_bits && s->free < s->carved && s->carved <= s->blocks && s->blocks > 0 &&
         s->bucket == bucket_of(s);
}
