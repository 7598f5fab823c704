/* A finished (or stopped) run as it lies on disk: what reports, merges and comparisons with the
 * past read.
 *
 * Owns: loading meta.json, the cells and the verdicts of one folder. Thread rule: one thread. */
#ifndef BENCH_LAB_RUN_FOLDER_H
#define BENCH_LAB_RUN_FOLDER_H

#include "bench/lab/judge.h"

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Invariant: verdicts.allocs_n == allocs_n. Names point into meta. */
struct run_folder {
  char *path;
  json_t *meta;
  struct journal journal;
  const char **rows;
  size_t rows_n;
  struct judge_alloc *allocs;
  size_t allocs_n;
  struct verdicts verdicts;
};

/* Effect: loads a folder; refuses one that holds no run. */
void run_folder_load(struct run_folder *f, const char *path);
void run_folder_clear(struct run_folder *f);

/* Returns: what differs between the machines and files of two runs, one sentence each; ownership:
 * the caller's. */
struct strings;
void run_folder_differences(const struct run_folder *a, const struct run_folder *b,
                            struct strings *sentences);

#ifdef __cplusplus
}
#endif
#endif
