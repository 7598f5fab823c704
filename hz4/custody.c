#include "hz4/custody.h"

#include <string.h>

#include "common/fail/check.h"
#include "hz4/self.h"

#define INSIDE_CLASS HZ4_CUSTODY_INSIDE_CLASS
#define INSIDE_BYTES HZ_LINE_BYTES

const uint8_t hz4_custody_gone[HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES] = {
    [0 ... HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES - 1] = 1};

HZ_INLINE uint8_t *byte_of(bool inside, uint64_t factor, struct hz4_span *d, const void *p) {
  uint8_t *bytes = inside ? (uint8_t *)(d + 1) : d->array;
  uint64_t in_granule = (uintptr_t)p & (HZ_GRANULE_BYTES - 1);
  return &bytes[(uint64_t)((unsigned __int128)factor * in_granule >> 64)];
}

HZ_INLINE void leave(bool inside, unsigned cls, void *const *blocks, unsigned n) {
  uint64_t factor = hz4_custody_factor(cls);
  for (unsigned i = 0; i < n; i++) {
    struct hz4_span *d = hz4_span_at(hz_granule_of(blocks[i]));
    uint8_t *byte = byte_of(inside, factor, d, blocks[i]);
    // Another class: its span went away under it, which only a second free can do, and the array
    // that is there now may be shorter.
    if (HZ_UNLIKELY((!inside && d->cls != cls) || hz_load_relaxed(byte) != 0))
      hz_fail_double_free(blocks[i], hz_class_bytes(cls), hz4_api());
    hz_store_relaxed(byte, (uint8_t)1);
  }
}

HZ_INLINE void enter(bool inside, unsigned cls, void *const *blocks, unsigned n) {
  uint64_t factor = hz4_custody_factor(cls);
  for (unsigned i = 0; i < n; i++)
    hz_store_relaxed(byte_of(inside, factor, hz4_span_at(hz_granule_of(blocks[i])), blocks[i]),
                     (uint8_t)0);
}

void hz4_custody_leave_checked(unsigned cls, void *const *blocks, unsigned n) {
  if (cls >= INSIDE_CLASS)
    leave(true, cls, blocks, n);
  else
    leave(false, cls, blocks, n);
}

void hz4_custody_enter_checked(unsigned cls, void *const *blocks, unsigned n) {
  if (cls >= INSIDE_CLASS)
    enter(true, cls, blocks, n);
  else
    enter(false, cls, blocks, n);
}

void hz4_custody_open_checked(unsigned cls, uint64_t granule, unsigned count) {
  for (unsigned i = 0; cls >= INSIDE_CLASS && i < count; i++)
    memset(hz4_span_at(granule + i) + 1, 0, INSIDE_BYTES);
}
