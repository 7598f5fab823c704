/* soak: the same work for minutes or hours: does memory creep, does speed sink, is it steady?
 *
 * As a server: one process in epochs of one second. As batch jobs ("fresh"): a new process for each
 * sample. */
#include "bench/lab/commands.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/procfs.h"
#include "bench/lab/progress.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/soak_judge.h"
#include "bench/lab/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOAK_S = 300, EPOCH_MS = 1000, FRESH_S = 1 };

static const char about[] =
    "Runs one lane (main_r90+edges unless told) for --seconds (300) under each allocator, in "
    "epochs of one "
    "second of one process; the word fresh makes every sample a new process instead. Judges drift "
    "of "
    "memory and speed (first five against last five epochs), variation and epoch latency against "
    "the null "
    "allocator in the same run.\vWrites soak.tsv (every epoch) and soak.md.";

static FILE *open_part(const struct session *s, const char *name) {
  char *path = lab_format("%s/%s", s->dir, name);
  FILE *out = fopen(path, "we");
  if (out == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  free(path);
  return out;
}

/* Effect: takes the EPOCH lines of a raw log. */
static void read_epochs(const char *log, struct soak_series *series) {
  char *text = proc_text(log);
  for (const char *line = text; line != NULL && *line != '\0';) {
    double number, seconds, ops, rate, rss;
    if (sscanf(line, "EPOCH number=%lf seconds=%lf ops=%lf ops_per_s=%lf rss_kib=%lf", &number,
               &seconds, &ops, &rate, &rss) == 5)
      soak_add(series, rate, rss);
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  free(text);
}

/* Effect: one long process. Returns: false when interrupted. */
static bool run_server(struct session *s, const struct plan_row *row, struct contender *c,
                       struct soak_series *series) {
  struct cell_result r;
  struct cell_wish wish = {.row = row,
                           .contender = c,
                           .pass = PASS_SPEED,
                           .round = 1,
                           .position = 1,
                           .seconds = s->config.seconds,
                           .epoch_ms = EPOCH_MS};
  char *log = lab_format("%s/%s.%s.speed.1.log", s->raw, row->name, c->name);
  bool good = run_cell(s, &wish, &r);
  if (good)
    journal_add(&s->journal, &r);
  if (r.status != CELL_OK && good)
    snprintf(series->note, sizeof series->note, "%.16s: %.120s", status_name(r.status), r.detail);
  series->peak_kib = r.figure[FIGURE_max_rss_kib];
  read_epochs(log, series);
  free(log);
  return good;
}

/* Effect: one sample of a fresh process. Returns: false when interrupted. */
static bool run_batch(struct session *s, const struct plan_row *row, struct contender *c,
                      unsigned round, struct soak_series *series) {
  struct cell_result r;
  struct cell_wish wish = {.row = row,
                           .contender = c,
                           .pass = PASS_SPEED,
                           .round = round,
                           .position = 1,
                           .seconds = FRESH_S};
  if (!run_cell(s, &wish, &r))
    return false;
  journal_add(&s->journal, &r);
  if (r.status == CELL_OK)
    soak_add(series, r.figure[FIGURE_ops_per_s], r.figure[FIGURE_max_rss_kib]);
  else
    snprintf(series->note, sizeof series->note, "%.16s: %.120s", status_name(r.status), r.detail);
  series->peak_kib = fmax(series->peak_kib, r.figure[FIGURE_max_rss_kib]);
  return true;
}

static bool run_all(struct session *s, const struct plan_row *row, bool fresh,
                    struct soak_series *series) {
  size_t n = s->contenders.n;
  unsigned rounds = fresh ? (unsigned)ceil(s->config.seconds / FRESH_S) : 1;
  unsigned *order = lab_zalloc(n * sizeof *order);
  struct progress progress;
  bool good = true;
  progress_start(&progress, n * rounds);
  for (unsigned round = 1; round <= rounds && good; round++) {
    plan_order(order, n, s->config.seed, PASS_SPEED, row->name, round);
    for (size_t i = 0; i < n && good; i++) {
      struct contender *c = &s->contenders.at[order[i]];
      double each = fresh ? FRESH_S + 0.3 : s->config.seconds;
      progress_say(&progress, c->name, each * (double)(progress.total - progress.done), !fresh);
      good = fresh ? run_batch(s, row, c, round, &series[order[i]])
                   : run_server(s, row, c, &series[order[i]]);
      progress.done++;
    }
  }
  progress_clear(&progress);
  free(order);
  return good;
}

static void write_epochs(const struct session *s, const char *row,
                         const struct soak_series *series) {
  FILE *out = open_part(s, "soak.tsv");
  fputs("row\talloc\tepoch\tops_per_s\trss_kib\n", out);
  for (size_t i = 0; i < s->contenders.n; i++)
    for (size_t e = 0; e < series[i].n; e++)
      fprintf(out, "%s\t%s\t%zu\t%.9g\t%.0f\n", row, s->contenders.at[i].name, e + 1,
              series[i].rate[e], series[i].rss_kib[e]);
  fclose(out);
}

static struct table verdict_table(const struct session *s, const struct soak_series *series) {
  static const char *const heads[] = {"allocator", "epochs",      "mean ops/s", "median",
                                      "variation", "speed drift", "RSS drift",  "peak RSS",
                                      "p99/p50",   "<judgement",  NULL};
  struct table t;
  struct soak_figures null = {.variation = NAN, .tail = NAN};
  table_start(&t, heads);
  for (size_t i = 0; i < s->contenders.n; i++)
    if (strcmp(s->contenders.at[i].name, "null") == 0)
      null = soak_measure(&series[i]);
  for (size_t i = 0; i < s->contenders.n; i++) {
    char text[48];
    struct soak_figures f = soak_measure(&series[i]);
    char *judgement = soak_judge(&f, &null);
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%s", s->contenders.at[i].name);
    table_set(&t, 1, COLOUR_PLAIN, "%zu", series[i].n);
    table_set(&t, 2, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, f.mean));
    table_set(&t, 3, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, f.median));
    table_set(&t, 4, COLOUR_PLAIN, "%.2f %%", 100 * f.variation);
    if (isfinite(f.speed_drift))
      table_set(&t, 5, COLOUR_PLAIN, "%+.1f %%", 100 * f.speed_drift);
    if (isfinite(f.rss_drift))
      table_set(&t, 6, COLOUR_PLAIN, "%+.1f %%", 100 * f.rss_drift);
    table_set(&t, 7, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, series[i].peak_kib * 1024));
    if (isfinite(f.tail))
      table_set(&t, 8, COLOUR_PLAIN, "%.3f", f.tail);
    table_set(&t, 9, COLOUR_PLAIN, "%s%s%s", judgement, series[i].note[0] ? "; " : "",
              series[i].note);
    free(judgement);
  }
  return t;
}

