// See trial.h.
#include "common/abi/trial/trial.h"

#include "common/base/bits.h"
#include "common/fail/check.h"
#include "common/sync/atomic.h"

#include <errno.h>
#include <string.h>

#define POOL_BYTES (512 * HZ_MIB)

struct trial_call trial_last;
unsigned trial_calls;
bool trial_recording;
unsigned trial_failures;
struct hz_stats trial_answer;
bool trial_trims;

static HZ_ALIGNED(16) unsigned char pool[POOL_BYTES];
static size_t used;

static void record(enum trial_function function, enum hz_api api, const void *p, size_t align,
                   size_t bytes) {
  if (!trial_recording)
    return;
  trial_last = (struct trial_call){function, api, p, align, bytes};
  trial_calls++;
}

// A block of the pool; its size stands in the word before it.
static void *take(size_t align, size_t bytes) {
  size_t all;
  if (trial_recording && trial_failures > 0) {
    trial_failures--;
    errno = ENOMEM;
    return NULL;
  }
  align = hz_max(align, 16);
  if (__builtin_add_overflow(bytes, align + 16, &all) || all > POOL_BYTES) {
    errno = ENOMEM;
    return NULL;
  }
  size_t at = hz_add_relaxed(&used, hz_align_up(all, 16)); // relaxed: the addresses do not overlap
  HZ_CHECK(at + all <= POOL_BYTES);
  unsigned char *p = (unsigned char *)hz_align_up((uintptr_t)pool + at + 16, align);
  memcpy(p - sizeof bytes, &bytes, sizeof bytes);
  return p;
}

static size_t bytes_of(const void *p) {
  size_t bytes;
  memcpy(&bytes, (const unsigned char *)p - sizeof bytes, sizeof bytes);
  return bytes;
}

static inline void *trial_alloc(size_t bytes, enum hz_api api) {
  record(TRIAL_ALLOC, api, NULL, 0, bytes);
  return take(16, bytes);
}

static inline void trial_free(void *p, enum hz_api api) {
  record(TRIAL_FREE, api, p, 0, 0);
}

static inline void *trial_alloc_aligned(size_t align, size_t bytes, enum hz_api api) {
  HZ_CHECK(hz_is_pow2(align));
  record(TRIAL_ALLOC_ALIGNED, api, NULL, align, bytes);
  return take(align, bytes);
}

static inline void *trial_alloc_zeroed(size_t bytes, enum hz_api api) {
  record(TRIAL_ALLOC_ZEROED, api, NULL, 0, bytes);
  return take(16, bytes);
}

static inline void *trial_realloc(void *p, size_t bytes, enum hz_api api) {
  HZ_CHECK(p != NULL && bytes != 0);
  record(TRIAL_REALLOC, api, p, 0, bytes);
  void *to = take(16, bytes);
  if (to)
    memcpy(to, p, hz_min(bytes, bytes_of(p)));
  return to;
}

static inline size_t trial_usable(const void *p, enum hz_api api) {
  HZ_CHECK(p != NULL);
  record(TRIAL_USABLE, api, p, 0, 0);
  return bytes_of(p);
}

static inline void trial_free_sized(void *p, size_t align, size_t bytes, enum hz_api api) {
  record(TRIAL_FREE_SIZED, api, p, align, bytes);
}

static inline bool trial_trim(size_t keep_bytes) {
  record(TRIAL_TRIM, HZ_API_MALLOC_TRIM, NULL, 0, keep_bytes);
  return trial_trims;
}

static inline void trial_stats(struct hz_stats *out) {
  record(TRIAL_STATS, HZ_API_COUNT, NULL, 0, 0);
  *out = trial_answer;
}

// Built both ways, see BUILD.bazel: with a hot path of its own, which serves sizes that are a
// multiple of 3 while nothing is recorded, so that both outcomes are met.
#ifndef HZ_ABI_HAS_HIT
#define HZ_ABI_HAS_HIT 0
#endif
#if HZ_ABI_HAS_HIT
static inline void *trial_alloc_hit(size_t bytes) {
  return !trial_recording && bytes % 3 == 0 ? take(16, bytes) : NULL;
}
#endif

#define HZ_ABI trial
#include "common/abi/abi.h"
