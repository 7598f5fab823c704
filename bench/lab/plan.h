/* Which rows a run has and in which order its cells come.
 *
 * A row is a lane with a way of touching its blocks: main_r90, main_r90+edges.
 *
 * Owns: rows, what is left out and why, the order of a round. Owns not: running (runner.h).
 * Thread rule: made once, then only read. */
#ifndef BENCH_LAB_PLAN_H
#define BENCH_LAB_PLAN_H

#include "bench/lab/config.h"
#include "bench/lab/lanes.h"
#include "bench/lab/result.h"

#ifdef __cplusplus
extern "C" {
#endif

struct plan_row {
  char name[LAB_NAME_BYTES];
  const struct lane *lane; /* NULL: the app */
  const char *touch;       /* none, edges */
  char *args;              /* in the place of the lane's; NULL: the lane's */
  char *env;               /* NAME=VALUE of this row alone, blanks between; NULL: none */
};

struct plan {
  struct plan_row *rows;
  size_t n;
  struct strings left_out; /* "cross128_r50: not in a quick run" */
};

/* What the memory guard sees; split from the deciding so that the deciding can be tested. */
struct memory_state {
  double available_kib;
  double swap_total_kib;
  double swap_free_kib;
};

struct memory_state plan_memory_now(void);
/* Returns: true below 8 GiB available or with more than a quarter of swap in use. */
bool plan_memory_short(const struct memory_state *m);

/* Effect: the rows of a settled config. */
void plan_make(struct plan *plan, const struct config *config, const struct memory_state *memory);

/* Effect: puts the safe lane in the place of a hungry one that failed, and says so among what is
 * left out. Returns: false when the row's lane is not hungry. */
bool plan_fall_back(struct plan *plan, struct plan_row *row);

/* Effect: the order of one round: the numbers 0 … n-1, drawn from seed, pass, row and round alone,
 * so that a resumed run draws the same. */
void plan_order(unsigned *order, size_t n, uint64_t seed, enum cell_pass pass, const char *row,
                unsigned round);

/* Returns: the seed that every workload of one round of one row is given. */
uint64_t plan_workload_seed(uint64_t seed, const char *row, unsigned round);

#ifdef __cplusplus
}
#endif
#endif
