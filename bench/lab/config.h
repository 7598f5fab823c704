/* What the person asked for.
 *
 * Owns: the command line of every subcommand that measures: parsing, defaults, refusals of bad
 * values. Owns not: what follows from it (plan.h, session.h). Thread rule: one thread, once. */
#ifndef BENCH_LAB_CONFIG_H
#define BENCH_LAB_CONFIG_H

#include "bench/lab/text.h"

#include <argp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum touch_choice { TOUCH_NONE, TOUCH_EDGES, TOUCH_BOTH };
enum guard_choice { GUARD_AUTO, GUARD_FULL, GUARD_SAFE, GUARD_SKIP };

struct plan;

/* Zero or negative stands for "not said" where a default depends on the kind of run. */
struct config {
  bool quick;           /* bounded to about five minutes in all */
  struct strings lanes; /* names, expanded and checked; empty: the default selection */
  bool lanes_said;
  struct strings allocs;  /* names as said, in their order; empty: the default ones */
  struct strings objects; /* NAME=PATH */
  struct strings env;     /* NAME=VALUE for every cell */
  struct strings rest;    /* what is left: the subcommand's own arguments */
  char *app;              /* a command to measure instead of lanes; NULL: none */
  char *app_name;
  long runs;
  long rss_runs;
  double scale;
  bool short_args; /* cells without an end of their own and with short rings: a quick run without
                      --scale */
  double seconds;  /* bound of a cell's timed phase */
  double timeout_s;
  double budget_s; /* bound of the whole run; 0: none */
  int touch;       /* enum touch_choice; -1: not said */
  enum guard_choice cross128;
  bool pinned;
  cpu_set_t cpus;
  char *cpu_text; /* as said; NULL: all allowed */
  char *out;
  char *resume;
  char *against;
  uint64_t seed;
  bool seed_said;
  bool allow_fail;
  bool classic;
  bool check;
  bool latency;
  bool linked; /* each workload with the allocator's static library inside, nothing preloaded */
  bool icount;
  bool os_calls;
  bool list;
  bool no_report;
  /* Makes the rows in the place of plan_make, for a subcommand with rows of its own; NULL:
   * plan_make. */
  void (*make_plan)(struct plan *plan, const struct config *config);
  struct strings words; /* the whole command line, for the record */
};

/* Options that every measuring subcommand understands; use as an argp child or as the whole parser.
 * Its input is a struct config. */
extern const struct argp config_argp;

/* Effect: parses argv into *config with the defaults of a quick run; `about` is the text of --help
 * and `usage` names what else the subcommand takes (NULL: nothing, and anything left is refused).
 * Exits 0 after --help, 2 with one sentence on a bad value. Thread: main. */
void config_parse(struct config *config, int argc, char **argv, const char *about,
                  const char *usage);

/* Effect: fills what was not said from the kind of run: runs 3 or 11, rss_runs 1 or 3, and so on.
 */
void config_settle(struct config *config);

/* Effect: reads "0-3,6" into *set. Returns: false when it is not a list of CPUs. */
bool config_cpus(const char *text, cpu_set_t *set);

#ifdef __cplusplus
}
#endif
#endif
