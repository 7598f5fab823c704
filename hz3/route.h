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
#include "common/guard/guard.h"
#include "hz3/cache.h"

HZ_EXTERN_C_BEGIN

// Out of line, in tail position. Each serves any request, also those that the hot path should have
// served, and sets errno to ENOMEM when it returns NULL.
void *hz3_alloc_slow(size_t bytes, enum hz_api api);
void *hz3_class_slow(unsigned cls); // of hz3_class_alloc
void hz3_free_slow(void *p, enum hz_api api);
void hz3_free_sized_slow(void *p, size_t align, size_t bytes, enum hz_api api);

// A load that may be folded into the instruction that uses it, which an atomic builtin's may not:
// one aligned word is read whole on every machine we know. Whoever holds a block got its address
// after what is read here was complete, so no order is needed. The sanitizer is shown an atomic
// load.
#if defined(__SANITIZE_THREAD__)
#define HZ3_PEEK(lvalue) hz_load_relaxed(&(lvalue))
#else
#define HZ3_PEEK(lvalue) (lvalue)
#endif

// How far into its span an address lies. Spans are shorter than 4 GiB.
HZ_INLINE uint32_t hz3_offset_in_span(const struct hz_granule *record, uintptr_t offset) {
  return (uint32_t)HZ3_PEEK(record->index) << HZ_GRANULE_SHIFT | (uint16_t)offset;
}
// Whether a block of class `cls` that was ever handed out starts at `at` in its span.
HZ_INLINE bool hz3_is_block(const struct hz_granule *record, uint32_t at, size_t cls) {
  return hz3_is_block_start(at, cls) && at >> 4 < HZ3_PEEK(record->limit16);
}

// Returns: a block from this thread's bin, NULL when that is empty.
HZ_INLINE void *hz3_class_hit(size_t cls) {
  struct hz3_cache *c = hz3_self.cache;
  void ***bin = &c->tops[cls];
  HZ_IN_REGISTER(bin);
  void **top = HZ3_PEEK(*bin);
  void *p = *top;
  HZ_IN_REGISTER(p); // in that of results, or it would have to move there
  if (HZ_UNLIKELY(p == NULL))
    return NULL;
  hz_store_relaxed(bin, top - 1); // relaxed: a reader of statistics may look
  if (HZ_OBSERVE)
    c->counts.allocs[hz3_part_of(cls)]++;
  return p;
}

// The same by size, and NULL when that is not cached: hz3_alloc_slow may have a block.
HZ_INLINE void *hz3_block_hit(size_t bytes) {
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES))
    return NULL;
  return hz3_class_hit(hz_class_by(hz3_self.classes, bytes));
}

// Effect, errors: malloc's. Returns: a block of the class, which need not be one of requests.
HZ_INLINE void *hz3_class_alloc(unsigned cls) {
  void *p = hz3_class_hit(cls);
  return HZ_LIKELY(p != NULL) ? p : hz3_class_slow(cls);
}

// Effect, errors: malloc's. Returns: a block aligned to 16, or NULL and ENOMEM.
HZ_INLINE void *hz3_block_alloc(size_t bytes, enum hz_api api) {
  void *p = hz3_block_hit(bytes);
  return HZ_LIKELY(p != NULL) ? p : hz3_alloc_slow(bytes, api);
}

