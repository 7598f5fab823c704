// What hz4 gives the guard of variant `hardened` (common/guard): plain blocks, and what a pointer
// is.
//
// Owns: nothing. Thread rule: any thread. In other variants nobody calls this.
#include "common/guard/guard.h"

#include "hz4/route.h"

void *hz_guard_take(unsigned cls, enum hz_api api) {
  if (hz4_self.state == HZ4_STATE_OWN) {
    void *const *top = ((const struct hz4_cache *)hz4_self.cache)->top[cls];
    // The block after the next. Below the first of a magazine lie words of its head.
    if (*top)
      hz_guard_expect(top[-2]);
  }
  return hz4_route_alloc(hz_class_bytes(cls), api);
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
