/* Hardware counters of one cell and all its threads and children.
 *
 * Owns: perf_event_open on a process that has not executed yet, and the kernel's reason where it
 * refuses. Thread rule: one set for one cell. */
#ifndef BENCH_LAB_COUNTERS_H
#define BENCH_LAB_COUNTERS_H

#include "bench/lab/result.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { COUNTERS = 5 };

/* Invariant: fd[i] < 0 where the counter is not open. */
struct counters {
  int fd[COUNTERS];
};

/* Effect: opens what the kernel gives; counting starts at exec. */
void counters_open(struct counters *c, pid_t pid);
/* Effect: writes the figures into r (scaled where the kernel multiplexed), closes all. */
void counters_read(struct counters *c, struct cell_result *r);
/* Returns: NULL when the last counters_open got every counter, else the reason of the first refusal
 * ("cycles: No such file or directory"); static. */
const char *counters_refusal(void);

#ifdef __cplusplus
}
#endif
#endif
