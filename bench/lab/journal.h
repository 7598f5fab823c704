/* The run's memory: every finished cell, on disk before the next one starts.
 *
 * ops.tsv holds the speed and latency passes, rss.tsv the memory pass. A line cut short by a crash
 * is dropped when the folder is opened again; of two lines for one cell the later one counts.
 *
 * Owns: both files and the results in memory. Thread rule: one thread. */
#ifndef BENCH_LAB_JOURNAL_H
#define BENCH_LAB_JOURNAL_H

#include "bench/lab/result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Invariant: no two of at[0 … n-1] have the same pass, row, alloc and round. */
struct journal {
  FILE *ops;
  FILE *rss;
  struct cell_result *at;
  size_t n;
};

/* Effect: opens (or makes) both files in `folder` and reads what they hold. Refuses when it cannot.
 */
void journal_open(struct journal *j, const char *folder);
/* Effect: only reads; a folder without ops.tsv is refused. */
void journal_read(struct journal *j, const char *folder);
/* Effect: appends one finished cell and flushes it; refuses on a full disk (what is there is kept).
 */
void journal_add(struct journal *j, const struct cell_result *r);
/* Returns: NULL when the cell has not run. */
const struct cell_result *journal_find(const struct journal *j, enum cell_pass pass,
                                       const char *row, const char *alloc, unsigned round);
void journal_close(struct journal *j);

#ifdef __cplusplus
}
#endif
#endif
