/* The run as people and programs read it: tables on the terminal, summary.md, summary.tsv.
 *
 * Owns: the wording and the files. Owns not: the figures (judge.h).
 * Thread rule: one thread. */
#ifndef BENCH_LAB_SUMMARY_H
#define BENCH_LAB_SUMMARY_H

#include "bench/lab/judge.h"
#include "bench/lab/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns: the judged rows of a session; ownership: the caller's. */
struct verdicts summary_judge(const struct session *s);

/* Effect: one table per row on `out`, then what was left out and what disturbed. */
void summary_print(const struct session *s, const struct verdicts *v, FILE *out, bool colour);

/* Effect: writes summary.md and summary.tsv into the run's folder; refuses on a full disk. */
void summary_write(const struct session *s, const struct verdicts *v);

#ifdef __cplusplus
}
#endif
#endif
