// Exchange of whole magazines, and their trimming.
#include "hz4/depot.h"

#include "hz4/bound.h"
#include "hz4/shared.h"

struct hz4_depot_class hz4_depot[HZ4_SHARDS_MAX][HZ_CLASS_COUNT];

size_t hz4_depot_blocks(unsigned cls) {
  int64_t blocks = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    blocks += hz_load_relaxed(&hz4_depot[shard][cls].blocks);
  return blocks > 0 ? (size_t)blocks : 0;
}

void hz4_depot_settle(int64_t debt) {
  if (debt != 0)
    hz_add_relaxed(&hz4_bound_counters.depot_bytes, debt);
}

bool hz4_depot_put(unsigned cls, unsigned shard, void **top, uint64_t now_ms, unsigned *retries) {
  struct hz4_depot_class *d = &hz4_depot[shard][cls];
  struct hz4_magazine *m = hz4_magazine_of(top);
  unsigned count = hz4_top_count(top);
  int64_t bytes = (int64_t)(count * hz_class_bytes(cls));
  int64_t most = (int64_t)hz_load_relaxed(&hz4_bound.depot_max);
  if (hz_load_relaxed(&hz4_bound_counters.depot_bytes) + bytes > most)
    return false;
  m->cls = (uint8_t)cls;
  m->count = (uint8_t)count;
  hz_add_relaxed(&d->blocks, (int64_t)count); // before the push: never below what is in the stack
  hz_store_relaxed(&d->last_ms, now_ms);
  *retries += hz_idstack_push(&d->full, hz4_magazine_next_of, m->id);
  return true;
}

// Returns: a magazine of this shard, NULL when it has none.
static struct hz4_magazine *shard_get(struct hz4_depot_class *d, uint64_t now_ms,
                                      unsigned *retries) {
  uint32_t id = hz_idstack_pop(&d->full, hz4_magazine_next_of, retries);
  if (id == 0)
    return NULL;
  struct hz4_magazine *m = hz4_magazine_by_id(id);
  int64_t left = hz_sub_relaxed(&d->blocks, (int64_t)m->count) - m->count;
  if (left < hz_load_relaxed(&d->low))
    hz_store_relaxed(&d->low, left);
  hz_store_relaxed(&d->last_ms, now_ms);
  return m;
}

void **hz4_depot_get(unsigned cls, unsigned shard, uint64_t now_ms, unsigned *retries) {
  unsigned shards = hz4_shards;
  for (unsigned i = 0; i < shards; i++) {
    struct hz4_depot_class *d = &hz4_depot[(shard + i) & (shards - 1)][cls];
    struct hz4_magazine *m = shard_get(d, now_ms, retries);
    if (m)
      return hz4_magazine_top(m);
    if (hz_load_relaxed(&d->low) != 0) // nothing in it is surplus: somebody looked for more
      hz_store_relaxed(&d->low, (int64_t)0);
  }
  return NULL;
}

// Effect: up to `blocks` blocks of the class go from one shard back to their spans, in whole
// magazines.
static size_t give_back(unsigned shard, unsigned cls, int64_t blocks, uint64_t freed_ms) {
  struct hz4_depot_class *d = &hz4_depot[shard][cls];
  size_t bytes = 0;
  unsigned retries = 0;
  while (blocks > 0) {
    struct hz4_magazine *m = shard_get(d, hz_load_relaxed(&d->last_ms), &retries);
    if (!m)
      break;
    unsigned count = m->count;
    hz4_shared_give(cls, shard, hz4_magazine_top(m) + 1 - count, count, freed_ms);
    hz4_magazine_put(m, shard);
    blocks -= count;
    bytes += count * hz_class_bytes(cls);
  }
  hz4_depot_settle(-(int64_t)bytes);
  return bytes;
}

void hz4_depot_recede(unsigned cls, unsigned shard, uint64_t now_ms) {
  bool full = hz_load_relaxed(&hz4_bound_counters.depot_bytes) >
              (int64_t)hz_load_relaxed(&hz4_bound.depot_max);
  if (!full && !hz4_shared_recedes(cls, shard))
    return;
  for (unsigned i = 0; i < hz4_shards; i++)
    if (give_back((shard + i) & (hz4_shards - 1), cls, 1, now_ms) > 0)
      return;
}

// A depot with less resident memory than this keeps its working set, whatever the low-water marks
// say.
#define KEEP_RESIDENT_BYTES (8 * HZ_MIB)

static size_t trim_class(unsigned shard, unsigned cls, uint64_t now_ms, uint64_t idle_ms,
                         bool surplus) {
  struct hz4_depot_class *d = &hz4_depot[shard][cls];
  if (hz_idstack_is_empty(&d->full))
    return 0;
  uint64_t last = hz_load_relaxed(&d->last_ms);
  int64_t low = hz_load_relaxed(&d->low);
  size_t bytes = 0;
  if (now_ms >= last + idle_ms)
    bytes = give_back(shard, cls, INT64_MAX, last);
  else if (surplus && low > 0)
    bytes = give_back(shard, cls, (low + 3) / 4, last);
  hz_store_relaxed(&d->low, hz_load_relaxed(&d->blocks));
  return bytes;
}

size_t hz4_depot_trim(uint64_t now_ms, uint64_t idle_ms) {
  int64_t held = hz_load_relaxed(&hz4_bound_counters.depot_bytes);
  bool surplus = held > 0 && hz4_bound_resident((size_t)held) > KEEP_RESIDENT_BYTES;
  size_t bytes = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      bytes += trim_class(shard, cls, now_ms, idle_ms, surplus);
  return bytes;
}

size_t hz4_depot_empty(void) {
  size_t bytes = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
      bytes += give_back(shard, cls, INT64_MAX, 0);
  return bytes;
}
