// Owns: the clock of the workloads.
// Thread rule: any thread.
#ifndef BENCH_WORKLOADS_COMMON_CLOCK_H_
#define BENCH_WORKLOADS_COMMON_CLOCK_H_

#include <stdint.h>
#include <time.h>

#define WL_NS_PER_S UINT64_C(1000000000)

static inline uint64_t wl_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * WL_NS_PER_S + (uint64_t)now.tv_nsec;
}

// Returns: the moment SECONDS from now.
static inline uint64_t wl_deadline_ns(double seconds) {
  return wl_now_ns() + (uint64_t)(seconds * (double)WL_NS_PER_S);
}

static inline double wl_seconds(uint64_t ns) {
  return (double)ns / (double)WL_NS_PER_S;
}

#endif // BENCH_WORKLOADS_COMMON_CLOCK_H_
