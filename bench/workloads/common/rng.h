// Owns: the random numbers of the workloads.
// Does not own: where a seed comes from.
// Thread rule: one generator per thread; it is never shared.
//
// A counter whose 128-bit product with a rotated self is folded to 64 bits (the idea of Wang Yi's
// wyrand). Unlike an xorshift chain the next state does not wait for the output, so consecutive
// draws overlap in the pipeline and the loop around malloc hardly feels them: the dependent chain
// is one addition. Ranges are drawn by multiply and shift (Lemire, "Fast random integer generation
// in an interval", 2019) without the rejection step: no division, and for a range of R values a
// bias below R / 2^32.
#ifndef BENCH_WORKLOADS_COMMON_RNG_H_
#define BENCH_WORKLOADS_COMMON_RNG_H_

#include <stdint.h>

struct wl_rng {
  uint64_t counter;
};

#define WL_RNG_STEP UINT64_C(0x9E3779B97F4A7C15) // odd: the counter visits all 2^64 values
#define WL_RNG_TWIST UINT64_C(0xD1B54A32D192ED03)

// Effect: scrambles X so that neighbouring inputs share nothing.
static inline uint64_t wl_mix(uint64_t x) {
  x ^= x >> 32;
  x *= WL_RNG_TWIST;
  x ^= x >> 29;
  x *= WL_RNG_STEP;
  x ^= x >> 32;
  return x;
}

// Effect: the generator of stream STREAM (a thread's number) under SEED; equal pairs draw equally.
static inline struct wl_rng wl_rng_make(uint64_t seed, uint64_t stream) {
  return (struct wl_rng){wl_mix(seed + WL_RNG_STEP) ^ wl_mix(wl_mix(stream + 1) + seed)};
}

static inline uint64_t wl_rng_next(struct wl_rng *rng) {
  rng->counter += WL_RNG_STEP;
  const __uint128_t product = (__uint128_t)rng->counter * (rng->counter ^ WL_RNG_TWIST);
  return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

// Returns: a value in [0, range) from 32 random bits. Requires: range <= 2^32.
static inline uint64_t wl_below(uint32_t bits, uint64_t range) {
  return (bits * range) >> 32;
}

// The two independent 32-bit draws in one output.
static inline uint32_t wl_high_bits(uint64_t draw) {
  return (uint32_t)(draw >> 32);
}
static inline uint32_t wl_low_bits(uint64_t draw) {
  return (uint32_t)draw;
}

#endif // BENCH_WORKLOADS_COMMON_RNG_H_
