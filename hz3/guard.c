// What hz3 gives the guard of variant `hardened` (common/guard): plain blocks, and what a pointer
// is.
//
// Owns: nothing. Thread rule: any thread. In other variants nobody calls this.
#include "common/guard/guard.h"

#include "hz3/route.h"

void *hz_guard_take(unsigned cls, enum hz_api api) {
  // The block after the next. Below the bottom of a bin lies another bin's end, which is no
  // address.
  hz_guard_expect(hz3_cache->tops[cls][-2]);
  return hz3_block_alloc(hz_class_bytes(cls), api);
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
