/* Instructions per operation, counted by callgrind on one-thread lanes: no clock, no noise.
 *
 * Each lane runs with a short and a long number of iterations; the difference, divided by that of
 * the operations, leaves start-up and end out. Both are done twice: the harness prints times, whose
 * digits cost a few instructions more or less, so the figure is given to a hundredth, and one that
 * does not repeat to that digit (an allocator that looks at the clock) is marked.
 *
 * Owns: that pass and icount.tsv. Thread rule: one thread. */
#ifndef BENCH_LAB_ICOUNT_H
#define BENCH_LAB_ICOUNT_H

#include "bench/lab/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns: false when the lane cannot be counted: more threads than one, or an end by time. */
bool icount_can(const struct lane *lane);

/* Effect: counts every allocator on every row; writes icount.tsv and a table on `out`. Returns:
 * false when the person interrupted; refuses when valgrind is not installed. */
bool icount_run(struct session *s, FILE *out);

/* Returns: the arguments of a lane with its number of iterations replaced; ownership: the caller's.
 */
char *icount_args(const struct lane *lane, unsigned long iterations);

/* Returns: the instructions in callgrind's own account ("Collected : N"); 0: none found. */
unsigned long long icount_read(const char *log);

#ifdef __cplusplus
}
#endif
#endif
