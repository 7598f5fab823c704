// Owns: the time of single calls of malloc, realloc and free (--latency): one call in
// WL_LATENCY_EVERY of each thread is timed and counted in one histogram of the process.
// Does not own: the calls that are not timed.
// Thread rule: the three calls and wl_latency_record from any thread; the rest from main.
//
// A pass of its own: every call goes through a counter, a timed one costs two readings of the clock
// besides, and these lie between the readings too. `floor_ns` is the time that two readings with
// nothing between them take (their median); it is contained in every figure and not subtracted. On
// x86-64 the clock is the time-stamp counter between fences, elsewhere clock_gettime.
//
// Where threads outnumber cores a call can contain the time its thread was not running: that is
// what a program would see, and what the highest percentiles of the lanes with 16 threads consist
// of.
#ifndef BENCH_WORKLOADS_COMMON_LATENCY_H_
#define BENCH_WORKLOADS_COMMON_LATENCY_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WL_LATENCY_EVERY 61 // a prime: no pattern of a lane's own falls into step with it

// Counts by duration in ticks: exact below 32, then 16 counts for each doubling.
#define WL_LATENCY_BUCKETS (32 + 16 * 59)

struct wl_latency_summary {
  uint64_t samples;
  // The upper edge of the bucket in which the percentile lies: up to 1/16 above it. 0 = no samples.
  double p50_ns;
  double p99_ns;
  double p999_ns;
  double p9999_ns;
  double max_ns; // exact
};

// What was counted up to the last look; a zeroed one means everything.
struct wl_latency_window {
  uint64_t counts[WL_LATENCY_BUCKETS];
};

// Effect: measures the floor and begins to relate ticks to nanoseconds. Before any timed call.
void wl_latency_open(void);
double wl_latency_floor_ns(void);

// Effect: calls are counted from now on, or no longer: the lane's timed phase is, the rest is not.
void wl_latency_record(int on);

void *wl_latency_malloc(size_t bytes);
void *wl_latency_realloc(void *block, size_t bytes);
void wl_latency_free(void *block);

// Returns: the figures of what was counted after WINDOW, which is then moved up to now.
struct wl_latency_summary wl_latency_since(struct wl_latency_window *window);
// Returns: the figures of everything counted so far.
struct wl_latency_summary wl_latency_all(void);

// Returns: the bucket of a duration, and the first duration of the next bucket.
unsigned wl_latency_bucket(uint64_t ticks);
uint64_t wl_latency_bucket_end(unsigned bucket);

// Effect: counts one duration.
void wl_latency_count(uint64_t ticks);

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_LATENCY_H_
