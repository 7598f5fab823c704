/* A run beside an earlier one of the same lanes.
 *
 * The two did not take turns, so their ratio is of medians and has no interval: it hints, and says
 * where the machine differs.
 *
 * Owns: that table. Thread rule: one thread. */
#ifndef BENCH_LAB_AGAINST_H
#define BENCH_LAB_AGAINST_H

#include "bench/lab/run_folder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: prints what differs between the machines and files, then a line for each row and
 * allocator that both runs have. */
void against_print(const struct run_folder *now, const struct run_folder *then, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
