// Blocks of classes behind the guard, and the choice between them and the others. See guard.h.
#include "common/guard/guard.h"

#include <errno.h>

#include "common/abi/report.h"
#include "common/guard/big.h"
#include "common/guard/quarantine.h"
#include "common/guard/seal.h"
#include "common/guard/zero_size.h"
#include "common/os/os.h"
#include "common/sizeclass/sizeclass.h"

bool hz_guard_families_mix;
uint64_t hz_guard_secret;
size_t hz_guard_stride;
struct hz_lock hz_guard_the_lock;

void hz_guard_init(size_t side_bytes) {
  hz_os_random(&hz_guard_secret, sizeof hz_guard_secret);
  hz_guard_stride = side_bytes;
}

const unsigned char hz_near_masks[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

_Noreturn HZ_COLD void hz_seal_fail(const unsigned char *p, size_t have, enum hz_api api) {
  const uint64_t *end = (const uint64_t *)(const void *)(p + have);
  uint64_t difference = end[-1] ^ hz_canary_word(hz_seal_key(p));
  uint64_t slack = hz_slack_read(difference), tail = difference ^ hz_slack_bits(slack);
  bool known = slack >= HZ_TAIL_BYTES && slack <= have && tail >> 48 == 0;
  hz_fail_overflow(p, known ? have - slack : SIZE_MAX, have, api);
}

// ---- blocks of classes

// Returns: the class for `bytes` and a tail, HZ_CLASS_NONE when it is for the large part.
static unsigned class_for(size_t align, size_t bytes) {
  if (bytes > HZ_CLASS_MAX_BYTES - HZ_TAIL_BYTES)
    return HZ_CLASS_NONE;
  return align <= HZ_MIN_ALIGN_BYTES ? hz_class_of(bytes + HZ_TAIL_BYTES)
                                     : hz_class_of_aligned(bytes + HZ_TAIL_BYTES, align);
}

// Whether no block of a class ever lay where this one does: then it is as the OS gave it, and a
// look at it would only make it resident.
static HZ_NOINLINE bool is_fresh(const unsigned char *p, size_t have) {
  for (size_t done = 0, part; done < have; done += part) {
    const unsigned char *at = p + done;
    part = hz_min(have - done, HZ_GRANULE_BYTES - ((uintptr_t)at & (HZ_GRANULE_BYTES - 1)));
    const uint8_t *states = hz_state_of(at);
    size_t n = part / HZ_MIN_ALIGN_BYTES;
    if (states[0] != HZ_STATE_NEVER || memcmp(states, states + 1, n - 1) != 0)
      return false;
  }
  return true;
}

static void clean_check(unsigned char *p, size_t have, const uint8_t *state, enum hz_api api) {
  if (have <= HZ_TOUCH_MOST_BYTES)
    hz_guard_touch(p, have);
  else if (HZ_UNLIKELY(*state == HZ_STATE_NEVER) && is_fresh(p, have))
    return;
  if (HZ_UNLIKELY(!hz_is_zero(p, have)))
    hz_fail_write_after_free(p, have, api);
}

static void *class_alloc(unsigned cls, size_t bytes, enum hz_api api) {
  size_t have = hz_class_bytes(cls);
  int saved_errno = errno;
  unsigned char *p = hz_guard_take(cls, api);
  if (HZ_UNLIKELY(!p)) {
    if (!hz_guard_relieve(api))
      return NULL;
    p = hz_guard_take(cls, api);
    if (!p)
      return NULL;
    errno = saved_errno; // the first refusal set it
  }
  uint8_t *state = hz_state_of(p);
  clean_check(p, have, state, api);
  hz_seal_write_fresh(p, have, bytes);
  hz_store_release(state, hz_state_out(api)); // partner: hz_state_checked
  return p;
}

// said: what the caller believes the size to be, NULL if he says nothing.
static void class_free(void *p, unsigned cls, const size_t *said, enum hz_api api) {
  size_t have = hz_class_bytes(cls);
  uint8_t was = hz_state_retire(hz_state_of(p), p, have, api);
  size_t bytes = hz_seal_checked(p, have, api);
  hz_family_check(was, p, bytes, api);
  if (said && HZ_UNLIKELY(*said != bytes))
    hz_fail_size_mismatch(p, *said, bytes, api);
  hz_make_zero(p, have);
  hz_quarantine_push(p, cls, api);
}

// ---- the surface

HZ_NOINLINE void *hz_guard_alloc_slow(size_t align, size_t bytes, enum hz_api api) {
  unsigned cls = class_for(align, bytes);
  if (HZ_LIKELY(bytes != 0 && cls != HZ_CLASS_NONE))
    return class_alloc(cls, bytes, api);
  if (bytes != 0 || align > HZ_GRANULE_BYTES)
    return hz_big_alloc(align, bytes, api);
  (void)hz_guard_enter(); // a thread whose exit has begun is served too
  void *p = hz_zero_size_alloc(align, api);
  return p ? p : hz_abi_no_memory();
}

HZ_NOINLINE void hz_guard_free_slow(void *p, const size_t *said, enum hz_api api) {
  if (p == NULL)
    return;
  if (HZ_UNLIKELY(hz_zero_size_is(p))) {
    hz_zero_size_free(p, api);
    if (said && *said != 0)
      hz_fail_size_mismatch(p, *said, 0, api);
    return;
  }
  unsigned cls = hz_guard_class(p, api);
  if (HZ_LIKELY(cls != HZ_CLASS_NONE))
    class_free(p, cls, said, api);
  else
    hz_big_free(p, said, api);
}

size_t hz_guard_usable(const void *p, enum hz_api api) {
  if (HZ_UNLIKELY(hz_zero_size_is(p))) {
    hz_zero_size_check(p, api);
    return 0;
  }
  unsigned cls = hz_guard_class(p, api);
  if (cls == HZ_CLASS_NONE)
    return hz_big_usable(p, api);
  size_t have = hz_class_bytes(cls);
  (void)hz_state_checked(hz_state_of(p), p, have, api);
  return hz_seal_checked(p, have, api);
}

// ---- realloc

// Returns: whether the block could stay where it is, sealed anew.
static bool class_stays(unsigned char *p, size_t have, size_t old, size_t bytes) {
  if (bytes > have - HZ_TAIL_BYTES || bytes < have / 2)
    return false;
  if (bytes > old) // seal and canary there become the program's
    memset(p + old, 0, bytes - old);
  hz_seal_write(p, have, bytes);
  return true;
}

static void *moved(void *p, size_t keep, size_t bytes, enum hz_api api) {
  void *q = hz_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api);
  if (!q)
    return NULL;
  memcpy(q, p, keep);
  hz_guard_free(p, api);
  return q;
}

