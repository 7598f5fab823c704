// Variant `hardened`: what it adds around every block. In other variants nothing here is called.
//
// Owns: the seal at a block's end, the quarantine of freed blocks. Does not own blocks: it asks the
// routes for one that is a seal longer than requested. Thread rule: any thread; the quarantine is
// part of the thread's cache.
//
//   out     [ bytes asked for | pattern ... | seal ]      seal = (bytes, family) under a key of the
//   address freed   [ zero ............................. | mark ]      mark = another key: a second
//   free meets it
//
// Seen at free: an overflow by one byte or more, a second free at any distance, delete of what
// malloc made, a wrong size. Seen at reuse: a write after free. Reuse is delayed and drawn at
// random. Nothing old can be read. malloc_usable_size is the size asked for.
#ifndef HZ3_HARDEN_H_
#define HZ3_HARDEN_H_

#include "common/base/units.h"
#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

#define HZ3_SEAL_BYTES ((size_t)8)
#define HZ3_QUARANTINE_BLOCKS (HZ_HARDENED ? 256u : 1u) // of a thread, each at most
#define HZ3_QUARANTINE_BYTES ((size_t)8192)             // ... of this size

struct hz3_cache;

void *hz3_hard_alloc(size_t bytes, enum hz_api api);
void *hz3_hard_aligned(size_t align, size_t bytes, enum hz_api api);
void *hz3_hard_zeroed(size_t bytes, enum hz_api api);
void *hz3_hard_realloc(void *p, size_t bytes, enum hz_api api);
void hz3_hard_free(void *p, enum hz_api api);
// Requires: p not NULL. size_given: bytes is what the caller believes the block's size to be.
void hz3_hard_free_sized(void *p, size_t bytes, enum hz_api api);
size_t hz3_hard_usable(const void *p, enum hz_api api);

// Effect: a fresh secret for the keys. Called once.
void hz3_hard_init(void);
// Effect: what lies in a cache's quarantine goes back to its spans.
void hz3_hard_empty(struct hz3_cache *c, enum hz_api api);

HZ_EXTERN_C_END

#endif // HZ3_HARDEN_H_
