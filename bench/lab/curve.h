/* Resident memory over time, as CSV: VmRSS every 50 ms; PSS, LazyFree and AnonHuge every 20th
 * sample.
 *
 * Owns: one file per cell of the memory pass. Owns not: the clock (cell.h calls it).
 * Thread rule: one curve for one cell. */
#ifndef BENCH_LAB_CURVE_H
#define BENCH_LAB_CURVE_H

#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CURVE_PERIOD_MS = 50, CURVE_ROLLUP_EVERY = 20 };

/* Invariant: out != NULL while open. rss_kib: the last sample. */
struct curve {
  FILE *out;
  unsigned samples;
  double rss_kib;
};

/* Effect: opens the file and writes its head. A file that cannot be opened leaves the curve closed.
 */
void curve_open(struct curve *c, const char *path);
/* Effect: one sample at `t_s` seconds since the cell's start, if the process still lives. */
void curve_sample(struct curve *c, pid_t pid, double t_s);
/* Effect: a line with a mark (FREED, SETTLED) and a full sample. */
void curve_mark(struct curve *c, pid_t pid, double t_s, const char *mark);
void curve_close(struct curve *c);

#ifdef __cplusplus
}
#endif
#endif
