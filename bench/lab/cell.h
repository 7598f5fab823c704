/* One cell: one process, from its start to the account of its end.
 *
 *     spawn at the gate → counters → go → read its output, look at its maps, sample → end → figures
 *
 * Owns: output, time limits, marks, samples of one run. Owns not: which cells run (runner.h).
 * Thread rule: one cell at a time. */
#ifndef BENCH_LAB_CELL_H
#define BENCH_LAB_CELL_H

#include "bench/lab/launcher.h"
#include "bench/lab/result.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cell_spec {
  char *const *argv;
  char *const *env;
  const char *directory;
  const cpu_set_t *cpus;  /* NULL: all allowed */
  const char *preload;    /* must be mapped by the process; NULL: not looked at */
  const char *log_path;   /* output of the cell; appended to */
  const char *curve_path; /* samples memory over time; NULL: does not disturb the cell */
  const char *hang_dir;   /* where evidence of a hang goes; NULL: no triage */
  double timeout_s;
  double hang_s; /* a cell that runs longer hangs; 0: only the timeout counts */
  bool counters;
  bool whole_process; /* no RESULT expected: one operation is the whole run (app) */
};

/* Effect: runs the cell; its figures, status and detail go into *r, whose place (pass, row, alloc,
 * round, position) is the caller's. Returns: false when the person interrupted; the cell is gone
 * then too. */
bool cell_run(struct launcher *l, const struct cell_spec *spec, struct cell_result *r);

#ifdef __cplusplus
}
#endif
#endif
