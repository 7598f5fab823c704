#include "hz4/custody.h"

#include <string.h>

#include "common/fail/check.h"
#include "hz4/self.h"

#define INSIDE_CLASS HZ4_CUSTODY_INSIDE_CLASS
#define INSIDE_BYTES HZ_LINE_BYTES

HZ_INLINE uint8_t *byte_of(bool inside, uint64_t factor, const void *p) {
  struct hz4_span *d = hz4_span_at(hz_granule_of(p));
  uint8_t *bytes = inside ? (uint8_t *)(d + 1) : d->array;
  uint64_t in_granule = (uintptr_t)p & (HZ_GRANULE_BYTES - 1);
  return &bytes[(uint64_t)((unsigned __int128)factor * in_granule >> 64)];
}

HZ_INLINE void leave(bool inside, unsigned cls, void *const *blocks, unsigned n) {
  uint64_t factor = hz4_custody_factor(cls);
  for (unsigned i = 0; i < n; i++) {
    uint8_t *byte = byte_of(inside, factor, blocks[i]);
    if (HZ_UNLIKELY(hz_load_relaxed(byte) != 0))
      hz_fail_double_free(blocks[i], hz_class_bytes(cls), hz4_api());
    hz_store_relaxed(byte, (uint8_t)1);
  }
}

HZ_INLINE void enter(bool inside, unsigned cls, void *const *blocks, unsigned n) {
  uint64_t factor = hz4_custody_factor(cls);
  for (unsigned i = 0; i < n; i++)
    hz_store_relaxed(byte_of(inside, factor, blocks[i]), (uint8_t)0);
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

// Effect: the granule has an array of `need` bytes, all 0. The one it had from an earlier span
// serves if it is long enough, else it is lost: powers of two, so that few are.
static bool array_open(struct hz4_span *d, uint32_t need) {
  if (d->array && d->array_bytes >= need) {
    memset(d->array, 0, need);
    return true;
  }
  uint8_t *array = hz_meta_alloc(need, HZ_LINE_BYTES);
  if (!array)
    return false;
  d->array = array;
  d->array_bytes = (uint16_t)need;
  return true;
}

bool hz4_custody_open_checked(unsigned cls, uint64_t granule, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct hz4_span *d = hz4_span_at(granule + i);
    if (cls >= INSIDE_CLASS)
      memset(d + 1, 0, INSIDE_BYTES);
    else if (!array_open(d, (uint32_t)(HZ_GRANULE_BYTES >> hz_log2_floor(hz_class_bytes(cls)))))
      return false;
  }
  return true;
}
