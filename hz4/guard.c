// What hz4 gives the guard of variant `hardened` (common/guard): plain blocks, and what a pointer
// is.
//
// Owns: nothing. Thread rule: any thread. In other variants nobody calls this.
#include "common/guard/guard.h"

#include "hz4/route.h"

#define HZ_GUARD_STRIDE_BYTES HZ4_SIDE_BYTES

HZ_INLINE unsigned hz_guard_hit_class(const void *p) {
  uint64_t granule = hz_granule_of(p);
  if (HZ_UNLIKELY(granule >= HZ4_HOT_LOAD(&hz_arena.end)))
    return HZ_CLASS_NONE;
  const struct hz_granule *record = &hz_arena.granules[granule];
  intptr_t bin = hz4_bin_of(record);
  return HZ_LIKELY(hz4_is_block(record, bin, p)) ? (unsigned)bin : HZ_CLASS_NONE;
}

HZ_INLINE void *hz_guard_hit_take(unsigned cls) {
  uintptr_t cache = hz4_self.cache;
  if (HZ_UNLIKELY(cache & 1))
    return hz4_cpu_pop(cache, (intptr_t)cls);
  void **top = *hz4_bin((struct hz4_cache *)cache, (intptr_t)cls), *p = *top;
  // The block after the next. Below the first of a magazine lie words of its head.
  if (HZ_LIKELY(p != NULL)) {
    hz_guard_expect(top[-2]);
    *hz4_bin_again((struct hz4_cache *)cache, (intptr_t)cls) = top - 1;
  }
  return p;
}

HZ_INLINE bool hz_guard_hit_give(unsigned cls, void *p) {
  uintptr_t cache = hz4_self.cache;
  if (HZ_UNLIKELY(cache & 1))
    return hz4_cpu_push(cache, (intptr_t)cls, p);
  void **top = *hz4_bin((struct hz4_cache *)cache, (intptr_t)cls);
  if (HZ_UNLIKELY(hz4_top_is_full(top)))
    return false;
  top[1] = p;
  *hz4_bin_again((struct hz4_cache *)cache, (intptr_t)cls) = top + 1;
  return true;
}

#include "common/guard/path.h"

void *hz_guard_take(unsigned cls, enum hz_api api) {
  return hz4_class_alloc(cls, api);
}

void *hz_guard_take_large(size_t align, size_t bytes, enum hz_api api) {
  return hz4_route_alloc_large(bytes, align, false, api);
}

void hz_guard_give(void *p, enum hz_api api) {
  hz4_route_free(p, api);
}

unsigned hz_guard_class(const void *p, enum hz_api api) {
  return hz4_class_checked((void *)(uintptr_t)p, api);
}

bool hz_guard_enter(void) {
  return hz4_route_enter() && (hz4_self.state == HZ4_STATE_OWN || hz4_self.state == HZ4_STATE_CPU);
}
