#include "bench/lab/os_calls.h"

#include "bench/lab/cell.h"
#include "bench/lab/procfs.h"
#include "bench/lab/profile.h"
#include "bench/lab/progress.h"
#include "bench/lab/table.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACED_S 4.0
#define TRACED_QUICK_S 1.0
enum { EPOCHS = 20, EPOCHS_LEAST = 4 }; /* the first quarter of them is start-up */

/* Returns: the n-th line (from 1) that starts with `word`; NULL when there are fewer. */
static const char *line_at(const char *log, const char *word, unsigned n) {
  size_t length = strlen(word);
  for (const char *line = log; line != NULL && *line != '\0';) {
    if (strncmp(line, word, length) == 0 && --n == 0)
      return line;
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return NULL;
}

static bool counts_at(const char *log, unsigned epoch, struct os_calls *c) {
  const char *line = line_at(log, "OSCALLS ", epoch);
  return line != NULL && sscanf(line, "OSCALLS mmap=%lf munmap=%lf madvise=%lf", &c->mmap,
                                &c->munmap, &c->madvise) == 3;
}

bool os_calls_read(const char *log, struct os_calls *steady) {
  struct os_calls from, to;
  unsigned last = 0;
  *steady = (struct os_calls){0};
  while (line_at(log, "EPOCH ", last + 1) != NULL)
    last++;
  unsigned first = (last + 3) / 4;
  if (last < EPOCHS_LEAST || !counts_at(log, first, &from) || !counts_at(log, last, &to))
    return false;
  for (unsigned i = first + 1; i <= last; i++) {
    double ops;
    if (sscanf(line_at(log, "EPOCH ", i), "EPOCH number=%*s seconds=%*s ops=%lf", &ops) == 1)
      steady->ops += ops;
  }
  steady->mmap = to.mmap - from.mmap;
  steady->munmap = to.munmap - from.munmap;
  steady->madvise = to.madvise - from.madvise;
  return steady->ops > 0;
}

double os_calls_rate(const struct os_calls *steady) {
  return steady->ops > 0 ? (steady->mmap + steady->munmap + steady->madvise) / steady->ops : NAN;
}

const char *os_calls_word(double rate, double ops) {
  if (!isfinite(rate))
    return "no figure";
  if (rate > OS_CALLS_MUST)
    return "above 1e-6";
  if (rate > OS_CALLS_GOAL)
    return "within 1e-6";
  return ops * OS_CALLS_GOAL >= 1 ? "within the goal, 1e-8" : "within the goal as far as seen";
}

/* Returns: arguments without an end of their own; ownership: the caller's; NULL: the row's. */
static char *endless_args(const struct session *s, const struct plan_row *row) {
  unsigned threads;
  int rest = 0;
  if (row->args != NULL || s->config.short_args || row->lane->short_args == NULL)
    return NULL;
  if (strcmp(row->lane->workload, "mt_remote") == 0 &&
      sscanf(row->lane->args, "%u %*u %n", &threads, &rest) == 1 && rest > 0)
    return lab_format("%u 1000000000 %s", threads, row->lane->args + rest);
  return lab_copy(row->lane->short_args);
}

/* Returns: false when interrupted; a run that failed leaves no operations. */
static bool count_once(struct session *s, const struct plan_row *row, const struct contender *c,
                       const char *tracer, double seconds, struct os_calls *steady) {
  struct plan_row endless = *row;
  char *args = endless_args(s, row);
  endless.args = args != NULL ? args : row->args;
  uint64_t seed = plan_workload_seed(s->config.seed, row->name, 1);
  struct strings program = run_argv(s, &endless, c, seconds, seed), argv = {0};
  struct strings env = contender_environment(c, &s->config, s->scratch);
  char *log = lab_format("%s/%s.%s.oscalls.log", s->raw, row->name, c->name);
  struct cell_result r;
  strings_add(&argv, tracer);
  for (size_t i = 0; i < program.n; i++)
    strings_add(&argv, program.at[i]);
  strings_take(&argv, lab_format("--epoch-ms=%.0f", seconds * 1000 / EPOCHS));
  if (row->env != NULL)
    strings_split(&env, row->env, ' ');
  struct cell_spec spec = {.argv = argv.at,
                           .env = env.at,
                           .directory = s->scratch,
                           .cpus = s->config.pinned ? &s->config.cpus : NULL,
                           .log_path = log,
                           .timeout_s = s->config.timeout_s};
  result_clear(&r);
  unlink(log);
  *steady = (struct os_calls){0};
  bool good = cell_run(s->launcher, &spec, &r);
  char *text = good ? proc_text(log) : NULL;
  if (text != NULL && (r.status == CELL_OK || r.status == CELL_INVALID))
    os_calls_read(text, steady);
  free(text);
  free(log);
  free(args);
  strings_clear(&env);
  strings_clear(&argv);
  strings_clear(&program);
  return good;
}

static void show_row(struct session *s, const struct plan_row *row, const struct os_calls *counted,
                     FILE *out, FILE *tsv) {
  static const char *const heads[] = {"allocator", "calls/operation", "mmap",       "munmap",
                                      "madvise",   "operations",      "<judgement", NULL};
  json_t *all = json_object_get(s->meta, "os_calls");
  struct table t;
  char text[32];
  table_start(&t, heads);
  for (size_t i = 0; i < s->contenders.n; i++) {
    const struct os_calls *c = &counted[i];
    double rate = os_calls_rate(c);
    const char *who = s->contenders.at[i].name, *word = os_calls_word(rate, c->ops);
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%s", who);
    table_set(&t, 6, COLOUR_PLAIN, "%s", word);
    if (!isfinite(rate))
      continue;
    table_set(&t, 1, COLOUR_PLAIN, "%.2g", rate);
    table_set(&t, 2, COLOUR_PLAIN, "%.0f", c->mmap);
    table_set(&t, 3, COLOUR_PLAIN, "%.0f", c->munmap);
    table_set(&t, 4, COLOUR_PLAIN, "%.0f", c->madvise);
    table_set(&t, 5, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, c->ops));
    fprintf(tsv, "%s\t%s\t%.4g\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", row->name, who, rate, c->mmap,
            c->munmap, c->madvise, c->ops, word);
    json_array_append_new(all, json_pack("{s:s, s:s, s:f, s:f, s:s}", "row", row->name, "alloc",
                                         who, "rate", rate, "ops", c->ops, "word", word));
  }
  fprintf(out, "\n%s: calls of the kernel's memory functions in steady state\n", row->name);
  table_print(&t, out, false);
  fflush(out);
  table_clear(&t);
}

