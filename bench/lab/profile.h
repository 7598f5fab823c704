/* Where the time goes: perf record over one cell, and its busiest functions.
 *
 * Uses the software clock, so that it works where there are no hardware counters.
 *
 * Owns: running perf and reading its report. Owns not: which cell.
 * Thread rule: one thread. */
#ifndef BENCH_LAB_PROFILE_H
#define BENCH_LAB_PROFILE_H

#include "bench/lab/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PROFILE_HOTTEST = 12, PROFILE_RATE_HZ = 999, PROFILE_ALL_ROWS = 12 };

struct hot_function {
  double percent;
  char object[64];
  char name[128];
};

/* Invariant: n <= PROFILE_HOTTEST; percent descends. */
struct profile {
  struct hot_function at[PROFILE_HOTTEST];
  size_t n;
};

/* Effect: runs one cell under perf; the whole report goes to `report_path`. Returns: NULL and *p,
 * or why there is no profile (static text). An interrupt is "interrupted". */
const char *profile_cell(struct session *s, const struct cell_wish *wish, const char *report_path,
                         struct profile *p);

/* Effect: profiles every allocator on every row (of more than
 * PROFILE_ALL_ROWS, on those of the gate lanes):
 * profile.ROW.md, raw reports and perf_stat.tsv. Returns: false when interrupted. */
bool profile_rows(struct session *s);

/* Effect: the lines of `perf report -t TAB`. Returns: how many functions were read. */
size_t profile_read(const char *report, struct profile *p);

#ifdef __cplusplus
}
#endif
#endif
