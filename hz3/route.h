// The one route of an allocation and the one of a deallocation: from a size, or from an address, to
// the thread's bin of its class, or to the large part.
//
// Owns: the two hot paths (here, inlined into malloc and free) and the slow ones (route.c): which
// part serves, what is refused and under which name. Owns no memory. Thread rule: any thread.
//
//   alloc   size ──table──▶ class ──▶ top of the bin ──▶ block      else hz3_alloc_slow
//   free    address ──record of its granule──▶ class ──▶ bin        else hz3_free_slow
//
// Left of each `else`: no call, no lock, no loop, no counter, no question of who owns the block.
#ifndef HZ3_ROUTE_H_
#define HZ3_ROUTE_H_

#include "common/fail/fail.h"
#include "hz3/cache.h"

HZ_EXTERN_C_BEGIN

// Out of line, in tail position. Each serves any request, also those that the hot path should have
// served, and sets errno to ENOMEM when it returns NULL.
void *hz3_alloc_slow(size_t bytes, enum hz_api api);
void hz3_free_slow(void *p, enum hz_api api);
// Ends the process when a block of this size cannot be what p points to.
void hz3_size_check(const void *p, size_t align, size_t bytes, enum hz_api api);

// The record of a granule as one word: [ flags:8 | tag:8 | index:16 | limit16:32 ].
typedef uint64_t __attribute__((may_alias)) hz3_record;
_Static_assert(offsetof(struct hz_granule, limit16) == 0 &&
                   offsetof(struct hz_granule, index) == 4 &&
                   offsetof(struct hz_granule, tag) == 6 &&
                   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the word's layout");
HZ_INLINE hz3_record hz3_record_of(uint64_t granule) {
  // Relaxed: whoever holds a block got its address after the record was complete.
  return hz_load_relaxed((const hz3_record *)(const void *)&hz_arena.granules[granule]);
}
HZ_INLINE unsigned hz3_record_tag(hz3_record r) {
  return (uint8_t)(r >> 48);
}
HZ_INLINE uint32_t hz3_record_limit16(hz3_record r) {
  return (uint32_t)r;
}
// How far into its span an address lies. Spans are shorter than 4 GiB.
HZ_INLINE uint32_t hz3_offset_in_span(hz3_record r, uintptr_t offset) {
  return (uint32_t)(r >> 16 & 0xffff0000u) | (uint32_t)(offset & (HZ_GRANULE_BYTES - 1));
}

// Effect, errors: malloc's. Returns: a block aligned to 16, or NULL and ENOMEM.
HZ_INLINE void *hz3_alloc(size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES))
    return hz3_alloc_slow(bytes, api);
  unsigned cls = hz_class_of(bytes);
  struct hz3_cache *c = hz3_cache;
  void **top = c->tops[cls];
  void *p = *top;
  if (HZ_UNLIKELY(p == NULL))
    return hz3_alloc_slow(bytes, api);
  hz_store_relaxed(&c->tops[cls], top - 1); // relaxed: a statistics reader may look
  if (HZ_OBSERVE)
    c->counts.allocs++;
  return p;
}

// Effect: free's. Keeps errno. A pointer that is not the start of a block that was handed out ends
// the process (variant fast: only where it costs nothing to see).
HZ_INLINE void hz3_free(void *p, enum hz_api api) {
  uintptr_t offset = (uintptr_t)p - hz_arena.base;
  if (HZ_UNLIKELY(offset >> HZ_GRANULE_SHIFT >= hz_load_relaxed(&hz_arena.end))) {
    hz3_free_slow(p, api);
    return;
  }
  struct hz3_cache *c = hz3_cache;
  unsigned tag;
  void **top;
  if (HZ_FAST) {
    tag = hz_load_relaxed(&hz_arena.granules[offset >> HZ_GRANULE_SHIFT].tag);
    top = c->tops[tag];
    if (HZ_UNLIKELY(top[1] == HZ3_FULL)) {
      hz3_free_slow(p, api);
      return;
    }
  } else {
    hz3_record r = hz3_record_of(offset >> HZ_GRANULE_SHIFT);
    tag = hz3_record_tag(r);
    top = c->tops[tag];
    uint32_t at = hz3_offset_in_span(r, offset);
    // A tag that is no class has a bin that is full: it never gets to the reciprocals.
    if (HZ_UNLIKELY(top[1] == HZ3_FULL || !hz3_is_block_start(at, tag) ||
                    at >> 4 >= hz3_record_limit16(r) || *top == p)) {
      hz3_free_slow(p, api);
      return;
    }
  }
  top[1] = p;
  hz_store_relaxed(&c->tops[tag], top + 1);
  if (HZ_OBSERVE)
    c->counts.frees++;
}

HZ_INLINE void hz3_free_sized(void *p, size_t align, size_t bytes, enum hz_api api) {
  if (!HZ_FAST && p != NULL)
    hz3_size_check(p, align, bytes, api);
  hz3_free(p, api);
}

void *hz3_alloc_aligned(size_t align, size_t bytes, enum hz_api api);
void *hz3_alloc_zeroed(size_t bytes, enum hz_api api);
void *hz3_realloc(void *p, size_t bytes, enum hz_api api);
size_t hz3_usable(const void *p, enum hz_api api);

HZ_EXTERN_C_END

#endif // HZ3_ROUTE_H_
