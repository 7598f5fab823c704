// What lies behind the bytes that a program asked for, and the state of a block. Private to
// common/guard.
//
// Owns: the bits of tail, canary and state, and the guard's lock (HZ_RANK_LARGE; for what is rare).
// Thread rule: a seal is its block's holder's; a state is atomic.
#ifndef HZ_COMMON_GUARD_SEAL_H_
#define HZ_COMMON_GUARD_SEAL_H_

#include <string.h>

#include "common/base/bits.h"
#include "common/guard/guard.h"
#include "common/sync/lock.h"

// ---- states and families

// Which calls belong together: malloc and free; new and delete; new[] and delete[].
enum hz_family { HZ_FAMILY_MALLOC, HZ_FAMILY_NEW, HZ_FAMILY_NEW_ARRAY };
enum { HZ_STATE_NEVER, HZ_STATE_FREED, HZ_STATE_OUT }; // OUT + family

HZ_INLINE enum hz_family hz_family_of(enum hz_api api) {
  return api == HZ_API_NEW || api == HZ_API_DELETE               ? HZ_FAMILY_NEW
         : api == HZ_API_NEW_ARRAY || api == HZ_API_DELETE_ARRAY ? HZ_FAMILY_NEW_ARRAY
                                                                 : HZ_FAMILY_MALLOC;
}
HZ_INLINE uint8_t hz_state_out(enum hz_api api) {
  return (uint8_t)(HZ_STATE_OUT + hz_family_of(api));
}
HZ_INLINE enum hz_api hz_maker_of(uint8_t state) {
  return state == HZ_STATE_OUT + HZ_FAMILY_NEW         ? HZ_API_NEW
         : state == HZ_STATE_OUT + HZ_FAMILY_NEW_ARRAY ? HZ_API_NEW_ARRAY
                                                       : HZ_API_MALLOC;
}

extern HZ_HIDDEN struct hz_lock hz_guard_the_lock;

HZ_INLINE void hz_guard_lock(void) {
  hz_lock_acquire(&hz_guard_the_lock, HZ_RANK_LARGE);
}
HZ_INLINE void hz_guard_unlock(void) {
  hz_lock_release(&hz_guard_the_lock, HZ_RANK_LARGE);
}

HZ_INLINE struct hz_guard_side *hz_guard_side_of(const void *p) {
  unsigned char *end = hz_arena_side + (hz_granule_of(p) + 1) * hz_guard_stride;
  return (struct hz_guard_side *)(void *)(end - sizeof(struct hz_guard_side));
}
HZ_INLINE uint8_t *hz_state_of(const void *p) {
  size_t at = ((uintptr_t)p & (HZ_GRANULE_BYTES - 1)) / HZ_MIN_ALIGN_BYTES;
  return &hz_guard_side_of(p)->state[at];
}

// Returns: OUT + family; a block that the program does not have ends the process. `bytes`: for the
// message.
HZ_INLINE uint8_t hz_state_checked(const uint8_t *state, const void *p, size_t bytes,
                                   enum hz_api api) {
  // Acquire: the seal; partner: the release when it was handed out.
  uint8_t was = hz_load_acquire(state);
  if (HZ_LIKELY(was >= HZ_STATE_OUT))
    return was;
  if (was == HZ_STATE_NEVER)
    hz_fail_invalid_free(p, bytes, api);
  hz_fail_double_free(p, bytes, api);
}

// glibc's word for "no other thread has been made": then a plain store is as good as a swap. Where
// libc has no such word its address is 0.
extern char __libc_single_threaded __attribute__((weak));

// Effect: the block is the program's no more; of two threads that free it at once one wins and the
// other ends the process. Returns: what it was.
HZ_INLINE uint8_t hz_state_retire(uint8_t *state, const void *p, size_t bytes, enum hz_api api) {
  uint8_t was = hz_state_checked(state, p, bytes, api);
  if (&__libc_single_threaded && __libc_single_threaded)
    hz_store_relaxed(state, (uint8_t)HZ_STATE_FREED);
  else if (!hz_cas_acquire(state, &was, (uint8_t)HZ_STATE_FREED)) // order: as above
    hz_fail_double_free(p, bytes, api);
  return was;
}

HZ_INLINE void hz_family_check(uint8_t was, const void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(was != hz_state_out(api)))
    hz_fail_family_mismatch(p, bytes, hz_maker_of(was), api);
}

// ---- seals

extern HZ_HIDDEN uint64_t hz_guard_secret;

HZ_INLINE uint64_t hz_seal_key(const void *p) {
  uint64_t x = ((uintptr_t)p ^ hz_guard_secret) * 0x9e3779b97f4a7c15u;
  return x ^ x >> 29;
}

