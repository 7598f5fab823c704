#include "hz4/front_thread.h"

#include <string.h>

#include "common/arena/arena.h"
#include "common/fail/check.h"
#include "common/sync/lock.h"

// ---- the operations of exchange.h: plain loads and stores; relaxed for those who read along

// Until the caller of hz4_thread_empty is done, the cache it works on; else the thread's own.
static __thread struct hz4_cache *working_on;

static struct hz4_cache *here(void) {
  return HZ_UNLIKELY(working_on != NULL) ? working_on : (struct hz4_cache *)hz4_self.cache;
}

static void **exchange(unsigned cls, void **top) {
  struct hz4_cache *c = here();
  void **old = c->top[cls];
  hz_store_relaxed(&c->top[cls], top);
  return old;
}

static void **prev_take(struct hz4_cache *c, unsigned cls) {
  void **old = c->prev[cls];
  if (old)
    hz_store_relaxed(&c->prev[cls], hz4_magazine_of(old)->below);
  return old;
}

static void **prev_take_all(struct hz4_cache *c, unsigned cls) {
  void **old = c->prev[cls];
  hz_store_relaxed(&c->prev[cls], (void **)NULL);
  return old;
}

static bool prev_put(struct hz4_cache *c, unsigned cls, void **top) {
  hz4_magazine_stack(top, c->prev[cls]);
  // Release: a child of another thread's fork may find the word, and then finds what is below it.
  hz_store_release(&c->prev[cls], top);
  return true;
}

// Returns: one of the cache's own spares, NULL when it has none.
static struct hz4_magazine *spare_pop(struct hz4_cache *c) {
  if (!c->spare)
    return NULL;
  struct hz4_magazine *m = hz4_magazine_of(c->spare);
  hz_store_relaxed(&c->spare, m->below);
  return m;
}

void hz4_thread_spares_put(struct hz4_cache *c) {
  for (struct hz4_magazine *m; (m = spare_pop(c)) != NULL;)
    hz4_magazine_put(m, c->shard);
}

static struct hz4_magazine *spare_get(struct hz4_cache *c) {
  struct hz4_magazine *m = spare_pop(c);
  return m ? m : hz4_magazine_get(c->shard);
}

static void spare_put(struct hz4_cache *c, struct hz4_magazine *m) {
  if (!hz4_spare_has_room(c)) {
    hz4_magazine_put(m, c->shard);
    return;
  }
  m->below = c->spare;
  m->stacked = (uint16_t)(c->spare ? hz4_magazine_of(c->spare)->stacked + 1 : 1);
  hz_store_release(&c->spare, m->slot); // as in prev_put
}

static void owe(struct hz4_cache *c, int64_t bytes) {
  int64_t debt = c->debt + bytes;
  if (HZ_UNLIKELY(hz4_depot_owes_much(debt))) {
    hz4_depot_settle(debt);
    debt = 0;
  }
  hz_store_relaxed(&c->debt, debt);
}

static const struct hz4_front_ops thread_ops = {
    here,        exchange, prev_take, prev_take_all, prev_put, spare_get, spare_put, owe,
    64 * HZ_KIB, // a thread that set up and then waits keeps no more from the others
};

HZ_NOINLINE void *hz4_thread_miss(unsigned cls) {
  return hz4_miss(&thread_ops, cls);
}
HZ_NOINLINE void hz4_thread_overflow(unsigned cls, void *p) {
  hz4_overflow(&thread_ops, cls, p);
}

void hz4_thread_empty(struct hz4_cache *c) {
  struct hz4_cache *before = working_on;
  working_on = c;
  uint64_t now_ms = hz_os_now_ms();
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    if (hz4_top_is_real(c->top[cls]) || c->prev[cls])
      hz4_bin_empty(&thread_ops, c, cls, now_ms, true);
  hz4_thread_spares_put(c);
  hz4_depot_settle(c->debt);
  hz_store_relaxed(&c->debt, (int64_t)0);
  working_on = before;
}

// ---- the list of caches

struct node {
  struct hz4_cache cache;
  struct node *next; // of those with an owner, of those left behind, or of those without
  struct node *prev;
};
_Static_assert(sizeof(struct node) <= HZ4_CACHE_BYTES, "fits beside the cache");

#define LIST_LOCK (&list.lock)
static struct {
  struct hz_lock lock; // HZ_RANK_THREADS
  struct node *owned, *unowned;
  struct node *left; // by threads that ended, the latest first; as their owners left them
  unsigned lefts;
  unsigned count;
} list HZ_ALIGNED(HZ_NO_SHARE_BYTES);

