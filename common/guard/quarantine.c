// Rings of addresses. See quarantine.h.
#include "common/guard/quarantine.h"

#include "common/base/bits.h"
#include "common/guard/seal.h"

#define ALL_BYTES (8 * HZ_MIB) // of all threads, while each has its least
#define MOST_BYTES (256 * HZ_KIB)
#define LEAST_BYTES (16 * HZ_KIB)

// Of a thread that has none yet, and of one that gets none.
static struct hz_quarantine none_yet = {.bytes = SIZE_MAX / 2}, none = {.bytes = SIZE_MAX / 2};
__thread struct hz_quarantine *hz_quarantine_mine = &none_yet;
size_t hz_quarantine_most_bytes = MOST_BYTES;

static struct { // under the guard's lock
  struct hz_quarantine *all, *unowned;
  uint32_t count;
} pool;

static bool is_one(const struct hz_quarantine *q) {
  return q != &none_yet && q != &none;
}

static struct hz_quarantine *obtain(void) {
  hz_guard_lock();
  struct hz_quarantine *q = pool.unowned;
  if (q)
    pool.unowned = q->next_unowned;
  hz_guard_unlock();
  if (q)
    return q;
  q = hz_meta_alloc(sizeof *q, HZ_LINE_BYTES);
  if (!q)
    return NULL;
  hz_guard_lock();
  q->next = pool.all;
  pool.all = q;
  pool.count++;
  hz_store_relaxed(&hz_quarantine_most_bytes,
                   hz_clamp(ALL_BYTES / pool.count, LEAST_BYTES, MOST_BYTES));
  hz_guard_unlock();
  return q;
}

static HZ_COLD struct hz_quarantine *mine_make(void) {
  struct hz_quarantine *q = hz_guard_enter() ? obtain() : NULL;
  if (q)
    hz_quarantine_mine = q;
  return q;
}

// Effect: the slot is empty, and who was there the generation's. Returns: whether there was anyone.
static bool slot_empty(struct hz_quarantine *q, uint32_t at, enum hz_api api) {
  uint64_t old = q->slot[at];
  if (old == 0)
    return false;
  q->slot[at] = 0;
  q->bytes -= hz_class_bytes(hz_quarantined_class(old));
  hz_signal_fence();
  hz_guard_give(hz_quarantined(old), api);
  return true;
}

void hz_quarantine_push(void *p, unsigned cls, enum hz_api api) {
  struct hz_quarantine *q = hz_quarantine_mine;
  if (q == &none_yet)
    q = mine_make();
  if (HZ_UNLIKELY(q == NULL || q == &none)) {
    hz_guard_give(p, api);
    return;
  }
  size_t bytes = hz_class_bytes(cls), most = hz_load_relaxed(&hz_quarantine_most_bytes);
  uint32_t first = q->hand;
  (void)slot_empty(q, first, api);
  for (uint32_t i = 1; q->bytes + bytes > most && q->bytes > 0 && i < HZ_QUARANTINE_BLOCKS; i++)
    (void)slot_empty(q, (first + i) % HZ_QUARANTINE_BLOCKS, api);
  q->slot[first] = (uint64_t)cls << 56 | (uintptr_t)p;
  q->hand = (first + 1) % HZ_QUARANTINE_BLOCKS;
  q->bytes += bytes;
}

bool hz_quarantine_empty(enum hz_api api) {
  struct hz_quarantine *q = hz_quarantine_mine;
  bool any = false;
  if (is_one(q))
    for (uint32_t i = 0; i < HZ_QUARANTINE_BLOCKS; i++)
      any |= slot_empty(q, (q->hand + i) % HZ_QUARANTINE_BLOCKS, api);
  return any;
}

void hz_quarantine_leave(void) {
  struct hz_quarantine *q = hz_quarantine_mine;
  (void)hz_quarantine_empty(HZ_API_THREAD_EXIT);
  hz_quarantine_mine = &none;
  if (!is_one(q))
    return;
  hz_guard_lock();
  q->next_unowned = pool.unowned;
  pool.unowned = q;
  hz_guard_unlock();
}

// Threads that are no more leave theirs to those that come, with what they hold. They may have been
// at work: between a slot and the account of its bytes.
void hz_quarantine_after_fork_child(void) {
  pool.unowned = NULL;
  for (struct hz_quarantine *q = pool.all; q; q = q->next) {
    if (q == hz_quarantine_mine)
      continue;
    q->bytes = 0;
    for (uint32_t i = 0; i < HZ_QUARANTINE_BLOCKS; i++)
      q->bytes += hz_class_bytes(hz_quarantined_class(q->slot[i]));
    q->next_unowned = pool.unowned;
    pool.unowned = q;
  }
}