static bool takes_part(const struct session *s, const struct plan_row *row) {
  if (row->lane == NULL || (row->lane->flags & LANE_APP) != 0)
    return false;
  return s->plan.n <= PROFILE_ALL_ROWS || (row->lane->flags & LANE_GATE) != 0;
}

static size_t rows_taking_part(const struct session *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->plan.n; i++)
    n += takes_part(s, &s->plan.rows[i]);
  return n;
}

/* Returns: false when interrupted. */
static bool count_row(struct session *s, const struct plan_row *row, const char *tracer,
                      struct progress *progress, FILE *out, FILE *tsv) {
  struct os_calls *counted = lab_zalloc(s->contenders.n * sizeof *counted);
  double each = s->config.quick ? TRACED_QUICK_S : TRACED_S;
  bool good = true;
  for (size_t i = 0; i < s->contenders.n && good; i++) {
    char *what = lab_format("kernel calls  %s  %s", row->name, s->contenders.at[i].name);
    progress_say(progress, what, each * (double)(progress->total - progress->done), false);
    good = count_once(s, row, &s->contenders.at[i], tracer, each, &counted[i]);
    progress->done++;
    free(what);
  }
  progress_clear(progress);
  if (good)
    show_row(s, row, counted, out, tsv);
  free(counted);
  return good;
}

bool os_calls_run(struct session *s, FILE *out) {
  char *tracer = where_built("bench/lab/oscalls");
  char *path = lab_format("%s/os_calls.tsv", s->dir);
  FILE *tsv = fopen(path, "we");
  struct progress progress;
  bool good = true;
  if (tracer == NULL)
    lab_refuse("the tracer of kernel calls was not built with the lab.");
  if (tsv == NULL)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  fputs("row\talloc\tcalls_per_op\tmmap\tmunmap\tmadvise\tops\tjudgement\n", tsv);
  json_object_set_new(s->meta, "os_calls", json_array());
  progress_start(&progress, rows_taking_part(s) * s->contenders.n);
  for (size_t i = 0; i < s->plan.n && good; i++)
    if (takes_part(s, &s->plan.rows[i]))
      good = count_row(s, &s->plan.rows[i], tracer, &progress, out, tsv);
  bool bad = ferror(tsv) != 0;
  if (fclose(tsv) != 0 || bad)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  free(path);
  free(tracer);
  return good;
}
