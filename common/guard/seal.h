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

HZ_EXTERN_C_BEGIN

// ---- states and families

// Which calls belong together: malloc and free; new and delete; new[] and delete[].
enum hz_family { HZ_FAMILY_MALLOC, HZ_FAMILY_NEW, HZ_FAMILY_NEW_ARRAY };
enum { HZ_STATE_NEVER, HZ_STATE_FREED, HZ_STATE_OUT }; // OUT + family

// Two bits for each function: no branch.
#define HZ_FAMILY_BITS                                                                             \
  ((uint64_t)HZ_FAMILY_NEW << 2 * HZ_API_NEW | (uint64_t)HZ_FAMILY_NEW << 2 * HZ_API_DELETE |      \
   (uint64_t)HZ_FAMILY_NEW_ARRAY << 2 * HZ_API_NEW_ARRAY |                                         \
   (uint64_t)HZ_FAMILY_NEW_ARRAY << 2 * HZ_API_DELETE_ARRAY)
_Static_assert(2 * HZ_API_COUNT <= 64, "one word");

HZ_INLINE enum hz_family hz_family_of(enum hz_api api) {
  return (enum hz_family)(HZ_FAMILY_BITS >> (2 * (unsigned)api) & 3);
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

// Effect: the block is the program's no more. Returns: false when another thread was faster.
HZ_INLINE bool hz_state_try_retire(uint8_t *state, uint8_t was) {
  if (&__libc_single_threaded && __libc_single_threaded) {
    hz_store_relaxed(state, (uint8_t)HZ_STATE_FREED);
    return true;
  }
  return hz_cas_acquire(state, &was, (uint8_t)HZ_STATE_FREED); // order: as above
}

// Effect: the same; of two threads that free it at once one wins and the other ends the process.
// Returns: what it was.
HZ_INLINE uint8_t hz_state_retire(uint8_t *state, const void *p, size_t bytes, enum hz_api api) {
  uint8_t was = hz_state_checked(state, p, bytes, api);
  if (HZ_UNLIKELY(!hz_state_try_retire(state, was)))
    hz_fail_double_free(p, bytes, api);
  return was;
}

HZ_INLINE void hz_family_check(uint8_t was, const void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(was != hz_state_out(api)) && !hz_guard_families_mix)
    hz_fail_family_mismatch(p, bytes, hz_maker_of(was), api);
}

// ---- seals

extern HZ_HIDDEN uint64_t hz_guard_secret;

HZ_INLINE uint64_t hz_seal_key(const void *p) {
  uint64_t x = ((uintptr_t)p ^ hz_guard_secret) * 0x9e3779b97f4a7c15u;
  return x ^ x >> 29;
}

// Every word behind the bytes asked for is the canary, up to HZ_CANARY_WORDS of them, and the last
// of the block always. The last is mixed with the slack, the bytes of the block behind those asked
// for, each part of it twice, so that it can be read and one that was changed is seen:
//
//   63 [ s:6 ] 58 ... 54 [ s:6 ] 49 ... 41 [ slack:18 ] 24 ... 17 [ slack:18 ] 0
//
// s is the slack up to 62; 63 says that it stands below. At least two bytes of it are always there,
// the tail; its first byte is odd and above 127 as each of the canary is, so neither the end of a
// string fits nor a character of it.
enum { HZ_TAIL_BYTES = 2, HZ_CANARY_WORDS = 8, HZ_SLACK_BELOW = 63 };

HZ_INLINE uint64_t hz_canary_word(uint64_t key) {
  return key | 0x8181818181818181u;
}
HZ_INLINE uint64_t hz_slack_bits(uint64_t slack) {
  uint64_t s = hz_min(slack, (uint64_t)HZ_SLACK_BELOW);
  uint64_t below = s == HZ_SLACK_BELOW ? slack | slack << 24 : 0;
  return s << 58 | s << 49 | below;
}
HZ_INLINE uint64_t hz_slack_read(uint64_t difference) {
  uint64_t s = difference >> 58;
  return s == HZ_SLACK_BELOW ? difference & 0x3ffff : s;
}
// Which bytes of word bytes / 8 are behind those asked for.
HZ_INLINE uint64_t hz_canary_mask(size_t bytes) {
  return UINT64_MAX << (bytes % 8 * 8);
}

