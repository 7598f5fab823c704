// A thread's cache: for each class a bin, which is a stack of addresses.
//
// Owns: the caches of all threads, their bins (cache.c), the list of them (caches.c). Does not own
// how a block gets to its bin (route.h). Thread rule: a cache is its thread's alone; others read it
// for statistics, and a forked child empties those of threads that are no more.
//
//   tops[cls] ─────────────────────────┐
//                                      ▼
//   slots   [ NULL | block | block | block | (stale) | (stale) | FULL | (stale) ... ]
//            bottom                   top                       bottom + capacity + 1
//
//   pop    p = *top; NULL: the bin is empty           push   top[1] == FULL: the bin is full
//   invariants   bottom <= top <= bottom + capacity; capacity <= capacity_max
//                capacity + 2 <= slots of the bin's tier
//                *bottom == NULL; bottom[capacity + 1] == FULL; no other slot holds either but
//                stale NULLs
//                sum over bins of capacity * block bytes == charged
//
// Two sentinels and no count: each way is one load, one compare and two stores. A class that the
// thread does not use, every tag that is no class, and the cache of a thread that has none point to
// a bin that is empty and full at once; so there is no check for them either.
//
// Slots come in tiers of 32, 128, 512, 2048, 8192 and 32768; a bin that grows moves to the next,
// and what it leaves serves another bin of this cache.
//
// Capacity follows use. It begins small, doubles when a bin runs full after it ran empty or while
// other threads take what this one frees; up to its part of the thread's quota, and to four times
// that while half of the quota lies unused. A bin that has all the room it may have and runs full
// is sorted: blocks of this thread's own heap (span.h) go home, all of them, where their bits tell
// a second free; of blocks that come from other heaps the colder half goes to the transfer layer. A
// bin that only fills while nobody takes (a program that is tearing down) is emptied into the
// spans, and has room for a share of what is still out. One that never served (the thread only
// frees of the class, a consumer for instance) grows to a batch; when it is full all of it goes to
// the transfer layer if others have asked since, else to the spans. Every tick halves what lies in
// each bin.
#ifndef HZ3_CACHE_H_
#define HZ3_CACHE_H_

#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "hz3/observe.h"
#include "hz3/shape.h"

HZ_EXTERN_C_BEGIN

#define HZ3_FULL ((void *)1)
#define HZ3_TAGS 256u

#define HZ3_TIERS 6u
#define HZ3_TIER_SLOTS(tier) (32u << 2 * (tier))
_Static_assert(HZ3_TIER_SLOTS(HZ3_TIERS - 1) == HZ3_BIN_MOST + 2, "the largest bin fits");

struct hz3_bin {
  void **bottom;       // NULL: it never had slots
  uint16_t capacity;   // 0: the class is not cached; tops[cls] is the bin that is empty and full
  uint16_t unwanted;   // blocks it let go of since anybody took from the class
  uint8_t serves;      // it ran empty some time: the thread allocates of the class
  uint8_t missed;      // ran empty since it last ran full
  uint8_t giving;      // nobody wants its blocks: they go to the spans, in as large a company as
                       // what is still out allows (capacity; 0 near the end)
  uint8_t used;        // ran empty or full since the last tick of this cache
  uint8_t tier;        // of its slots
  uint32_t takes_seen; // hz3_transfer.takes when this bin last ran empty or full
};

// Blocks that went the hot way, by part (observe.h). Written in variant `observe` only.
struct hz3_counts {
  uint64_t allocs[HZ3_PARTS], frees[HZ3_PARTS];
};

struct hz3_cache {
  void **tops[HZ3_TAGS]; // hot; by class, and by tag in free
  struct hz3_bin bins[HZ_CLASS_COUNT];
  uint64_t spread;              // sum of the block sizes of the bins in use (capacity != 0)
  uint64_t quota;               // what may be charged, as of the last tick
  uint32_t most;                // the part of a bin of any class in use: blocks, and besides
  uint32_t fair_bytes;          // ... these bytes of blocks
  uint64_t charged;             // bytes of credit held (tick.h)
  uint32_t spare;               // an empty batch, or 0
  uint32_t tick_seen;           // hz3_tick_count when the bins were last halved
  uint64_t idle_bytes;          // freed likewise since the heap was looked at
  uint32_t idle;                // freed in a row and wanted by nobody, weighted (cache.c)
  uint32_t slow_calls;          // for the clock
  uint8_t last_slow;            // the class of the last one
  uint32_t receding;            // the heap was, when last looked at (tick.h)
  uint32_t busy;                // a slow path is at work: a forked child must not read it
  uint32_t alive;               // of a thread that has not ended
  uint32_t heap;                // from whose spans it takes (span.h)
  struct hz3_cache *next;       // all caches ever made
  struct hz3_cache *next_free;  // those of ended threads
  void **slots_free[HZ3_TIERS]; // left by bins that grew; each one's first word is the next
  struct hz3_counts counts;
};

// What a thread knows of itself.
struct hz3_self {
  // Never NULL: &hz3_cache_none before its first use and when there is no memory for one,
  // &hz3_cache_gone once the thread's exit has begun.
  struct hz3_cache *cache;
  const uint8_t *classes; // of hz_class_tables: the set of its heap
};
extern HZ_HIDDEN __thread struct hz3_self hz3_self;
extern HZ_HIDDEN struct hz3_cache hz3_cache_none, hz3_cache_gone;

// Returns: this thread's cache, made on first use; NULL when it cannot have one (exit has begun, no
// memory, initialisation under way): then it is served from the shared layers. Keeps errno.
struct hz3_cache *hz3_cache_get(void);

// The slow ways, both at most one batch of work, both keep errno.
// Effect: a bin that ran empty is filled from shelf, transfer layer or spans. Returns: a block, or
// NULL.
void *hz3_cache_miss(struct hz3_cache *c, unsigned cls);
// Effect: a bin that is full makes room and takes p.
void hz3_cache_flush(struct hz3_cache *c, unsigned cls, void *p, enum hz_api api);

// The same for a thread without a cache.
void *hz3_uncached_alloc(unsigned cls);
void hz3_uncached_free(unsigned cls, void *p, enum hz_api api);

// Effect: all bins are empty and full at once. Requires: zeroed memory, nobody else's.
void hz3_cache_init(struct hz3_cache *c);
// Effect: what it may hold is what is right from now on. Requires: this thread's.
void hz3_cache_begin(struct hz3_cache *c);
// Effect: every bin of this thread is emptied into the spans, its credit returned.
void hz3_cache_empty(struct hz3_cache *c, enum hz_api api);
// Thread exit: empties it, and keeps its memory for the next thread.
void hz3_cache_retire(void *cache);

struct hz3_cache_stats {
  size_t threads, cached_bytes;
  struct hz3_counts counts; // observe: of all threads that ever were
};
void hz3_cache_stats_read(struct hz3_cache_stats *out);
// Returns: whether every invariant above holds. Requires: c is the calling thread's.
bool hz3_cache_is_valid(const struct hz3_cache *c);

void hz3_cache_before_fork(void);
void hz3_cache_after_fork_parent(void);
void hz3_cache_after_fork_child(void); // empties the caches of threads that are no more

HZ_INLINE unsigned hz3_bin_count(struct hz3_cache *c, unsigned cls) {
  return c->bins[cls].capacity == 0 ? 0 : (unsigned)(c->tops[cls] - c->bins[cls].bottom);
}

HZ_EXTERN_C_END

#endif // HZ3_CACHE_H_
