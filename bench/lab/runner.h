/* Runs a plan: passes, rounds, cells, until it is complete, fails, is interrupted or out of time.
 *
 *     speed pass: row by row, round by round, every allocator once, order drawn anew
 *     memory pass: the same with samples and marks; latency pass: the same with timed calls
 *
 * Owns: the order of cells, the time each may take, fail-fast. Owns not: the table at the end
 * (judge.h). Thread rule: one thread. */
#ifndef BENCH_LAB_RUNNER_H
#define BENCH_LAB_RUNNER_H

#include "bench/lab/progress.h"
#include "bench/lab/session.h"

#ifdef __cplusplus
extern "C" {
#endif

enum run_outcome { RUN_COMPLETE, RUN_INTERRUPTED, RUN_CELL_FAILED };

/* Effect: runs what is missing of the session's plan. Returns: how it ended; a failed cell (without
 * --allow-fail) has been named on stderr. */
enum run_outcome run_plan(struct session *s);

/* One cell outside a plan, for the subcommands that choose their own. */
struct cell_wish {
  const struct plan_row *row;
  struct contender *contender;
  enum cell_pass pass;
  unsigned round;
  unsigned position;
  double seconds;
  unsigned epoch_ms;    /* 0: no epochs */
  double hang_s;        /* 0: only the timeout counts */
  const char *hang_dir; /* NULL: no triage */
};

/* Effect: runs one cell and fills *r; does not journal it. Returns: false when interrupted. */
bool run_cell(struct session *s, const struct cell_wish *wish, struct cell_result *r);

/* Returns: the arguments a lane gets in this kind of run. */
const char *run_lane_args(const struct config *c, const struct lane *lane);

/* Returns: argv of a row's workload under a contender, with the lab's bounds; ownership: the
 * caller's. */
struct strings run_argv(struct session *s, const struct plan_row *row, const struct contender *c,
                        double seconds, uint64_t workload_seed);

#ifdef __cplusplus
}
#endif
#endif