// Most blocks have no more than 16 bytes behind those asked for: those in the last two words, and
// no loop. Which of them they are, as two words that overlap in a table:
#define HZ_SLACK_NEAR 16u
extern HZ_HIDDEN const unsigned char hz_near_masks[32]; // 16 times 0, 16 times 0xff
HZ_INLINE uint64_t hz_near_mask(uint64_t slack, size_t word) {
  uint64_t mask;
  memcpy(&mask, hz_near_masks + slack + 8 * word, sizeof mask);
  return mask;
}
HZ_INLINE uint64_t hz_near_bits(uint64_t slack) {
  return slack << 58 | slack << 49;
}

// Effect: the block is sealed; nothing of it is read. `kept`: the program's bytes in the word where
// the canary begins.
HZ_INLINE void hz_seal_write_over(unsigned char *p, size_t have, size_t bytes, uint64_t kept) {
  uint64_t canary = hz_canary_word(hz_seal_key(p)), *word = (uint64_t *)(void *)p;
  uint64_t tail = canary ^ hz_slack_bits(have - bytes), mask = hz_canary_mask(bytes);
  size_t last = have / 8 - 1, w = bytes / 8, end = hz_min(w + HZ_CANARY_WORDS, last);
  if (w == last) {
    word[last] = kept | (tail & mask);
    return;
  }
  word[last] = tail;
  word[w] = kept | (canary & mask);
  while (++w < end)
    word[w] = canary;
}
HZ_INLINE void hz_seal_write(unsigned char *p, size_t have, size_t bytes) {
  uint64_t *word = (uint64_t *)(void *)p;
  hz_seal_write_over(p, have, bytes, word[bytes / 8] & ~hz_canary_mask(bytes));
}
// Requires: the block is all zero.
HZ_INLINE void hz_seal_write_fresh(unsigned char *p, size_t have, size_t bytes) {
  size_t slack = have - bytes;
  if (HZ_UNLIKELY(slack > HZ_SLACK_NEAR)) {
    hz_seal_write_over(p, have, bytes, 0);
    return;
  }
  uint64_t canary = hz_canary_word(hz_seal_key(p)), *end = (uint64_t *)(void *)(p + have);
  end[-2] = canary & hz_near_mask(slack, 0);
  end[-1] = (canary ^ hz_near_bits(slack)) & hz_near_mask(slack, 1);
}

// Returns: the bytes asked for, SIZE_MAX when the seal is broken, or (near) may reach further.
HZ_INLINE size_t hz_seal_read_near(const unsigned char *p, size_t have) {
  uint64_t canary = hz_canary_word(hz_seal_key(p));
  const uint64_t *end = (const uint64_t *)(const void *)(p + have);
  uint64_t difference = end[-1] ^ canary, slack = difference >> 58;
  if (HZ_UNLIKELY(slack - HZ_TAIL_BYTES > HZ_SLACK_NEAR - HZ_TAIL_BYTES))
    return SIZE_MAX;
  uint64_t broken = (difference ^ hz_near_bits(slack)) & hz_near_mask(slack, 1);
  broken |= (end[-2] ^ canary) & hz_near_mask(slack, 0);
  return HZ_LIKELY(broken == 0) ? have - slack : SIZE_MAX;
}
HZ_INLINE size_t hz_seal_read(const unsigned char *p, size_t have) {
  uint64_t canary = hz_canary_word(hz_seal_key(p));
  const uint64_t *word = (const uint64_t *)(const void *)p;
  size_t last = have / 8 - 1;
  uint64_t difference = word[last] ^ canary, slack = hz_slack_read(difference);
  if (HZ_UNLIKELY(slack < HZ_TAIL_BYTES || slack > have))
    return SIZE_MAX;
  size_t bytes = have - slack, w = bytes / 8, end = hz_min(w + HZ_CANARY_WORDS, last);
  uint64_t mask = hz_canary_mask(bytes), broken = difference ^ hz_slack_bits(slack);
  if (w == last)
    return HZ_LIKELY((broken & mask) == 0) ? bytes : SIZE_MAX;
  broken |= (word[w] ^ canary) & mask;
  while (++w < end)
    broken |= word[w] ^ canary;
  return HZ_LIKELY(broken == 0) ? bytes : SIZE_MAX;
}

