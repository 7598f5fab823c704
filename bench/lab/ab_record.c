#include "bench/lab/ab_record.h"

#include "bench/lab/judge.h"
#include "bench/lab/profile.h"
#include "bench/lab/table.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HOTTEST_SHOWN = 2 };

static const char *name_of(const struct ab_record *r, int which) {
  return r->session->contenders.at[which].name;
}

static double median_of(const struct ab_record *r, size_t row, int which) {
  const struct journal *j = &r->session->journal;
  double *values = lab_zalloc((j->n + 1) * sizeof *values);
  size_t n = 0;
  for (size_t i = 0; i < j->n; i++)
    if (j->at[i].status == CELL_OK && strcmp(j->at[i].row, r->lanes[row].name) == 0 &&
        strcmp(j->at[i].alloc, name_of(r, which)) == 0)
      values[n++] = j->at[i].figure[FIGURE_ops_per_s];
  double median = stats_median(values, n);
  free(values);
  return median;
}

/* Returns: the interval of one lane's gains; *estimate their median. */
static struct interval lane_gain(const struct ab_record *r, size_t row, double *estimate) {
  double *gains = lab_zalloc((r->rounds + 1) * sizeof *gains);
  size_t n = 0;
  for (unsigned i = 0; i < r->rounds; i++)
    if (isfinite(r->lanes[row].ratios[i]))
      gains[n++] = r->lanes[row].ratios[i] - 1;
  *estimate = stats_median(gains, n);
  struct interval interval = stats_median_interval_exact(gains, n, 0.95);
  free(gains);
  return interval;
}

/* Returns: threads and remote share of a row, as its arguments say; ownership: the caller's. */
static char *phase_of(const struct plan_row *row) {
  unsigned threads, remote;
  if (row->lane == NULL)
    return lab_copy("whole program");
  if (strcmp(row->lane->workload, "mt_remote") == 0 &&
      sscanf(row->lane->args, "%u %*u %*u %*u %*u %u", &threads, &remote) == 2)
    return lab_format("%u threads, %u %% remote", threads, remote);
  return lab_copy(row->lane->flags & LANE_ONE_THREAD ? "1 thread" : row->lane->workload);
}

static struct table lanes_table(const struct ab_record *r) {
  const char *const heads[] = {"lane",    "<phase",        "A ops/s", "B ops/s",
                               "B/A - 1", "95 % interval", "<role",   NULL};
  struct table t;
  char text[32];
  table_start(&t, heads);
  for (size_t i = 0; i < r->lanes_n; i++) {
    double gain;
    struct interval interval = lane_gain(r, i, &gain);
    char *phase = phase_of(&r->session->plan.rows[i]);
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%s", r->lanes[i].name);
    table_set(&t, 1, COLOUR_PLAIN, "%s", phase);
    table_set(&t, 2, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, median_of(r, i, 0)));
    table_set(&t, 3, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, median_of(r, i, 1)));
    table_set(&t, 4, COLOUR_PLAIN, "%+.2f %%", 100 * gain);
    if (isfinite(interval.low))
      table_set(&t, 5, COLOUR_PLAIN, "[%+.2f, %+.2f] %%", 100 * interval.low, 100 * interval.high);
    else
      table_set(&t, 5, COLOUR_PLAIN, "too few rounds");
    table_set(&t, 6, (int)i == r->result.lost ? COLOUR_BAD : COLOUR_PLAIN, "%s%s",
              r->lanes[i].is_target ? "target" : "gate", (int)i == r->result.lost ? ", lost" : "");
    free(phase);
  }
  return t;
}

static void write_verdict(const struct ab_record *r, FILE *out) {
  const struct decide_result *d = &r->result;
  fprintf(out, "%s: %s.\n", decision_name(d->decision), d->reason);
  if (isfinite(d->interval.low))
    fprintf(
        out,
        "Estimate over the target lanes: %+.2f %%, 95 %% interval [%+.2f, %+.2f] %%, %u rounds.\n",
        100 * d->estimate, 100 * d->interval.low, 100 * d->interval.high, d->rounds);
}

void ab_record_print(const struct ab_record *r, FILE *out) {
  struct table t = lanes_table(r);
  fprintf(out, "\nA: %s\nB: %s\n\n", name_of(r, 0), name_of(r, 1));
  table_print(&t, out, false);
  fputc('\n', out);
  write_verdict(r, out);
  table_clear(&t);
}

