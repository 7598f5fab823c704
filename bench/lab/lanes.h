/* The lanes: which workload, with which arguments, under which name.
 *
 * Owns: the table of the specification and the names people may say. Owns not: how often and in
 * which order lanes run (plan.h). Thread rule: the table is built on first use and never changes.
 */
#ifndef BENCH_LAB_LANES_H
#define BENCH_LAB_LANES_H

#include "bench/lab/text.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ring slots of mt_remote in a quick run: the warm-up fills every ring twice, so it must be short.
 */
enum { LANE_SHORT_RING = 1024 };

enum lane_flag {
  LANE_QUICK = 1,      /* in the default selection of compare --quick */
  LANE_STANDARD = 2,   /* in the default selection of a record: guard, main, cross128, one thread */
  LANE_FULL = 4,       /* in the whole matrix */
  LANE_ONE_THREAD = 8, /* runs on one thread: --icount can count it */
  LANE_HUNGRY = 16,    /* needs gigabytes: the memory guard watches it */
  LANE_GATE = 32,      /* an A/B decision looks at it */
  LANE_BY_TIME = 64,   /* has no end of its own: always bounded by --seconds */
  LANE_QUICK_TOUCH = 128, /* --quick shows it touched as well */
  LANE_OWN_SEED = 256,    /* its arguments name the seed */
  LANE_APP = 512          /* a real program, run by apps.sh: workload is that script */
};

struct lane {
  const char *name;       /* main_r90 */
  const char *group;      /* main */
  const char *workload;   /* the binary's name under //bench/workloads */
  const char *args;       /* its arguments, blanks between */
  const char *short_args; /* in a quick run: no end of its own, short rings; NULL: as args */
  unsigned flags;
  const char *needs; /* programs that must be on the machine, blanks between; NULL: none */
};

/* Returns: the table in the order of the specification; *n its length. */
const struct lane *lanes_all(size_t *n);
/* Returns: NULL when there is none. */
const struct lane *lanes_find(const char *name);

/* Effect: appends the lanes meant by `word` (a lane, a group, "all", "mt", "one-thread", "gate",
 * "quick", "standard"), each once. Returns: false when nothing has that name. */
bool lanes_named(struct strings *names, const char *word);

/* Returns: every name a person may say, for a refusal; ownership: the caller's. */
char *lanes_known(void);

#ifdef __cplusplus
}
#endif
#endif