// Effect: names what is broken: with the size asked for where the tail still says it.
_Noreturn void hz_seal_fail(const unsigned char *p, size_t have, enum hz_api api);

// Returns: the bytes asked for; a broken seal ends the process.
HZ_INLINE size_t hz_seal_checked(const unsigned char *p, size_t have, enum hz_api api) {
  size_t bytes = hz_seal_read(p, have);
  if (HZ_UNLIKELY(bytes == SIZE_MAX))
    hz_seal_fail(p, have, api);
  return bytes;
}

// Effect: the block's page is there, and may be written to. It may have been purged, and would
// fault twice: for our reads and for the program's writes. What is overwritten is the tail's last
// byte, which nobody ever had. Requires: a free block up to HZ_TOUCH_MOST_BYTES, in one page or
// two.
#define HZ_TOUCH_MOST_BYTES ((size_t)4096)
HZ_INLINE void hz_guard_touch(unsigned char *p, size_t have) {
  *(volatile unsigned char *)(p + have - 1) = 0;
}

// Where the four pairs of words lie that cover the last 64 bytes of a block, or all of a smaller
// one, some twice: no loop, and nothing for the processor to guess.
struct hz_four {
  size_t at[4];
};
HZ_INLINE struct hz_four hz_four_pairs(size_t bytes) {
  size_t last = bytes - 16;
  if (bytes >= 64)
    return (struct hz_four){{bytes - 64, bytes - 48, bytes - 32, last}};
  return (struct hz_four){{0, hz_min(16, last), hz_min(32, last), last}};
}
typedef uint64_t hz_pair __attribute__((vector_size(16), may_alias));
HZ_INLINE hz_pair *hz_pair_at(void *p, size_t at) {
  return (hz_pair *)(void *)((unsigned char *)p + at);
}

// Requires: p aligned to 16; bytes a multiple of 16. A call costs more than a small block.
#define HZ_ZERO_HERE_MOST_BYTES ((size_t)1024)
HZ_INLINE void hz_make_zero(void *p, size_t bytes) {
  if (HZ_UNLIKELY(bytes > HZ_ZERO_HERE_MOST_BYTES)) {
    memset(p, 0, bytes);
    return;
  }
  for (size_t at = 0; at + 64 < bytes; at += 64) {
    *hz_pair_at(p, at) = *hz_pair_at(p, at + 16) = (hz_pair){0, 0};
    *hz_pair_at(p, at + 32) = *hz_pair_at(p, at + 48) = (hz_pair){0, 0};
    __asm__("" : : : "memory"); // or the compiler makes it a call again
  }
  struct hz_four last = hz_four_pairs(bytes);
  *hz_pair_at(p, last.at[0]) = *hz_pair_at(p, last.at[1]) = (hz_pair){0, 0};
  *hz_pair_at(p, last.at[2]) = *hz_pair_at(p, last.at[3]) = (hz_pair){0, 0};
}

// Requires: as above.
HZ_INLINE bool hz_is_zero(void *p, size_t bytes) {
  hz_pair any = {0, 0}, other = {0, 0};
  for (size_t at = 0; at + 64 < bytes; at += 64) {
    any |= *hz_pair_at(p, at) | *hz_pair_at(p, at + 16);
    other |= *hz_pair_at(p, at + 32) | *hz_pair_at(p, at + 48);
  }
  struct hz_four last = hz_four_pairs(bytes);
  any |= *hz_pair_at(p, last.at[0]) | *hz_pair_at(p, last.at[1]);
  other |= *hz_pair_at(p, last.at[2]) | *hz_pair_at(p, last.at[3]);
  any |= other;
  return (any[0] | any[1]) == 0;
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_GUARD_SEAL_H_
