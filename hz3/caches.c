// The caches of all threads: made, passed on from thread to thread, read, and left behind by fork.
// See cache.h.
//
// Owns: the list of all caches, and the stack of those whose threads have ended. A cache's memory
// is never given back: there are as many as threads were alive at once.
#include <errno.h>
#include <string.h>

#include "common/guard/guard.h"
#include "common/process/process.h"
#include "common/sync/lock.h"
#include "hz3/cache.h"
#include "hz3/init.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/tick.h"

static struct hz_lock caches_lock; // rank THREADS; guards the two lists
static struct hz3_cache *caches;
static struct hz3_cache *caches_free;
static uint32_t caches_made;

// ---- a thread begins and ends ----

static struct hz3_cache *cache_make(void) {
  struct hz3_cache *c = hz_meta_alloc(sizeof *c, HZ_NO_SHARE_BYTES);
  if (c)
    hz3_cache_init(c);
  return c;
}

// Effect: a cache of an ended thread, or a new one, is on the list and alive.
static struct hz3_cache *cache_obtain(void) {
  hz_lock_acquire(&caches_lock, HZ_RANK_THREADS);
  struct hz3_cache *c = caches_free;
  if (c)
    caches_free = c->next_free;
  hz_lock_release(&caches_lock, HZ_RANK_THREADS);
  if (!c) {
    c = cache_make();
    if (!c)
      return NULL;
    hz_lock_acquire(&caches_lock, HZ_RANK_THREADS);
    c->next = caches;
    caches = c;
    c->heap = caches_made++ % HZ3_HEAPS;
    hz3_span_heap_use(c->heap);
    hz_lock_release(&caches_lock, HZ_RANK_THREADS);
  }
  hz_store_relaxed(&c->alive, 1u);
  hz_add_relaxed(&hz3_threads_alive, 1u);
  hz3_cache_begin(c);
  return c;
}

HZ_COLD struct hz3_cache *hz3_cache_get(void) {
  if (hz3_self.cache == &hz3_cache_gone)
    return NULL;
  if (hz3_self.cache != &hz3_cache_none)
    return hz3_self.cache;
  if (!hz3_init_ensure())
    return NULL;
  struct hz3_cache *c = cache_obtain();
  if (!c)
    return NULL;
  hz3_self.cache = c; // before arming, which may allocate
  hz3_self.classes = hz_class_tables[c->heap % HZ_CLASS_SETS];
  int saved_errno = errno;
  (void)hz_thread_arm(c);
  errno = saved_errno;
  return c;
}

// Effect: nobody uses the cache any more: the next thread may. Requires: its thread has ended.
static void cache_keep(struct hz3_cache *c) {
  hz3_cache_empty(c, HZ_API_THREAD_EXIT);
  hz_store_relaxed(&c->alive, 0u);
  hz_sub_relaxed(&hz3_threads_alive, 1u);
  hz_lock_acquire(&caches_lock, HZ_RANK_THREADS);
  c->next_free = caches_free;
  caches_free = c;
  hz_lock_release(&caches_lock, HZ_RANK_THREADS);
}

void hz3_cache_retire(void *cache) {
  if (HZ_HARDENED)
    hz_guard_thread_leave();
  hz3_self.cache = &hz3_cache_gone;
  cache_keep(cache);
}

// ---- what they hold ----

static void counts_add(struct hz3_counts *sum, const struct hz3_counts *part) {
  uint64_t *to = (uint64_t *)sum;
  const uint64_t *from = (const uint64_t *)part;
  for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
    to[i] += hz_load_relaxed(&from[i]);
}

void hz3_cache_stats_read(struct hz3_cache_stats *out) {
  memset(out, 0, sizeof *out);
  hz_lock_acquire(&caches_lock, HZ_RANK_THREADS);
  for (struct hz3_cache *c = caches; c; c = c->next) {
    counts_add(&out->counts, &c->counts);
    if (!hz_load_relaxed(&c->alive))
      continue;
    out->threads++;
    for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
      // Relaxed: another thread's bin is looked at, not held still; a torn pair counts as nothing.
      unsigned capacity = hz_load_relaxed(&c->bins[cls].capacity);
      uintptr_t top = (uintptr_t)hz_load_relaxed(&c->tops[cls]);
      size_t count = (top - (uintptr_t)hz_load_relaxed(&c->bins[cls].bottom)) / sizeof(void *);
      if (count <= capacity)
        out->cached_bytes += count * hz_class_bytes(cls);
    }
  }
  hz_lock_release(&caches_lock, HZ_RANK_THREADS);
}

// ---- fork ----

void hz3_cache_before_fork(void) {
  hz_lock_acquire(&caches_lock, HZ_RANK_THREADS);
}

void hz3_cache_after_fork_parent(void) {
  hz_lock_release(&caches_lock, HZ_RANK_THREADS);
}

// A thread that is no more was stopped between two instructions. If it was in a slow path, its
// cache may be half changed and is left alone, with at most its quota of memory. Else its bins are
// whole: a push that was cut short has lost its block, a pop that was cut short has not taken
// place.
void hz3_cache_after_fork_child(void) {
  hz_lock_reset_after_fork(&caches_lock);
  hz3_shelf_after_fork_child();
  for (struct hz3_cache *c = caches; c; c = c->next)
    if (c != hz3_self.cache && c->alive && !c->busy)
      cache_keep(c);
}