// What free and sized delete share. sized (a constant): the caller believes in class `wanted`, of
// his set.
HZ_INLINE void hz3_free_as(void *p, bool sized, size_t wanted, size_t align, size_t bytes,
                           enum hz_api api) {
  const struct hz_granule *record;
  struct hz3_cache *c = hz3_self.cache;
  void **top;
  size_t tag;
  uintptr_t offset = (uintptr_t)p - hz_arena.base;
  uint64_t granule = offset >> HZ_GRANULE_SHIFT;
  if (HZ_UNLIKELY(granule >= HZ3_PEEK(hz_arena.end)))
    goto slow;
  record = &hz_arena.granules[granule];
  tag = HZ3_PEEK(record->tag);
  if (sized && HZ_UNLIKELY(wanted != tag) && !hz_class_same_size(wanted, tag))
    goto slow;
  top = HZ3_PEEK(c->tops[tag]);
  // A tag that is no class has a bin that is full.
  if (HZ_UNLIKELY(top[1] == HZ3_FULL))
    goto slow;
  if (!HZ_FAST) {
    uint32_t at = hz3_offset_in_span(record, offset);
    if (HZ_UNLIKELY(!hz3_is_block(record, at, tag) || *top == p))
      goto slow;
  }
  top[1] = p;
  hz_store_relaxed(&c->tops[tag], top + 1);
  if (HZ_OBSERVE)
    c->counts.frees[hz3_part_of(tag)]++;
  return;
slow:
  if (!sized)
    hz3_free_slow(p, api);
  else
    hz3_free_sized_slow(p, align, bytes, api);
}

HZ_INLINE void hz3_block_free(void *p, enum hz_api api) {
  hz3_free_as(p, false, 0, 0, 0, api);
}

// The rest of the surface on plain blocks (route.c).
void *hz3_block_aligned(size_t align, size_t bytes, enum hz_api api);
void *hz3_block_zeroed(size_t bytes, enum hz_api api);
void *hz3_block_realloc(void *p, size_t bytes, enum hz_api api);
size_t hz3_block_usable(const void *p, enum hz_api api);
// Returns: the class of the block that starts at p, HZ_CLASS_NONE for the large part to judge.
// Whatever is no block ends the process.
unsigned hz3_block_class(const void *p, enum hz_api api);

// ---- what malloc and its kin call: plain blocks, behind the guard in variant hardened ----

HZ_INLINE void *hz3_alloc(size_t bytes, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api) : hz3_block_alloc(bytes, api);
}

// The hot path of hz3_alloc alone, for operator new (common/abi): sealed blocks have none.
#define HZ_ABI_HAS_HIT (!HZ_HARDENED)
HZ_INLINE void *hz3_alloc_hit(size_t bytes) {
  return hz3_block_hit(bytes);
}

// Effect: free's. Keeps errno. A pointer that is not the start of a block that was handed out ends
// the process (variant fast: only where it costs nothing to see).
HZ_INLINE void hz3_free(void *p, enum hz_api api) {
  if (HZ_HARDENED)
    hz_guard_free(p, api);
  else
    hz3_block_free(p, api);
}

// The same, and a size that the block cannot have been asked for ends the process (not in fast).
HZ_INLINE void hz3_free_sized(void *p, size_t align, size_t bytes, enum hz_api api) {
  if (HZ_FAST) {
    hz3_free(p, api);
    return;
  }
  if (HZ_HARDENED) {
    hz_guard_free_sized(p, bytes, api);
    return;
  }
  // Sizes and alignments beyond the common case are looked at out of line.
  bool plain = align <= HZ_MIN_ALIGN_BYTES && bytes <= HZ_CLASS_MAX_BYTES;
  if (HZ_LIKELY(plain))
    hz3_free_as(p, true, hz_class_by(hz3_self.classes, bytes), align, bytes, api);
  else
    hz3_free_sized_slow(p, align, bytes, api);
}

HZ_INLINE void *hz3_alloc_aligned(size_t align, size_t bytes, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_alloc(align, bytes, api) : hz3_block_aligned(align, bytes, api);
}
HZ_INLINE void *hz3_alloc_zeroed(size_t bytes, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api)
                     : hz3_block_zeroed(bytes, api);
}
HZ_INLINE void *hz3_realloc(void *p, size_t bytes, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_realloc(p, bytes, api) : hz3_block_realloc(p, bytes, api);
}
HZ_INLINE size_t hz3_usable(const void *p, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_usable(p, api) : hz3_block_usable(p, api);
}

HZ_EXTERN_C_END

#endif // HZ3_ROUTE_H_
