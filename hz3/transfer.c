// Stacks of batches. See transfer.h.
#include "hz3/transfer.h"

#include <string.h>

#include "hz3/observe.h"
#include "hz3/span.h"

struct hz3_transfer hz3_transfer[HZ_CLASS_COUNT];

static void batch_drop(uint32_t id, uint32_t *spare) {
  if (*spare == 0)
    *spare = id;
  else
    hz3_batch_give(id);
}

static uint32_t batch_get(uint32_t *spare) {
  uint32_t id = *spare;
  *spare = 0;
  return id != 0 ? id : hz3_batch_take();
}

// `blocks` and `low` are estimates that only steer; relaxed throughout. `low` may be raced over: a
// lost minimum costs one batch that ages too early.
static void count_down(unsigned cls, unsigned n) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  uint32_t left = hz_sub_relaxed(&t->blocks, n) - n;
  if ((int32_t)left < (int32_t)hz_load_relaxed(&t->low))
    hz_store_relaxed(&t->low, (int32_t)left < 0 ? 0 : left);
}

unsigned hz3_transfer_take(unsigned cls, void **out, unsigned want, uint32_t *spare) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  unsigned n = 0;
  while (n < want) {
    uint32_t id = hz_idstack_pop(&t->stack, hz3_batch_next, NULL);
    if (id == 0)
      break;
    struct hz3_batch *b = hz3_batch_of(id);
    unsigned part = (unsigned)hz_min(b->count, want - n);
    memcpy(out + n, b->blocks + b->count - part, part * sizeof(void *));
    n += part;
    b->count -= part;
    if (b->count != 0)
      (void)hz_idstack_push(&t->stack, hz3_batch_next, id);
    else
      batch_drop(id, spare);
  }
  if (n != 0)
    count_down(cls, n);
  return n;
}

void hz3_transfer_give(unsigned cls, void *const *blocks, unsigned count, uint32_t *spare,
                       enum hz_api api) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  uint32_t id = 0;
  if ((int32_t)(hz_load_relaxed(&t->blocks) + count) <= (int32_t)hz_load_relaxed(&t->limit))
    id = batch_get(spare);
  if (id == 0) {
    hz3_span_put(cls, blocks, count, api);
    return;
  }
  uint64_t began = hz3_time_begin(HZ3_TIMED_HANDOVER);
  struct hz3_batch *b = hz3_batch_of(id);
  b->count = count;
  memcpy(b->blocks, blocks, count * sizeof(void *));
  (void)hz_idstack_push(&t->stack, hz3_batch_next, id);
  hz_add_relaxed(&t->blocks, count);
  hz3_count(cls, HZ3_STEP_TO_TRANSFER, 1);
  hz3_time_end(HZ3_TIMED_HANDOVER, began);
}

// Effect: batches go back to spans until at least `want` blocks have. Bounded by what lies here
// now.
static size_t to_spans(unsigned cls, size_t want, enum hz_api api) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  size_t moved = 0;
  while (moved < want) {
    uint32_t id = hz_idstack_pop(&t->stack, hz3_batch_next, NULL);
    if (id == 0)
      break;
    struct hz3_batch *b = hz3_batch_of(id);
    unsigned n = b->count;
    hz3_span_put(cls, b->blocks, n, api);
    hz3_batch_give(id);
    count_down(cls, n);
    moved += n;
  }
  hz3_count(cls, HZ3_STEP_DRAINED, moved);
  return moved;
}

uint32_t hz3_transfer_asked(unsigned cls) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  uint32_t takes = hz_load_relaxed(&t->takes), since = takes - hz_load_relaxed(&t->asked);
  hz_store_relaxed(&t->asked, takes);    // relaxed: two ticks may overlap
  return (int32_t)since < 0 ? 0 : since; // a late store took `takes` back
}

size_t hz3_transfer_drain(unsigned cls, enum hz_api api) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  if (hz_idstack_is_empty(&t->stack))
    return 0;
  return to_spans(cls, hz_max(hz_load_relaxed(&t->blocks), 1), api);
}

void hz3_transfer_age(unsigned cls) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  uint32_t unused = hz_load_relaxed(&t->low);
  if (unused != 0)
    (void)to_spans(cls, unused, HZ_API_FREE);
  uint32_t now = hz_load_relaxed(&t->blocks);
  hz_store_relaxed(&t->low, (int32_t)now < 0 ? 0 : now);
}
