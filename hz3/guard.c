// What hz3 gives the guard of variant `hardened` (common/guard): plain blocks, and what a pointer
// is.
//
// Owns: nothing. Thread rule: any thread. In other variants nobody calls this.
#include "common/guard/guard.h"

#include "hz3/route.h"
#include "hz3/span.h"

#define HZ_GUARD_STRIDE_BYTES HZ3_SIDE_BYTES

HZ_INLINE unsigned hz_guard_hit_class(const void *p) {
  uintptr_t offset = (uintptr_t)p - hz_arena.base;
  uint64_t granule = offset >> HZ_GRANULE_SHIFT;
  if (HZ_UNLIKELY(granule >= HZ3_PEEK(hz_arena.end)))
    return HZ_CLASS_NONE;
  const struct hz_granule *record = &hz_arena.granules[granule];
  unsigned tag = HZ3_PEEK(record->tag);
  bool ours = tag - HZ_CLASS_FIRST <= HZ_CLASS_LAST - HZ_CLASS_FIRST &&
              hz3_is_block(record, hz3_offset_in_span(record, offset), tag);
  return HZ_LIKELY(ours) ? tag : HZ_CLASS_NONE;
}

HZ_INLINE void *hz_guard_hit_take(unsigned cls) {
  struct hz3_cache *c = hz3_self.cache;
  void **top = HZ3_PEEK(c->tops[cls]), *p = *top;
  if (HZ_UNLIKELY(p == NULL))
    return NULL;
  if (top[-1])
    hz_guard_expect(top[-2]); // the block after the next, or NULL at the bottom
  hz_store_relaxed(&c->tops[cls], top - 1);
  return p;
}

HZ_INLINE bool hz_guard_hit_give(unsigned cls, void *p) {
  struct hz3_cache *c = hz3_self.cache;
  void **top = HZ3_PEEK(c->tops[cls]);
  if (HZ_UNLIKELY(top[1] == HZ3_FULL))
    return false;
  top[1] = p;
  hz_store_relaxed(&c->tops[cls], top + 1);
  return true;
}

#include "common/guard/path.h"

void *hz_guard_take(unsigned cls, enum hz_api api) {
  (void)api;
  return hz3_class_alloc(cls);
}

void *hz_guard_take_large(size_t align, size_t bytes, enum hz_api api) {
  return hz3_block_aligned(align, hz_max(bytes, HZ_CLASS_MAX_BYTES + 1), api);
}

void hz_guard_give(void *p, enum hz_api api) {
  hz3_block_free(p, api);
}

unsigned hz_guard_class(const void *p, enum hz_api api) {
  return hz3_block_class(p, api);
}

bool hz_guard_enter(void) {
  return hz3_cache_get() != NULL;
}
