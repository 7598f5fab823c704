// Owns: the calls of malloc and free that a lane makes, and what it does to a block besides:
// writing payload (--touch), filling and verifying it (--check), timing the call (--latency).
// Does not own: the block, nor its size; the lane remembers both.
// Thread rule: stateless; whoever holds the block may call.
#ifndef BENCH_WORKLOADS_COMMON_BLOCK_H_
#define BENCH_WORKLOADS_COMMON_BLOCK_H_

#include "bench/workloads/common/latency.h"
#include "bench/workloads/common/options.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WL_LIKELY(x) __builtin_expect(!!(x), 1)
#define WL_UNLIKELY(x) __builtin_expect(!!(x), 0)

// What is done to a block between malloc and free. 0, the classic lane, costs one predicted branch.
enum wl_care {
  WL_CARE_NONE = 0,
  WL_CARE_EDGES = 1,
  WL_CARE_ALL = 2,
  WL_CARE_CHECK = 4,
  WL_CARE_LATENCY = 8,
  WL_CARE_CONTENT = WL_CARE_EDGES | WL_CARE_ALL | WL_CARE_CHECK // the block is written to
};

// Main, once. Returns: the care that OPTIONS ask for; makes ready to time calls when they do.
unsigned wl_care(const struct wl_options *options);

// Effect: writes one byte at each end of the block's part of every page it spans.
void wl_touch_edges(void *block, size_t bytes);

// Effect: fills the block with a pattern that depends on KEY and the offset alone.
void wl_pattern_fill(void *block, size_t bytes, uint64_t key);

// Effect: one line on stderr that names the block, the byte and both values, then exit status 1,
// when a byte of the block is not what wl_pattern_fill(block, bytes, key) wrote.
void wl_pattern_verify(const void *block, size_t bytes, uint64_t key);

// Effect: ends as wl_pattern_verify unless every byte of the block is VALUE.
void wl_bytes_verify(const void *block, size_t bytes, unsigned char value);

// Returns: the key of a block of this address and size.
static inline uint64_t wl_block_key(const void *block, size_t bytes) {
  return (uint64_t)(uintptr_t)block ^ ((uint64_t)bytes << 48) ^ bytes;
}

// Effect: verifies the alignment malloc owes a block of this size; ends as wl_pattern_verify.
void wl_block_verify_alignment(const void *block, size_t bytes);

// The parts of wl_block_new and wl_block_free that write and read the block.
void wl_block_dress(void *block, size_t bytes, unsigned care);
void wl_block_undress(void *block, size_t bytes);

// wl_block_new and wl_block_free off the classic lane's path.
void *wl_block_new_with_care(size_t bytes, unsigned care);
void wl_block_free_with_care(void *block, size_t bytes, unsigned care);

// Effect: malloc, then whatever CARE asks for. Returns: NULL when malloc fails.
static inline void *wl_block_new(size_t bytes, unsigned care) {
  if (WL_UNLIKELY(care != WL_CARE_NONE)) {
    return wl_block_new_with_care(bytes, care);
  }
  return malloc(bytes);
}

// Effect: with --check verifies every byte and spoils the pattern, so that a block which was handed
// out twice is caught when its second holder frees it; then free.
static inline void wl_block_free(void *block, size_t bytes, unsigned care) {
  if (WL_UNLIKELY((care & (WL_CARE_CHECK | WL_CARE_LATENCY)) != 0)) {
    wl_block_free_with_care(block, bytes, care);
    return;
  }
  free(block);
}

// The bare calls, for lanes that dress their blocks themselves.
static inline void *wl_malloc(size_t bytes, unsigned care) {
  return WL_UNLIKELY((care & WL_CARE_LATENCY) != 0) ? wl_latency_malloc(bytes) : malloc(bytes);
}

static inline void *wl_realloc(void *block, size_t bytes, unsigned care) {
  return WL_UNLIKELY((care & WL_CARE_LATENCY) != 0) ? wl_latency_realloc(block, bytes)
                                                    : realloc(block, bytes);
}

static inline void wl_free(void *block, unsigned care) {
  if (WL_UNLIKELY((care & WL_CARE_LATENCY) != 0)) {
    wl_latency_free(block);
  } else {
    free(block);
  }
}

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_BLOCK_H_