static void link_owned(struct node *n) {
  n->prev = NULL;
  n->next = list.owned;
  if (n->next)
    n->next->prev = n;
  list.owned = n;
  list.count++;
}

static void unlink_owned(struct node *n) {
  if (n->next)
    n->next->prev = n->prev;
  if (n->prev)
    n->prev->next = n->next;
  else
    list.owned = n->next;
  list.count--;
}

// Returns: the latest cache left behind by then, owned again; NULL when there is none.
static struct node *adopt_locked(uint64_t by_ms) {
  struct node **at = &list.left;
  while (*at && (*at)->cache.last_ms > by_ms)
    at = &(*at)->next;
  struct node *n = *at;
  if (n) {
    *at = n->next;
    list.lefts--;
    link_owned(n);
  }
  return n;
}

struct hz4_cache *hz4_thread_cache_get(void) {
  hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
  struct node *n = adopt_locked(UINT64_MAX);
  if (!n && list.unowned) {
    n = list.unowned;
    list.unowned = n->next;
    link_owned(n);
  }
  hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
  if (!n) {
    n = hz_meta_alloc(HZ4_CACHE_BYTES, HZ4_CACHE_BYTES);
    if (!n)
      return NULL;
    static uint32_t made;
    hz4_cache_init(&n->cache);
    uint32_t number = hz_add_relaxed(&made, 1u);
    n->cache.shard = hz4_shard_of(number);
    n->cache.set = number % HZ_CLASS_SETS;
    hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
    link_owned(n);
    hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
  }
  hz4_bound_owners_add(1);
  return &n->cache;
}

void hz4_thread_cache_put(struct hz4_cache *c) {
  struct node *n = (struct node *)c;
  hz4_thread_empty(c);
  hz4_observe_retire(c);
  memset(c->cap, 0, sizeof c->cap); // the next owner starts slowly
  memset(c->trend, HZ4_TREND_NONE, sizeof c->trend);
  hz4_bound_reserved_add(-(int64_t)c->reserved);
  c->reserved = 0;
  hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
  unlink_owned(n);
  n->next = list.unowned;
  list.unowned = n;
  hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
  hz4_bound_owners_add(-1);
}

bool hz4_thread_cache_leave(struct hz4_cache *c, unsigned most) {
  struct node *n = (struct node *)c;
  hz4_observe_retire(c);
  uint64_t now_ms = hz_os_now_ms();
  c->last_ms = now_ms;
  hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
  bool room = list.lefts < most;
  if (room) {
    unlink_owned(n);
    n->next = list.left;
    list.left = n;
    list.lefts++;
  }
  hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
  if (room) {
    hz4_bound_owners_add(-1);
    hz4_tick_by(now_ms + HZ4_LEFT_MS);
  }
  return room;
}

void hz4_thread_left_empty(uint64_t by_ms) {
  for (;;) {
    hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
    // Owned meanwhile, so that a child of a fork in between finds it.
    struct node *n = adopt_locked(by_ms);
    if (n)
      hz4_bound_owners_add(1);
    hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
    if (!n)
      return;
    hz4_thread_cache_put(&n->cache);
  }
}

void hz4_thread_caches_each(void (*visit)(struct hz4_cache *c, void *context), void *context) {
  hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
  for (struct node *n = list.owned; n; n = n->next)
    visit(&n->cache, context);
  for (struct node *n = list.left; n; n = n->next)
    visit(&n->cache, context);
  hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
}

unsigned hz4_thread_caches(void) {
  return hz_load_relaxed(&list.count);
}

// ---- fork

void hz4_thread_before_fork(void) {
  hz_lock_acquire(LIST_LOCK, HZ_RANK_THREADS);
}
void hz4_thread_after_fork_parent(void) {
  hz_lock_release(LIST_LOCK, HZ_RANK_THREADS);
}

void hz4_thread_after_fork_child(struct hz4_cache *own) {
  hz_lock_reset_after_fork(LIST_LOCK);
  // A vanished thread was at some instruction: each of its words is as one store left it, so every
  // magazine is in one place or was in its hands (and is lost, a few at most).
  struct node *n = list.owned;
  while (n) {
    struct node *next = n->next;
    if (&n->cache != own)
      hz4_thread_cache_put(&n->cache);
    n = next;
  }
}
