// Blocks of size 0 in variant `hardened`: addresses of their own, in memory that nobody can touch.
//
// Owns: granules of 4096 such addresses, PROT_NONE, and which of them are out.
//   record   tag LARGE_INSIDE (never a block to the routes), flags HZ4_ZERO_SIZE
// Thread rule: any thread; one lock (rank HZ_RANK_CENTRAL), never held across a system call.
#ifndef HZ4_ZERO_SIZE_H_
#define HZ4_ZERO_SIZE_H_

#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

#define HZ4_ZERO_SIZE 0x40u

HZ_INLINE bool hz4_zero_size_is(uint64_t granule) {
  const struct hz_granule *r = &hz_arena.granules[granule];
  return hz_load_relaxed(&r->tag) == HZ_TAG_LARGE_INSIDE &&
         (hz_load_relaxed(&r->flags) & HZ4_ZERO_SIZE);
}

// Returns: NULL when memory is exhausted.
void *hz4_zero_size_alloc(unsigned kind);
// Faults as free does: double free, invalid free, another kind.
void hz4_zero_size_free(void *p, unsigned kind, enum hz_api api);
void hz4_zero_size_check(const void *p, enum hz_api api);

HZ_EXTERN_C_END

#endif // HZ4_ZERO_SIZE_H_
