// Owns: the line a workload prints, and what it prints and does after its work (--hold-ms).
// Does not own: the figures.
// Thread rule: main, after all other threads were joined.
//
// Nothing here allocates and no stdio stream is written: the memory figures that follow are the
// allocator's, not the printer's.
#ifndef BENCH_WORKLOADS_COMMON_RESULT_H_
#define BENCH_WORKLOADS_COMMON_RESULT_H_

#include "bench/workloads/common/latency.h"
#include "bench/workloads/common/options.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wl_line {
  char text[2048];
  size_t length;
};

struct wl_result {
  struct wl_line line;
  const char *invalid; // reason, one word; NULL while the run is valid
};

// Effect: appends to the line. Requires: that it holds what is added.
void wl_line_add(struct wl_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void wl_line_add_latency(struct wl_line *line, const struct wl_latency_summary *summary);

// What every lane reports.
struct wl_totals {
  uint64_t ops;
  uint64_t alloc_failures;
  uint64_t live_high_bytes;
  uint64_t live_error_bytes; // see ledger.h; 0 = exact
  uint64_t elapsed_ns;
  unsigned threads;
};

// Effect: starts the line with the keys all lanes share. Allocation failures make it invalid.
void wl_result_begin(struct wl_result *result, const char *workload,
                     const struct wl_options *options, const struct wl_totals *totals);

void wl_result_count(struct wl_result *result, const char *key, uint64_t value);
void wl_result_number(struct wl_result *result, const char *key, double value);
void wl_result_word(struct wl_result *result, const char *key, const char *value);

// Effect: marks the run invalid; the first reason given stays.
void wl_result_invalid(struct wl_result *result, const char *reason);

// Effect: prints the line; then, with --hold-ms, FREED, the idle time, 1,000 pairs of malloc and
// free, and SETTLED. Returns: the exit status of main.
int wl_result_finish(struct wl_result *result, const struct wl_options *options);

// Effect: all of TEXT to stdout by write(2).
void wl_print(const char *text, size_t length);

// Returns: the KiB that /proc/self/status gives for FIELD ("VmRSS:", "VmHWM:"), 0 when unreadable.
uint64_t wl_status_kib(const char *field);

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_RESULT_H_