static void add_null(struct config *c) {
  size_t n;
  const struct roster_entry *all = roster_all(&n);
  for (size_t i = 0; c->allocs.n == 0 && i < n; i++)
    if (all[i].is_default)
      strings_add(&c->allocs, all[i].name);
  if (!strings_has(&c->allocs, "null"))
    strings_add(&c->allocs, "null");
}

static bool settle(struct config *c) {
  bool fresh = c->rest.n == 1 && strcmp(c->rest.at[0], "fresh") == 0;
  if (c->rest.n > 0 && !fresh)
    lab_refuse("soak takes the word fresh or nothing, not '%s'.", c->rest.at[0]);
  if (!c->lanes_said) {
    lanes_named(&c->lanes, "main_r90");
    c->lanes_said = true;
  }
  if (c->touch < 0)
    c->touch = TOUCH_EDGES;
  if (c->seconds <= 0)
    c->seconds = SOAK_S;
  if (c->timeout_s < 2 * c->seconds + 60)
    c->timeout_s = 2 * c->seconds + 60;
  add_null(c);
  config_settle(c);
  return fresh;
}

int command_soak(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  config_parse(&config, argc, argv, about, "[fresh]");
  bool fresh = settle(&config);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  const struct plan_row *row = &s.plan.rows[0];
  struct soak_series *series = lab_zalloc(s.contenders.n * sizeof *series);
  run_all(&s, row, fresh, series);
  write_epochs(&s, row->name, series);
  struct table t = verdict_table(&s, series);
  FILE *page = open_part(&s, "soak.md");
  fprintf(page, "# Soak of %s, %s\n\n", row->name,
          fresh ? "a fresh process for each sample" : "one process in epochs of one second");
  table_markdown(&t, page);
  fclose(page);
  printf("\n%s, %s\n", row->name, fresh ? "fresh processes" : "one process in epochs");
  table_print(&t, stdout, false);
  table_clear(&t);
  for (size_t i = 0; i < s.contenders.n; i++)
    soak_clear(&series[i]);
  free(series);
  session_close(&s);
  return interrupt_seen() != 0 ? 128 + interrupt_seen() : LAB_EXIT_OK;
}
