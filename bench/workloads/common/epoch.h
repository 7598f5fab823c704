// Owns: the lines a long run prints on its way (--epoch-ms): how much was done in each stretch of
// time, so that drift shows while the allocator's state persists.
// Does not own: the counting; the lane says how many operations there were.
// Thread rule: one thread, the one that also reads the clock: the lane's own where it has but one,
// main elsewhere.
//
//     EPOCH number=1 seconds=1.000061 ops=23166464 ops_per_s=23165051.0 rss_kib=5120
//
// with --latency also p50_ns p99_ns p999_ns p9999_ns max_ns samples, of that epoch alone. The last
// stretch before the end is not an epoch: no line. Operations are those the workers had published;
// a worker publishes every few dozen, so an epoch's count is off by that at each end.
#ifndef BENCH_WORKLOADS_COMMON_EPOCH_H_
#define BENCH_WORKLOADS_COMMON_EPOCH_H_

#include "bench/workloads/common/options.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wl_epochs {
  uint64_t length_ns; // 0 = none are printed
  uint64_t next_ns;   // when the next line is due; UINT64_MAX = never
  uint64_t begun_ns;  // of the current epoch; 0 = the first has not begun
  uint64_t begun_ops;
  uint64_t number;
  bool latency;
};

void wl_epochs_open(struct wl_epochs *epochs, const struct wl_options *options);

// Effect: the first epoch begins now, unless it has.
void wl_epochs_begin(struct wl_epochs *epochs, uint64_t now_ns);

// Effect: prints the line of the epoch that ends now. Requires: now_ns >= next_ns.
void wl_epochs_mark(struct wl_epochs *epochs, uint64_t now_ns, uint64_t ops);

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_EPOCH_H_
