#include "bench/lab/icount.h"

#include "bench/lab/cell.h"
#include "bench/lab/procfs.h"
#include "bench/lab/progress.h"
#include "bench/lab/table.h"
#include "bench/lab/tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHORT_ITERATIONS = 100000, LONG_ITERATIONS = 300000, TIMEOUT_S = 300 };

/* What stands for the number of iterations in the table of lanes. */
static const char full_length[] = "20000000";

bool icount_can(const struct lane *lane) {
  return lane != NULL && (lane->flags & LANE_ONE_THREAD) != 0 &&
         (lane->flags & LANE_BY_TIME) == 0 && strcmp(lane->workload, "mt_remote") != 0;
}

char *icount_args(const struct lane *lane, unsigned long iterations) {
  const char *at = strstr(lane->args, full_length);
  if (at == NULL) /* dist: the name of the distribution, then the iterations */
    return lab_format("%s %lu", lane->args, iterations);
  return lab_format("%.*s%lu%s", (int)(at - lane->args), lane->args, iterations,
                    at + sizeof full_length - 1);
}

unsigned long long icount_read(const char *log) {
  unsigned long long count = 0;
  for (const char *at = log; at != NULL && (at = strstr(at, "Collected : ")) != NULL; at++)
    sscanf(at, "Collected : %llu", &count);
  return count;
}

/* Memory that goes back after so many milliseconds goes back at another instruction each time:
 * under these, time decides nothing. They are the same for every allocator, as all else is. */
static const char *const timeless[] = {
    "HZ3_PURGE_DELAY_MS=600000",
    "HZ4_PURGE_DELAY_MS=600000",
    "MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1",
    "MIMALLOC_ALLOW_DECOMMIT=0",
};

struct counted {
  unsigned long long instructions;
  double operations;
};

static struct strings argv_for(struct session *s, const struct plan_row *row,
                               const struct contender *c, const char *valgrind,
                               unsigned long iterations) {
  struct strings argv = {0};
  char *args = icount_args(row->lane, iterations);
  strings_add(&argv, valgrind);
  strings_add(&argv, "--tool=callgrind");
  strings_add(&argv, "--callgrind-out-file=/dev/null");
  strings_add(&argv, session_workload(s, c, row->lane->workload)->pin.path);
  strings_split(&argv, args, ' ');
  strings_take(&argv, lab_format("--touch=%s", row->touch));
  strings_add(&argv, "--seconds=3600");
  free(args);
  return argv;
}

/* Returns: false when interrupted; a run that failed leaves zeros. */
static bool count_once(struct session *s, const struct plan_row *row, const struct contender *c,
                       const char *valgrind, unsigned long iterations, struct counted *counted) {
  struct strings argv = argv_for(s, row, c, valgrind, iterations);
  struct strings env = contender_environment(c, &s->config, s->scratch);
  char *log = lab_format("%s/%s.%s.icount.%lu.log", s->raw, row->name, c->name, iterations);
  for (size_t i = 0; i < sizeof timeless / sizeof timeless[0]; i++)
    strings_add(&env, timeless[i]);
  struct cell_result r;
  struct cell_spec spec = {.argv = argv.at,
                           .env = env.at,
                           .directory = s->scratch,
                           .cpus = s->config.pinned ? &s->config.cpus : NULL,
                           .log_path = log,
                           .timeout_s = TIMEOUT_S};
  result_clear(&r);
  unlink(log);
  bool good = cell_run(s->launcher, &spec, &r);
  char *text = good ? proc_text(log) : NULL;
  *counted = (struct counted){0};
  if (text != NULL && r.status == CELL_OK)
    *counted = (struct counted){icount_read(text), r.figure[FIGURE_ops]};
  free(text);
  free(log);
  strings_clear(&argv);
  strings_clear(&env);
  return good;
}

struct icount_cell {
  double per_operation; /* NaN: no figure */
  bool repeats;
};