// tail, lowest bits first in memory    [ check:10 | slack:6 ] in blocks below 64 bytes
//                                      [ check:14 | slack:18 ] in others
// slack: bytes of the block behind those asked for. The check's lowest bit is 1, so that no zero
// fits.
HZ_INLINE size_t hz_tail_bytes(size_t have) {
  return have < 64 ? 2 : 4;
}
HZ_INLINE unsigned hz_tail_check_bits(size_t have) {
  return have < 64 ? 10 : 14;
}
HZ_INLINE uint32_t hz_tail_check(uint64_t key, size_t have) {
  return (uint32_t)(key & ((1u << hz_tail_check_bits(have)) - 1)) | 1;
}
HZ_INLINE uint32_t hz_tail_mask(uint64_t key, size_t have) {
  return (uint32_t)(key >> 40) & (have < 64 ? 0x3fu : 0x3ffffu);
}

HZ_INLINE void hz_tail_write(unsigned char *p, size_t have, uint64_t key, size_t slack) {
  uint32_t tail = ((uint32_t)slack ^ hz_tail_mask(key, have)) << hz_tail_check_bits(have) |
                  hz_tail_check(key, have);
  if (have < 64)
    *(uint16_t *)(void *)(p + have - 2) = (uint16_t)tail;
  else
    *(uint32_t *)(void *)(p + have - 4) = tail;
}
// Returns: the slack, SIZE_MAX when the tail is broken.
HZ_INLINE size_t hz_tail_read(const unsigned char *p, size_t have, uint64_t key) {
  uint32_t tail = have < 64 ? *(const uint16_t *)(const void *)(p + have - 2)
                            : *(const uint32_t *)(const void *)(p + have - 4);
  unsigned bits = hz_tail_check_bits(have);
  size_t slack = (tail >> bits) ^ hz_tail_mask(key, have);
  bool whole = (tail & ((1u << bits) - 1)) == hz_tail_check(key, have);
  return whole && slack >= hz_tail_bytes(have) && slack <= have ? slack : SIZE_MAX;
}

// The canary goes by words of the block, at most so many of them from its beginning on.
enum { HZ_CANARY_WORDS = 8 };

HZ_INLINE uint64_t hz_canary_word(uint64_t key) {
  return key | 0x0101010101010101u;
}

// Which bytes of word w are the canary's: from `bytes` on, up to the tail in the last word.
HZ_INLINE uint64_t hz_canary_mask(size_t w, size_t have, size_t bytes) {
  uint64_t mask = w == bytes / 8 ? UINT64_MAX << (bytes % 8 * 8) : UINT64_MAX;
  return w == have / 8 - 1 ? mask & UINT64_MAX >> (hz_tail_bytes(have) * 8) : mask;
}

HZ_INLINE void hz_seal_write(unsigned char *p, size_t have, size_t bytes) {
  uint64_t key = hz_seal_key(p), canary = hz_canary_word(key), *word = (uint64_t *)(void *)p;
  size_t end = hz_min(bytes / 8 + HZ_CANARY_WORDS, have / 8);
  for (size_t w = bytes / 8; w < end; w++) {
    uint64_t mask = hz_canary_mask(w, have, bytes);
    word[w] = (word[w] & ~mask) | (canary & mask);
  }
  hz_tail_write(p, have, key, have - bytes);
}

// Returns: the bytes asked for; a broken seal ends the process.
HZ_INLINE size_t hz_seal_checked(const unsigned char *p, size_t have, enum hz_api api) {
  uint64_t key = hz_seal_key(p), canary = hz_canary_word(key), broken = 0;
  const uint64_t *word = (const uint64_t *)(const void *)p;
  size_t slack = hz_tail_read(p, have, key);
  if (HZ_UNLIKELY(slack == SIZE_MAX))
    hz_fail_overflow(p, SIZE_MAX, have, api);
  size_t bytes = have - slack, end = hz_min(bytes / 8 + HZ_CANARY_WORDS, have / 8);
  for (size_t w = bytes / 8; w < end; w++)
    broken |= (word[w] ^ canary) & hz_canary_mask(w, have, bytes);
  if (HZ_UNLIKELY(broken != 0))
    hz_fail_overflow(p, bytes, have, api);
  return bytes;
}

// Requires: p aligned to 16; bytes a multiple of 16. A call costs more than a small block.
HZ_INLINE void hz_make_zero(void *p, size_t bytes) {
  typedef uint64_t pair __attribute__((vector_size(16), may_alias));
  pair *at = p;
  if (bytes > 256) {
    memset(p, 0, bytes);
    return;
  }
  for (size_t i = 0; i < bytes / 16; i++) {
    at[i] = (pair){0, 0};
    __asm__("" : : : "memory"); // or the compiler makes it a call again
  }
}

// Requires: as above.
HZ_INLINE bool hz_is_zero(const void *p, size_t bytes) {
  typedef uint64_t pair __attribute__((vector_size(16), may_alias));
  const pair *at = p;
  pair any = {0, 0}, other = {0, 0};
  size_t n = bytes / 16, i = 0;
  for (; i + 4 <= n; i += 4) {
    any |= at[i] | at[i + 1];
    other |= at[i + 2] | at[i + 3];
  }
  for (; i < n; i++)
    any |= at[i];
  any |= other;
  return (any[0] | any[1]) == 0;
}

#endif // HZ_COMMON_GUARD_SEAL_H_
