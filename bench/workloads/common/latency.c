#include "bench/workloads/common/latency.h"

#include "bench/workloads/common/clock.h"

#include <stdlib.h>
#include <string.h>

#define EXACT 32     // durations below have a bucket each
#define EXACT_BITS 5 // 2^5 == EXACT
#define PARTS_BITS 4 // 2^4 buckets for each doubling above
#define FLOOR_PAIRS 1001

// Any thread, relaxed atomics: figures on which no other data hangs; main reads them, exactly once
// the threads are joined, and up to a few samples late before.
static uint64_t counts[WL_LATENCY_BUCKETS];
static uint64_t max_all;
static uint64_t max_window; // since the last wl_latency_since

static int recording; // any thread, relaxed: a sample more or less at the edge does not matter

static uint64_t origin_ticks;
static uint64_t origin_ns;
static uint64_t floor_ticks;

static __thread unsigned calls; // since this thread's last timed one

static inline uint64_t ticks_now(void) {
#if defined(__x86_64__)
  // Fences: the call's instructions neither begin before the first reading nor end after the last.
  __builtin_ia32_lfence();
  const uint64_t ticks = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return ticks;
#else
  return wl_now_ns();
#endif
}

unsigned wl_latency_bucket(uint64_t ticks) {
  if (ticks < EXACT) {
    return (unsigned)ticks;
  }
  const unsigned doubling = 63 - (unsigned)__builtin_clzll(ticks); // >= EXACT_BITS
  const unsigned part = (unsigned)(ticks >> (doubling - PARTS_BITS)) & ((1U << PARTS_BITS) - 1);
  return EXACT + ((doubling - EXACT_BITS) << PARTS_BITS) + part;
}

uint64_t wl_latency_bucket_end(unsigned bucket) {
  if (bucket < EXACT) {
    return bucket + 1;
  }
  const unsigned doubling = EXACT_BITS + ((bucket - EXACT) >> PARTS_BITS);
  const uint64_t part = (bucket - EXACT) & ((1U << PARTS_BITS) - 1);
  return ((UINT64_C(1) << PARTS_BITS) + part + 1) << (doubling - PARTS_BITS);
}

static void raise(uint64_t *max, uint64_t ticks) {
  uint64_t seen = __atomic_load_n(max, __ATOMIC_RELAXED);
  while (ticks > seen &&
         !__atomic_compare_exchange_n(max, &seen, ticks, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

void wl_latency_count(uint64_t ticks) {
  __atomic_add_fetch(&counts[wl_latency_bucket(ticks)], 1, __ATOMIC_RELAXED);
  raise(&max_all, ticks);
  raise(&max_window, ticks);
}

static int by_value(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left;
  const uint64_t b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

void wl_latency_open(void) {
  static uint64_t pairs[FLOOR_PAIRS];
  for (unsigned i = 0; i < FLOOR_PAIRS; i++) {
    const uint64_t begin = ticks_now();
    pairs[i] = ticks_now() - begin;
  }
  qsort(pairs, FLOOR_PAIRS, sizeof(pairs[0]), by_value);
  floor_ticks = pairs[FLOOR_PAIRS / 2];
  origin_ns = wl_now_ns();
  origin_ticks = ticks_now();
}

static double ns_per_tick(void) {
  const uint64_t ticks = ticks_now() - origin_ticks;
  const uint64_t ns = wl_now_ns() - origin_ns;
  return ticks == 0 ? 1.0 : (double)ns / (double)ticks;
}

double wl_latency_floor_ns(void) {
  return (double)floor_ticks * ns_per_tick();
}

static inline int is_due(void) {
  if (++calls < WL_LATENCY_EVERY) {
    return 0;
  }
  calls = 0;
  return __atomic_load_n(&recording, __ATOMIC_RELAXED);
}

void wl_latency_record(int on) {
  __atomic_store_n(&recording, on, __ATOMIC_RELAXED);
}

void *wl_latency_malloc(size_t bytes) {
  if (!is_due()) {
    return malloc(bytes);
  }
  const uint64_t begin = ticks_now();
  void *block = malloc(bytes);
  wl_latency_count(ticks_now() - begin);
  return block;
}

void *wl_latency_realloc(void *block, size_t bytes) {
  if (!is_due()) {
    return realloc(block, bytes);
  }
  const uint64_t begin = ticks_now();
  void *moved = realloc(block, bytes);
  wl_latency_count(ticks_now() - begin);
  return moved;
}

void wl_latency_free(void *block) {
  if (!is_due()) {
    free(block);
    return;
  }
  const uint64_t begin = ticks_now();
  free(block);
  wl_latency_count(ticks_now() - begin);
}

// Returns: the end of the bucket below which SHARE of the samples lie, never above the longest.
static double percentile(const uint64_t *of, uint64_t samples, double share, uint64_t max,
                         double scale) {
  const double wanted = share * (double)samples;
  uint64_t seen = 0;
  for (unsigned i = 0; i < WL_LATENCY_BUCKETS; i++) {
    seen += of[i];
    if (seen > 0 && (double)seen >= wanted) {
      const uint64_t end = wl_latency_bucket_end(i);
      return (double)(end < max ? end : max) * scale;
    }
  }
  return 0;
}

static struct wl_latency_summary summarise(const uint64_t *of, uint64_t max) {
  struct wl_latency_summary summary = {0};
  for (unsigned i = 0; i < WL_LATENCY_BUCKETS; i++) {
    summary.samples += of[i];
  }
  const double scale = ns_per_tick();
  summary.p50_ns = percentile(of, summary.samples, 0.5, max, scale);
  summary.p99_ns = percentile(of, summary.samples, 0.99, max, scale);
  summary.p999_ns = percentile(of, summary.samples, 0.999, max, scale);
  summary.p9999_ns = percentile(of, summary.samples, 0.9999, max, scale);
  summary.max_ns = (double)max * scale;
  return summary;
}

struct wl_latency_summary wl_latency_since(struct wl_latency_window *window) {
  static uint64_t fresh[WL_LATENCY_BUCKETS];
  for (unsigned i = 0; i < WL_LATENCY_BUCKETS; i++) {
    const uint64_t now = __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
    fresh[i] = now - window->counts[i];
    window->counts[i] = now;
  }
  return summarise(fresh, __atomic_exchange_n(&max_window, 0, __ATOMIC_RELAXED));
}

struct wl_latency_summary wl_latency_all(void) {
  static uint64_t all[WL_LATENCY_BUCKETS];
  for (unsigned i = 0; i < WL_LATENCY_BUCKETS; i++) {
    all[i] = __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
  }
  return summarise(all, __atomic_load_n(&max_all, __ATOMIC_RELAXED));
}
