// The hot paths of the guard, between a program and a generation's bins: a small block that is in
// its thread's bin, and one that goes back there.
//
// Included once, by the generation's guard.c, which has defined before, inline:
//   HZ_GUARD_STRIDE_BYTES   bytes of the side array for each granule
//   hz_guard_hit_class(p)   class of the block that starts at p, or HZ_CLASS_NONE
//   hz_guard_hit_take(cls)  a plain block, or NULL
//   hz_guard_hit_give(cls, p)  false: it was not taken
// Each may decline whatever it likes: then guard.c does the same out of line, and names what is
// wrong. Owns: nothing. Thread rule: any thread.
//
//   alloc   class ──▶ block ──▶ still zero? ──▶ seal ──▶ state OUT
//   free    class ──▶ state OUT, of this family? FREED ──▶ seal whole? ──▶ zero
//           ──▶ its place in the quarantine ──▶ who lay there, to the bin
//
// What does not fit goes on in hz_guard_alloc_slow or hz_guard_free_slow.
#ifndef HZ_COMMON_GUARD_PATH_H_
#define HZ_COMMON_GUARD_PATH_H_

#include "common/guard/guard.h"
#include "common/guard/quarantine.h"
#include "common/guard/seal.h"
#include "common/sizeclass/sizeclass.h"

#define HZ_GUARD_HIT_MOST_BYTES                                                                    \
  (HZ_TOUCH_MOST_BYTES - HZ_TAIL_BYTES) // larger ones are worth a call

HZ_INLINE uint8_t *hz_guard_state_at(const void *p) {
  uintptr_t offset = (uintptr_t)p - hz_arena.base;
  unsigned char *end = hz_arena_side + ((offset >> HZ_GRANULE_SHIFT) + 1) * HZ_GUARD_STRIDE_BYTES;
  return end - sizeof(((struct hz_guard_side *)0)->state) + (uint16_t)offset / HZ_MIN_ALIGN_BYTES;
}

void *hz_guard_alloc(size_t align, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(bytes - 1 >= HZ_GUARD_HIT_MOST_BYTES || align > HZ_MIN_ALIGN_BYTES))
    return hz_guard_alloc_slow(align, bytes, api); // 0 is here too
  unsigned cls = hz_class_of(bytes + HZ_TAIL_BYTES);
  unsigned char *p = hz_guard_hit_take(cls);
  if (HZ_UNLIKELY(p == NULL))
    return hz_guard_alloc_slow(align, bytes, api);
  size_t have = hz_class_bytes(cls);
  hz_guard_touch(p, have);
  if (HZ_UNLIKELY(!hz_is_zero(p, have)))
    hz_fail_write_after_free(p, have, api);
  hz_seal_write_fresh(p, have, bytes);
  hz_store_release(hz_guard_state_at(p), hz_state_out(api)); // partner: hz_state_checked
  return p;
}

// Whether it is a leaf is what decides its cost: small blocks with their canary in the last two
// words are freed here (near), others by a copy that may call (far), and both go on in tail
// position. Returns: whether all of it is done; false: nothing is.
HZ_INLINE bool hz_guard_free_hit(void *p, bool near, bool says, size_t said, enum hz_api api) {
  unsigned cls = hz_guard_hit_class(p);
  if (HZ_UNLIKELY(cls == HZ_CLASS_NONE))
    return false;
  uint8_t *state = hz_guard_state_at(p), out = hz_state_out(api);
  if (HZ_UNLIKELY(hz_load_acquire(state) != out)) // partner: the release when it was handed out
    return false;
  size_t have = hz_class_bytes(cls);
  if (near && HZ_UNLIKELY(have > HZ_ZERO_HERE_MOST_BYTES))
    return false;
  size_t bytes = near ? hz_seal_read_near(p, have) : hz_seal_read(p, have);
  if (HZ_UNLIKELY(bytes == SIZE_MAX || (says && said != bytes)))
    return false;
  if (HZ_UNLIKELY(!hz_state_try_retire(state, out)))
    return false;
  hz_make_zero(p, have);
  uint64_t old;
  if (HZ_UNLIKELY(!hz_quarantine_swap(p, cls, have, &old)))
    hz_quarantine_push(p, cls, api);
  else if (old && HZ_UNLIKELY(!hz_guard_hit_give(hz_quarantined_class(old), hz_quarantined(old))))
    hz_guard_give(hz_quarantined(old), api);
  return true;
}

static HZ_NOINLINE void hz_guard_free_far(void *p, enum hz_api api) {
  if (HZ_UNLIKELY(!hz_guard_free_hit(p, false, false, 0, api)))
    hz_guard_free_slow(p, NULL, api);
}
void hz_guard_free(void *p, enum hz_api api) {
  if (HZ_UNLIKELY(!hz_guard_free_hit(p, true, false, 0, api)))
    hz_guard_free_far(p, api);
}

static HZ_NOINLINE void hz_guard_free_sized_far(void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(!hz_guard_free_hit(p, false, true, bytes, api)))
    hz_guard_free_slow(p, &bytes, api);
}
void hz_guard_free_sized(void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(!hz_guard_free_hit(p, true, true, bytes, api)))
    hz_guard_free_sized_far(p, bytes, api);
}

#endif // HZ_COMMON_GUARD_PATH_H_
