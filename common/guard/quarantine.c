// Rings of addresses. See quarantine.h.
#include "common/guard/quarantine.h"

#include "common/base/bits.h"
#include "common/guard/seal.h"
#include "common/sizeclass/sizeclass.h"

#define BLOCKS 64u
#define ALL_BYTES (8 * HZ_MIB) // of all threads, while each has its least
#define MOST_BYTES (256 * HZ_KIB)
#define LEAST_BYTES (16 * HZ_KIB)

// Invariants: first < BLOCKS; count <= BLOCKS; bytes == the sum of the sizes of the blocks in it.
struct quarantine {
  void *block[BLOCKS];
  uint8_t cls[BLOCKS];
  uint32_t first, count;
  size_t bytes;
  uint32_t busy;           // its thread is changing it: a forked child must not read it
  struct quarantine *next; // all there ever were
  struct quarantine *next_unowned;
};

static struct quarantine none; // of a thread that gets none
static __thread struct quarantine *mine;
static struct { // under the guard's lock
  struct quarantine *all, *unowned;
  uint32_t count;
  size_t most; // bytes in each; also read without the lock
} pool = {.most = MOST_BYTES};

static struct quarantine *obtain(void) {
  hz_guard_lock();
  struct quarantine *q = pool.unowned;
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
  hz_store_relaxed(&pool.most, hz_clamp(ALL_BYTES / pool.count, LEAST_BYTES, MOST_BYTES));
  hz_guard_unlock();
  return q;
}

static HZ_COLD struct quarantine *mine_make(void) {
  if (!hz_guard_enter())
    return NULL;
  struct quarantine *q = obtain();
  if (q)
    mine = q;
  return q;
}

static void pop(struct quarantine *q, enum hz_api api) {
  uint32_t at = q->first;
  void *p = q->block[at];
  q->first = (at + 1) % BLOCKS;
  q->count--;
  q->bytes -= hz_class_bytes(q->cls[at]);
  hz_guard_give(p, api);
}

static void busy_begin(struct quarantine *q) {
  hz_store_relaxed(&q->busy, 1u);
  hz_signal_fence();
}
static void busy_end(struct quarantine *q) {
  hz_signal_fence();
  hz_store_relaxed(&q->busy, 0u);
}

void hz_quarantine_push(void *p, unsigned cls, enum hz_api api) {
  struct quarantine *q = mine;
  if (HZ_UNLIKELY(q == NULL))
    q = mine_make();
  if (HZ_UNLIKELY(q == NULL || q == &none)) {
    hz_guard_give(p, api);
    return;
  }
  busy_begin(q);
  size_t most = hz_load_relaxed(&pool.most), bytes = hz_class_bytes(cls);
  while (q->count == BLOCKS || (q->count > 1 && q->bytes + bytes > most))
    pop(q, api);
  uint32_t at = (q->first + q->count) % BLOCKS;
  q->block[at] = p;
  q->cls[at] = (uint8_t)cls;
  q->count++;
  q->bytes += bytes;
  busy_end(q);
}

bool hz_quarantine_empty(enum hz_api api) {
  struct quarantine *q = mine;
  if (q == NULL || q->count == 0)
    return false;
  busy_begin(q);
  while (q->count > 0)
    pop(q, api);
  busy_end(q);
  return true;
}

void hz_quarantine_leave(void) {
  struct quarantine *q = mine;
  (void)hz_quarantine_empty(HZ_API_THREAD_EXIT);
  mine = &none;
  if (q == NULL || q == &none)
    return;
  hz_guard_lock();
  q->next_unowned = pool.unowned;
  pool.unowned = q;
  hz_guard_unlock();
}

// Threads that are no more leave theirs to those that come, with what they hold; one that was being
// changed stays closed, and its blocks lost.
void hz_quarantine_after_fork_child(void) {
  pool.unowned = NULL;
  for (struct quarantine *q = pool.all; q; q = q->next)
    if (q != mine && !q->busy) {
      q->next_unowned = pool.unowned;
      pool.unowned = q;
    }
}
