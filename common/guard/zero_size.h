// Blocks of size 0: addresses of their own, in memory that nobody can touch.
//
// Owns: granules of 4096 such addresses, PROT_NONE. Which of them are out, and who made them, say
// their states (seal.h).
//   record   tag LARGE_INSIDE (never a block to the routes), flags HZ_GUARD_ZERO_SIZE
// Thread rule: any thread; the guard's lock, never held across a system call.
#ifndef HZ_COMMON_GUARD_ZERO_SIZE_H_
#define HZ_COMMON_GUARD_ZERO_SIZE_H_

#include "common/guard/guard.h"
#include "common/sync/atomic.h"

#define HZ_GUARD_ZERO_SIZE 0x20u

HZ_INLINE bool hz_zero_size_is(const void *p) {
  uint64_t granule = hz_granule_of(p);
  if (granule >= hz_arena_end())
    return false;
  const struct hz_granule *r = &hz_arena.granules[granule];
  return HZ_UNLIKELY(hz_load_relaxed(&r->tag) == HZ_TAG_LARGE_INSIDE) &&
         (hz_load_relaxed(&r->flags) & HZ_GUARD_ZERO_SIZE) != 0;
}

// Requires: align a power of two, at most a granule. Returns: NULL when memory is exhausted.
void *hz_zero_size_alloc(size_t align, enum hz_api api);
// Fault as free's: double free, invalid free, another family. Requires: hz_zero_size_is.
void hz_zero_size_check(const void *p, enum hz_api api);
void hz_zero_size_free(void *p, enum hz_api api);

#endif // HZ_COMMON_GUARD_ZERO_SIZE_H_
