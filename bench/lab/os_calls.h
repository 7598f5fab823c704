/* How often an allocator asks the kernel for memory once it runs steadily: mmap, munmap and madvise
 * for each operation.
 *
 * Every row and allocator runs once, in short epochs, under a tracer that stops at those calls and
 * at what the program prints. The calls between the end of the first epochs and the end of the last
 * one, over the operations between them, are the steady state; start and teardown are not in it.
 *
 * Owns: os_calls.tsv and its table. Owns not: speed; a traced run is no measurement of it.
 * Thread rule: one thread. */
#ifndef BENCH_LAB_OS_CALLS_H
#define BENCH_LAB_OS_CALLS_H

#include "bench/lab/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The scorecard's limits, in calls for each operation. */
#define OS_CALLS_MUST 1e-6
#define OS_CALLS_GOAL 1e-8

struct os_calls {
  double mmap, munmap, madvise;
  double ops;
};

/* Effect: counts for every row of the plan (of more than a few, on those of the gate lanes), prints
 * a table of each, writes os_calls.tsv and "os_calls" into meta.json. Returns: false when
 * interrupted. */
bool os_calls_run(struct session *s, FILE *out);

/* Effect: what a traced run's log says about its later epochs: its n-th EPOCH line belongs to the
 * n-th OSCALLS line. Returns: false when there are too few. */
bool os_calls_read(const char *log, struct os_calls *steady);

/* Returns: calls for each operation; NaN when there was none. */
double os_calls_rate(const struct os_calls *steady);

/* Returns: the scorecard's word for a rate seen over so many operations. */
const char *os_calls_word(double rate, double ops);

#ifdef __cplusplus
}
#endif
#endif