/* Returns: false when interrupted; *figure is NaN when a run failed. */
static bool count_pair(struct session *s, const struct plan_row *row, const struct contender *c,
                       const char *valgrind, double *figure) {
  struct counted less, more;
  *figure = NAN;
  if (!count_once(s, row, c, valgrind, SHORT_ITERATIONS, &less) ||
      !count_once(s, row, c, valgrind, LONG_ITERATIONS, &more))
    return false;
  if (less.instructions > 0 && more.operations > less.operations)
    *figure = (double)(more.instructions - less.instructions) / (more.operations - less.operations);
  return true;
}

static bool count_cell(struct session *s, const struct plan_row *row, const struct contender *c,
                       const char *valgrind, struct icount_cell *cell) {
  double again;
  *cell = (struct icount_cell){.per_operation = NAN};
  if (!count_pair(s, row, c, valgrind, &cell->per_operation) ||
      !count_pair(s, row, c, valgrind, &again))
    return false;
  cell->repeats = round(again * 100) == round(cell->per_operation * 100);
  return true;
}

static void show_row(const struct session *s, const struct plan_row *row,
                     const struct icount_cell *cells, FILE *out, FILE *tsv) {
  static const char *const heads[] = {"allocator", "instructions/operation", "<repeats", NULL};
  struct table t;
  table_start(&t, heads);
  for (size_t i = 0; i < s->contenders.n; i++) {
    const char *repeats = cells[i].repeats ? "to the digit" : "NOT to the digit";
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%s", s->contenders.at[i].name);
    if (!isfinite(cells[i].per_operation)) {
      table_set(&t, 2, COLOUR_BAD, "failed; see raw/");
      continue;
    }
    table_set(&t, 1, COLOUR_PLAIN, "%.2f", cells[i].per_operation);
    table_set(&t, 2, COLOUR_PLAIN, "%s", repeats);
    fprintf(tsv, "%s\t%s\t%.2f\t%s\n", row->name, s->contenders.at[i].name, cells[i].per_operation,
            cells[i].repeats ? "yes" : "no");
  }
  fprintf(out, "\n%s: instructions per operation, harness included\n", row->name);
  table_print(&t, out, false);
  table_clear(&t);
}

bool icount_run(struct session *s, FILE *out) {
  char *valgrind = tool_find("valgrind");
  char *path = lab_format("%s/icount.tsv", s->dir);
  FILE *tsv = fopen(path, "we");
  struct progress progress;
  bool good = true;
  if (valgrind == NULL)
    lab_refuse("--icount needs valgrind, which is not installed.");
  if (tsv == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  fputs("row\talloc\tinstructions_per_op\trepeats\n", tsv);
  progress_start(&progress, s->plan.n * s->contenders.n);
  for (size_t i = 0; i < s->plan.n && good; i++) {
    struct icount_cell *cells = lab_zalloc(s->contenders.n * sizeof *cells);
    for (size_t c = 0; c < s->contenders.n && good; c++) {
      char *what = lab_format("%s  %s", s->plan.rows[i].name, s->contenders.at[c].name);
      double mean = progress.done > 0 ? progress_elapsed_s(&progress) / (double)progress.done : -1;
      progress_say(&progress, what, mean < 0 ? -1 : mean * (double)(progress.total - progress.done),
                   false);
      good = count_cell(s, &s->plan.rows[i], &s->contenders.at[c], valgrind, &cells[c]);
      progress.done++;
      free(what);
    }
    progress_clear(&progress);
    if (good)
      show_row(s, &s->plan.rows[i], cells, out, tsv);
    free(cells);
  }
  char *words = lab_format("%s %s %s %s", timeless[0], timeless[1], timeless[2], timeless[3]);
  fprintf(out, "\nNothing is given back by the clock meanwhile: %s\n", words);
  session_note(s, "--icount adds to every environment: %s", words);
  free(words);
  fclose(tsv);
  free(path);
  free(valgrind);
  return good;
}
