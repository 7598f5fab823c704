// Arithmetic on powers of two. Every function is total for the inputs its line names.
#ifndef HZ_COMMON_BASE_BITS_H_
#define HZ_COMMON_BASE_BITS_H_

#include "common/base/units.h"

HZ_INLINE bool hz_is_pow2(size_t x) {
  return x != 0 && (x & (x - 1)) == 0;
}

// Requires: pow2 is a power of two; x + pow2 - 1 does not wrap.
HZ_INLINE size_t hz_align_up(size_t x, size_t pow2) {
  return (x + pow2 - 1) & ~(pow2 - 1);
}
HZ_INLINE size_t hz_align_down(size_t x, size_t pow2) {
  return x & ~(pow2 - 1);
}
HZ_INLINE bool hz_is_aligned(size_t x, size_t pow2) {
  return (x & (pow2 - 1)) == 0;
}

// Requires: x != 0. Index of the highest / lowest bit that is set.
HZ_INLINE unsigned hz_log2_floor(size_t x) {
  return 63u - (unsigned)__builtin_clzl(x);
}
HZ_INLINE unsigned hz_lowest_bit(uint64_t x) {
  return (unsigned)__builtin_ctzll(x);
}

HZ_INLINE size_t hz_min(size_t a, size_t b) {
  return a < b ? a : b;
}
HZ_INLINE size_t hz_max(size_t a, size_t b) {
  return a > b ? a : b;
}
HZ_INLINE size_t hz_clamp(size_t x, size_t lo, size_t hi) {
  return hz_min(hz_max(x, lo), hi);
}
HZ_INLINE size_t hz_div_up(size_t x, size_t d) {
  return x / d + (x % d != 0);
}

#endif // HZ_COMMON_BASE_BITS_H_
