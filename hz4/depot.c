// Exchange of whole magazines, and their trimming.
#include "hz4/depot.h"

#include "hz4/bound.h"
#include "hz4/shared.h"

struct hz4_depot_class hz4_depot[HZ_CLASS_COUNT];

// An owner keeps this much to itself before it touches the common counter: on many cores that line
// would be the one everybody waits for.
#define DEBT_MAX_BYTES ((int64_t)(64 * HZ_KIB))

void hz4_depot_settle(int64_t *debt) {
  int64_t owed = hz_exchange_relaxed(debt, 0);
  if (owed != 0)
    hz_add_relaxed(&hz4_bound_counters.depot_bytes, owed);
}

static void account(int64_t *debt, int64_t bytes) {
  // Relaxed: a CPU's account is shared by its threads; only the sum matters.
  int64_t owed = hz_add_relaxed(debt, bytes) + bytes;
  if (owed >= DEBT_MAX_BYTES || owed <= -DEBT_MAX_BYTES)
    hz4_depot_settle(debt);
}

bool hz4_depot_put(unsigned cls, void **top, int64_t *debt, uint64_t now_ms, unsigned *retries) {
  struct hz4_depot_class *d = &hz4_depot[cls];
  struct hz4_magazine *m = hz4_magazine_of(top);
  unsigned count = hz4_top_count(top);
  int64_t bytes = (int64_t)(count * hz_class_bytes(cls));
  int64_t most = (int64_t)hz_load_relaxed(&hz4_bound.depot_max);
  if (hz_load_relaxed(&hz4_bound_counters.depot_bytes) + bytes > most)
    return false;
  m->cls = (uint8_t)cls;
  m->count = (uint8_t)count;
  account(debt, bytes);
  hz_add_relaxed(&d->blocks, (int64_t)count); // before the push: never below what is in the stack
  hz_store_relaxed(&d->last_ms, now_ms);
  *retries += hz_idstack_push(&d->full, hz4_magazine_next_of, m->id);
  return true;
}

void **hz4_depot_get(unsigned cls, int64_t *debt, uint64_t now_ms, unsigned *retries) {
  struct hz4_depot_class *d = &hz4_depot[cls];
  uint32_t id = hz_idstack_pop(&d->full, hz4_magazine_next_of, retries);
  if (id == 0) {
    hz_store_relaxed(&d->low, (int64_t)0);
    return NULL;
  }
  struct hz4_magazine *m = hz4_magazine_by_id(id);
  int64_t left = hz_sub_relaxed(&d->blocks, (int64_t)m->count) - m->count;
  if (left < hz_load_relaxed(&d->low))
    hz_store_relaxed(&d->low, left);
  hz_store_relaxed(&d->last_ms, now_ms);
  account(debt, -(int64_t)(m->count * hz_class_bytes(cls)));
  return hz4_magazine_top(m);
}

// Effect: up to `blocks` blocks of the class go back to their spans, in whole magazines.
static size_t give_back(unsigned cls, int64_t blocks, uint64_t freed_ms) {
  struct hz4_depot_class *d = &hz4_depot[cls];
  size_t bytes = 0;
  int64_t debt = 0;
  unsigned retries = 0;
  while (blocks > 0) {
    uint64_t last = hz_load_relaxed(&d->last_ms);
    void **top = hz4_depot_get(cls, &debt, last, &retries);
    if (!top)
      break;
    struct hz4_magazine *m = hz4_magazine_of(top);
    unsigned count = m->count;
    hz4_shared_give(cls, top + 1 - count, count, freed_ms);
    hz4_magazine_put(m);
    blocks -= count;
    bytes += count * hz_class_bytes(cls);
  }
  hz4_depot_settle(&debt);
  return bytes;
}

// A depot with less resident memory than this keeps its working set, whatever the low-water marks
// say.
#define KEEP_RESIDENT_BYTES (8 * HZ_MIB)

static size_t trim_class(unsigned cls, uint64_t now_ms, uint64_t idle_ms, bool surplus) {
  struct hz4_depot_class *d = &hz4_depot[cls];
  if (hz_idstack_is_empty(&d->full))
    return 0;
  uint64_t last = hz_load_relaxed(&d->last_ms);
  int64_t low = hz_load_relaxed(&d->low);
  size_t bytes = 0;
  if (now_ms >= last + idle_ms)
    bytes = give_back(cls, INT64_MAX, last);
  else if (surplus && low > 0)
    bytes = give_back(cls, (low + 3) / 4, last);
  hz_store_relaxed(&d->low, hz_load_relaxed(&d->blocks));
  return bytes;
}

size_t hz4_depot_trim(uint64_t now_ms, uint64_t idle_ms) {
  int64_t held = hz_load_relaxed(&hz4_bound_counters.depot_bytes);
  bool surplus = held > 0 && hz4_bound_resident((size_t)held) > KEEP_RESIDENT_BYTES;
  size_t bytes = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    bytes += trim_class(cls, now_ms, idle_ms, surplus);
  return bytes;
}

size_t hz4_depot_empty(void) {
  size_t bytes = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    bytes += give_back(cls, INT64_MAX, 0);
  return bytes;
}
