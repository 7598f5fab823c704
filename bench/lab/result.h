/* What one cell gave: its place in the plan, how it ended, its figures; one line of a TSV.
 *
 * Owns: the list of figures and their names, the reading of a workload's RESULT line, TSV lines.
 * Owns not: files (journal.h) and what the figures mean together (judge.h).
 * Thread rule: a result belongs to one thread. */
#ifndef BENCH_LAB_RESULT_H
#define BENCH_LAB_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Figures of a cell. Names ending in a unit are in that unit. NaN: not measured.
 * First block: said by the workload itself. Second: by the kernel and the lab. */
// clang-format off
#define LAB_FIGURES(X) \
  X(ops) X(seconds) X(ops_per_s) X(live_high_bytes) X(alloc_failures) X(threads) \
  X(requested_remote_pct) X(effective_remote_pct) X(fallback_pct) X(remote_frees) \
  X(local_frees) X(warm_turnovers) X(rss_peak_kib) X(p50_ns) X(p99_ns) X(p999_ns) X(p9999_ns) X(max_ns) \
  X(samples) X(latency_floor_ns) X(wall_s) X(user_s) X(sys_s) X(max_rss_kib) X(freed_rss_kib) \
  X(settled_rss_kib) X(idle_1s_rss_kib) X(minor_faults) X(major_faults) X(voluntary_switches) \
  X(involuntary_switches) X(cycles) X(instructions) X(cache_misses) X(branch_misses) \
  X(dtlb_misses) X(other_cpu_pct) X(start_unix_s)
// clang-format on

enum figure {
#define X(name) FIGURE_##name,
  LAB_FIGURES(X)
#undef X
      FIGURE_COUNT
};

enum cell_pass { PASS_SPEED, PASS_MEMORY, PASS_LATENCY, PASS_FLOOR, PASS_COUNT };

enum cell_status {
  CELL_MISSING, /* not run; never written */
  CELL_OK,
  CELL_INVALID, /* ran to its end and said valid=0 */
  CELL_EXIT,    /* exit status other than 0, or no RESULT */
  CELL_SIGNAL,
  CELL_TIMEOUT,
  CELL_HANG,
  CELL_STATUS_COUNT
};

enum { LAB_NAME_BYTES = 64, LAB_DETAIL_BYTES = 160 };

struct cell_result {
  enum cell_pass pass;
  char row[LAB_NAME_BYTES]; /* lane, and touch where it is not none: main_r90+edges */
  char alloc[LAB_NAME_BYTES];
  unsigned round;    /* from 1 */
  unsigned position; /* place within its round, from 1 */
  enum cell_status status;
  char detail[LAB_DETAIL_BYTES]; /* reason where status is not ok; no tab, no newline */
  double figure[FIGURE_COUNT];
};

const char *figure_name(enum figure f);
const char *pass_name(enum cell_pass p);
const char *status_name(enum cell_status s);

/* Effect: an empty result: CELL_MISSING, every figure NaN. */
void result_clear(struct cell_result *r);

/* Effect: takes every known key=value of a line that starts with "RESULT "; a valid=0 makes the
 * status CELL_INVALID with its reason as detail. Returns: false when the line is no RESULT or has
 * no ops. */
bool result_read_line(struct cell_result *r, const char *line);

/* Effect: takes the figures of a line that starts with "LATENCY ", unless r has some from a process
 * with more samples. Returns: false when the line is none. */
bool result_read_latency(struct cell_result *r, const char *line);

/* Effect: the head line of a TSV, and one line for r. Unmeasured figures are empty fields. */
void result_write_head(FILE *out);
void result_write(FILE *out, const struct cell_result *r);

/* Columns of a TSV by place; -1: the file lacks it. */
struct result_columns {
  int pass, row, alloc, round, position, status, detail;
  int figure[FIGURE_COUNT];
  int n;
};

/* Returns: false when the line is not a head line of ours (pass, row, alloc, round or status
 * missing). */
bool result_read_head(struct result_columns *columns, const char *line);
/* Returns: false when the line is broken (too few fields, unknown pass or status). */
bool result_parse(struct cell_result *r, const struct result_columns *columns, const char *line);

#ifdef __cplusplus
}
#endif
#endif