void *hz_guard_realloc(void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(hz_zero_size_is(p))) {
    hz_zero_size_check(p, api);
    return moved(p, 0, bytes, api);
  }
  unsigned cls = hz_guard_class(p, api);
  if (cls == HZ_CLASS_NONE) {
    size_t old = hz_big_usable(p, api);
    if (bytes > HZ_CLASS_MAX_BYTES)
      return hz_big_realloc(p, bytes, api);
    return moved(p, hz_min(old, bytes), bytes, api);
  }
  size_t have = hz_class_bytes(cls);
  uint8_t was = hz_state_checked(hz_state_of(p), p, have, api);
  size_t old = hz_seal_checked(p, have, api);
  hz_family_check(was, p, old, api);
  return class_stays(p, have, old, bytes) ? p : moved(p, hz_min(old, bytes), bytes, api);
}

// ---- life

void hz_guard_thread_leave(void) {
  hz_quarantine_leave();
}

bool hz_guard_relieve(enum hz_api api) {
  bool any = hz_quarantine_empty(api);
  return hz_big_release_all(api) || any;
}

void hz_guard_before_fork(void) {
  hz_guard_lock();
}
void hz_guard_after_fork_parent(void) {
  hz_guard_unlock();
}
// Released, not reset: a reset forgets the ranks of the locks that this thread still holds.
void hz_guard_after_fork_child(void) {
  hz_quarantine_after_fork_child();
  hz_guard_unlock();
}
