/* The ground a row stands on, looked at before its first cell.
 *
 * Warms memory, times its first touch, and runs the null allocator (bump, free does nothing) on the
 * row: the floor that belongs to the harness and not to any allocator.
 *
 * Owns: both looks, their place in meta.json ("conditions") and in ops.tsv (pass "floor").
 * Thread rule: one thread. */
#ifndef BENCH_LAB_CONDITIONS_H
#define BENCH_LAB_CONDITIONS_H

#include "bench/lab/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: both looks for one row; a look that fails is a note, not a failure of the run. Returns:
 * false when the person interrupted. */
bool conditions_look(struct session *s, const struct plan_row *row, double seconds);

/* Returns: operations per second of the null allocator on a row; NaN when it was not run. */
double conditions_floor(const struct journal *j, const char *row);

#ifdef __cplusplus
}
#endif
#endif
