// Large blocks: everything beyond the size classes, as runs of granules without any header.
//
// Owns: the records (common/arena) of the runs it hands out, and a cache of freed blocks, sharded
// by size so that threads that use different sizes never meet, and lock-free so that those that do
// never wait. Does not own: who asks. Shared by the generations; each keeps its own policy in the
// limits. Thread rule: any thread, any time; no lock is held on the way through the cache.
//
//   record of the first granule   tag LARGE, limit16 = granules of the run, index = cache lines
//                                 before the block (0 to 63: staggered, see large.c)
//   records of the others         tag LARGE_INSIDE
//   block in the cache / freed    tag NONE, flags HZ_LARGE_WAS_FREED on the first granule, until
//   reuse
#ifndef HZ_COMMON_LARGE_LARGE_H_
#define HZ_COMMON_LARGE_LARGE_H_

#include "common/arena/arena.h"
#include "common/base/units.h"
#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

#define HZ_LARGE_WAS_FREED 0x80u // hz_granule.flags: names a second free of the same block

struct hz_large_config {
  size_t cache_max_bytes;   // bound of the cache: this, and what is live, or a quarter of that
  size_t cache_block_bytes; // blocks above this, or above 1 MiB, are never cached
  uint32_t decay_ms;        // cached blocks older than this go back at the next tick
};
void hz_large_init(const struct hz_large_config *config);

// Returns: a block of at least `bytes` (> 0), aligned to `align` (power of two up to 1 GiB; >= 16),
// all zero if `zero`; NULL when memory is exhausted. Keeps errno.
void *hz_large_alloc(size_t bytes, size_t align, bool zero);

// Effect: takes the block back. Faults (double free, invalid free) end the process, naming `api`.
// Requires: the granule of p lies below hz_arena.end.
void hz_large_free(void *p, enum hz_api api);

// Returns: usable bytes. Faults as hz_large_free.
size_t hz_large_usable(const void *p, enum hz_api api);

// Effect: the block becomes at least `bytes` long, content kept up to the smaller size: in place,
// into free neighbours, by moving its pages, or by copying, in this order; shrinking gives the tail
// back. Requires: bytes beyond the size classes. Returns: NULL when memory is exhausted; then p is
// as it was.
void *hz_large_realloc(void *p, size_t bytes, enum hz_api api);

// Effect: gives back cached blocks past their decay. / Gives back all; returns the bytes.
void hz_large_tick(uint64_t now_ms);
size_t hz_large_trim(void);

struct hz_large_stats {
  size_t live_bytes, live_blocks, cached_bytes, cached_blocks, hits, misses, moved;
};
void hz_large_stats_read(struct hz_large_stats *out);

HZ_EXTERN_C_END

#endif // HZ_COMMON_LARGE_LARGE_H_