static void write_hottest(const struct ab_record *r, FILE *out) {
  struct session *s = r->session;
  size_t row = 0;
  while (row + 1 < r->lanes_n && !r->lanes[row].is_target)
    row++;
  fprintf(out, "\n## Hottest functions on %s\n\n", r->lanes[row].name);
  for (int which = 0; which < 2; which++) {
    struct profile p;
    struct cell_wish wish = {.row = &s->plan.rows[row],
                             .contender = &s->contenders.at[which],
                             .pass = PASS_SPEED,
                             .round = 1,
                             .seconds = fmax(s->config.seconds, 1)};
    char *report =
        lab_format("%s/%s.%s.profile.txt", s->raw, r->lanes[row].name, name_of(r, which));
    const char *why = r->rounds > 0 ? profile_cell(s, &wish, report, &p) : "no round was completed";
    fprintf(out, "- %s: ", which == 0 ? "A" : "B");
    for (size_t i = 0; why == NULL && i < p.n && i < HOTTEST_SHOWN; i++)
      fprintf(out, "%s`%s` in %s %.1f %%", i > 0 ? ", " : "", p.at[i].name, p.at[i].object,
              p.at[i].percent);
    fprintf(out, "%s\n", why != NULL ? why : "");
    free(report);
  }
}

static void write_risk(const struct ab_record *r, FILE *out) {
  double worst = INFINITY;
  size_t at = 0;
  for (size_t i = 0; i < r->lanes_n; i++) {
    double gain;
    struct interval interval = lane_gain(r, i, &gain);
    if (interval.low < worst) {
      worst = interval.low;
      at = i;
    }
  }
  if (isfinite(worst))
    fprintf(out,
            "\n## Risk\n\nThe least favourable end of any lane's interval: %+.2f %% on %s. Not "
            "measured "
            "here: memory, other thread counts, other machines.\n",
            100 * worst, r->lanes[at].name);
  else
    fputs("\n## Risk\n\nToo few rounds to bound a loss on any lane.\n", out);
}

static void write_page(const struct ab_record *r, FILE *out) {
  struct session *s = r->session;
  char *command = strings_join(&s->config.words, " ");
  const char *commit =
      json_string_value(json_object_get(json_object_get(s->meta, "revision"), "commit"));
  json_t *cpu = json_object_get(json_object_get(s->meta, "machine"), "cpu");
  fprintf(out, "# %s against %s\n\n", name_of(r, 1), name_of(r, 0));
  write_verdict(r, out);
  fprintf(out, "\n- Verdict: %s\n", decision_name(r->result.decision));
  if (r->result.decision != DECISION_GO)
    fprintf(out, "- Lost because: %s.\n", r->result.reason);
  fprintf(out, "- Command: `%s`\n- Seed: %llu\n- Threshold: %+.1f %%\n", command,
          (unsigned long long)s->config.seed, 100 * r->threshold);
  for (int which = 0; which < 2; which++)
    fprintf(out, "- %s: %s, SHA-256 `%s`\n", which == 0 ? "A" : "B", name_of(r, which),
            s->contenders.at[which].pin.sha256);
  fprintf(out, "- Measured at: %s\n- Machine: %s, %lld CPUs, Linux %s\n\n",
          commit ? commit : "unknown", json_string_value(json_object_get(cpu, "model")),
          (long long)json_integer_value(json_object_get(cpu, "online")),
          json_string_value(json_object_get(json_object_get(s->meta, "machine"), "kernel")));
  struct table t = lanes_table(r);
  table_markdown(&t, out);
  table_clear(&t);
  if (!s->config.no_report)
    write_hottest(r, out);
  write_risk(r, out);
  free(command);
}

static FILE *open_record(const struct ab_record *r, const char *suffix) {
  char *folder = lab_format("%s/record", r->session->dir);
  char *path = lab_format("%s/%s_against_%s.%s", folder, name_of(r, 1), name_of(r, 0), suffix);
  FILE *out = where_make(folder) ? fopen(path, "we") : NULL;
  if (out == NULL)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  free(folder);
  free(path);
  return out;
}

void ab_record_write(const struct ab_record *r) {
  FILE *page = open_record(r, "md");
  write_page(r, page);
  fclose(page);
  FILE *cells = open_record(r, "tsv");
  result_write_head(cells);
  for (size_t i = 0; i < r->session->journal.n; i++)
    result_write(cells, &r->session->journal.at[i]);
  fclose(cells);
}
