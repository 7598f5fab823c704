#include "bench/lab/summary.h"

#include "bench/lab/conditions.h"
#include "bench/lab/counters.h"
#include "bench/lab/runner.h"
#include "bench/lab/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OTHER_LOAD_PCT = 5 };
#define REMOTE_STRAY_POINTS 1.0

struct verdicts summary_judge(const struct session *s) {
  const char **rows = lab_zalloc(s->plan.n * sizeof *rows);
  struct judge_alloc *allocs = lab_zalloc(s->contenders.n * sizeof *allocs);
  for (size_t i = 0; i < s->plan.n; i++)
    rows[i] = s->plan.rows[i].name;
  for (size_t i = 0; i < s->contenders.n; i++)
    allocs[i] = (struct judge_alloc){s->contenders.at[i].name, s->contenders.at[i].is_peer};
  struct verdicts v = judge(&s->journal, rows, s->plan.n, allocs, s->contenders.n, s->config.seed);
  free(rows);
  free(allocs);
  return v;
}

static const struct plan_row *plan_row_of(const struct session *s, const char *name) {
  for (size_t i = 0; i < s->plan.n; i++)
    if (strcmp(s->plan.rows[i].name, name) == 0)
      return &s->plan.rows[i];
  return NULL;
}

/* Returns: what a row is, in one line; ownership: the caller's. */
static char *row_title(const struct session *s, const struct judged_row *row) {
  const struct plan_row *plan = plan_row_of(s, row->name);
  const struct lane *lane = plan != NULL ? plan->lane : NULL;
  if (lane == NULL)
    return lab_format("%s: %s, %u rounds", row->name, s->config.app ? s->config.app : "",
                      row->rounds);
  return lab_format("%s: %s %s, blocks %s, %u rounds", row->name, lane->workload,
                    plan->args != NULL ? plan->args : run_lane_args(&s->config, lane),
                    (lane->flags & LANE_APP) != 0      ? "touched as the program does"
                    : strcmp(plan->touch, "none") == 0 ? "untouched"
                                                       : "touched at their pages' edges",
                    row->rounds);
}

static enum table_colour colour_of(const struct judged_cell *cell, bool leads) {
  if (cell->failed > 0 || cell->invalid > 0)
    return COLOUR_BAD;
  if (cell->verdict == VERDICT_FASTER || (leads && cell->verdict == VERDICT_BASE))
    return COLOUR_GOOD;
  return cell->verdict == VERDICT_SAME ? COLOUR_DIM : COLOUR_PLAIN;
}

static void set_verdict(struct table *t, size_t column, const struct judged_cell *cell,
                        bool leads) {
  enum table_colour colour = colour_of(cell, leads);
  char cold[48] = "";
  if (judge_is_cold(cell))
    snprintf(cold, sizeof cold, "; warm-up cut at %.1f of %.0f turns", cell->warm_turnovers,
             JUDGE_WARM_TURNOVERS);
  if (cell->note[0] != '\0' && cell->rounds == 0)
    table_set(t, column, COLOUR_BAD, "%s", cell->note);
  else
    table_set(t, column, cold[0] != '\0' ? COLOUR_BAD : colour, "%s%s%s%s%s",
              verdict_words(cell->verdict), leads && cell->verdict != VERDICT_SAME ? ", leads" : "",
              cell->note[0] != '\0' ? "; " : "", cell->note, cold);
}

static void set_remote(struct table *t, size_t column, const struct judged_cell *cell) {
  if (!isfinite(cell->remote_pct))
    return;
  bool strays = isfinite(cell->remote_asked_pct) &&
                fabs(cell->remote_pct - cell->remote_asked_pct) > REMOTE_STRAY_POINTS;
  table_set(t, column, strays ? COLOUR_BAD : COLOUR_PLAIN, "%.1f %%%s", cell->remote_pct,
            strays ? " !" : "");
}

static void fill_cell(struct table *t, const struct judged_cell *cell, const char *name,
                      bool leads) {
  char text[48];
  enum table_colour colour = colour_of(cell, leads);
  table_row(t);
  table_set(t, 0, leads ? COLOUR_BOLD : COLOUR_PLAIN, "%s", name);
  table_set(t, 1, colour, "%s", text_rate(text, sizeof text, cell->median));
  if (isfinite(cell->spread))
    table_set(t, 2, COLOUR_PLAIN, "±%.1f %%", 100 * cell->spread);
  if (isfinite(cell->ratio)) {
    table_set(t, 3, colour, "%.3f", cell->ratio);
    if (cell->verdict != VERDICT_BASE)
      table_set(t, 4, COLOUR_PLAIN, "[%.3f, %.3f]", cell->ratio_interval.low,
                cell->ratio_interval.high);
  }
  set_verdict(t, 5, cell, leads);
  table_set(t, 6, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, cell->peak_rss_kib * 1024));
  table_set(t, 7, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, cell->live_bytes));
  if (isfinite(cell->rss_per_live))
    table_set(t, 8, COLOUR_PLAIN, "%.2f", cell->rss_per_live);
  double after = isfinite(cell->idle_rss_kib) ? cell->idle_rss_kib : cell->freed_rss_kib;
  table_set(t, 9, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, after * 1024));
  set_remote(t, 10, cell);
}

static struct table row_table(const struct session *s, const struct judged_row *row) {
  static const char *const heads[] = {
      "allocator", "ops/s",       "spread",   "vs best peer", "95 % interval", "<verdict",
      "peak RSS",  "live blocks", "RSS/live", "RSS after",    "remote",        NULL,
  };
  struct table t;
  table_start(&t, heads);
  for (size_t i = 0; i < s->contenders.n; i++)
    fill_cell(&t, &row->cells[i], s->contenders.at[i].name, (int)i == row->leader);
  return t;
}

static unsigned most_rounds(const struct verdicts *v) {
  unsigned most = 0;
  for (size_t i = 0; i < v->rows_n; i++)
    most = v->rows[i].rounds > most ? v->rows[i].rounds : most;
  return most;
}

static bool some_are_cold(const struct verdicts *v) {
  for (size_t i = 0; i < v->rows_n; i++)
    for (size_t a = 0; a < v->allocs_n; a++)
      if (judge_is_cold(&v->rows[i].cells[a]))
        return true;
  return false;
}

/* Effect: what limits the figures: few rounds, shortened cells, load from elsewhere, lanes left
 * out. */
static void write_remarks(const struct session *s, const struct verdicts *v, FILE *out,
                          const char *bullet) {
  unsigned rounds = most_rounds(v);
  if (rounds == 1)
    fprintf(out, "%sOne round has no interval: it says nothing about who is faster.\n", bullet);
  else if (rounds > 0 && rounds < STATS_ROUNDS_FOR_95)
    fprintf(
        out,
        "%sWith %u rounds an interval is the range of the ratios; it holds the true median with "
        "%.0f %% probability, not 95 %%.\n",
        bullet, rounds, 100 * stats_range_coverage(rounds));
  if (s->config.short_args && s->config.app == NULL)
    fprintf(out,
            "%sA quick run: rings of %d slots and short cells. It shows the direction; --record is "
            "for quoting.\n",
            bullet, LANE_SHORT_RING);
  if (s->config.linked)
    fprintf(out,
            "%sLinked: each workload has the allocator's static library inside; nothing is "
            "preloaded.\n",
            bullet);
  if (s->config.scale != 1)
    fprintf(out, "%sIterations and rings are scaled by %g.\n", bullet, s->config.scale);
  if (some_are_cold(v))
    fprintf(out,
            "%sWhere a warm-up was cut short the rings were not full yet: those rows measure "
            "start-up as well.\n",
            bullet);
  if (counters_refusal() != NULL)
    fprintf(out, "%sNo hardware counters here (%s); --icount counts instructions.\n", bullet,
            counters_refusal());
  if (v->other_cpu_pct > OTHER_LOAD_PCT)
    fprintf(out, "%sOther programs used %.0f %% of the machine during the median cell.\n", bullet,
            v->other_cpu_pct);
  for (size_t i = 0; i < s->plan.left_out.n; i++)
    fprintf(out, "%sLeft out: %s.\n", bullet, s->plan.left_out.at[i]);
}

static void print_latency(const struct session *s, const struct judged_row *row, FILE *out,
                          bool colour) {
  static const char *const heads[] = {"allocator",          "p50 ns",    "p99 ns",
                                      "p99.9 ns",           "p99.99 ns", "max ns",
                                      "at x of full speed", NULL};
  struct table t;
  table_start(&t, heads);
  for (size_t i = 0; i < s->contenders.n; i++) {
    const struct judged_cell *c = &row->cells[i];
    const double at[] = {c->p50_ns, c->p99_ns, c->p999_ns, c->p9999_ns, c->max_ns};
    if (!isfinite(c->p50_ns))
      continue;
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%s", s->contenders.at[i].name);
    for (size_t k = 0; k < sizeof at / sizeof at[0]; k++)
      table_set(&t, k + 1, COLOUR_PLAIN, "%.0f", at[k]);
    table_set(&t, 6, COLOUR_PLAIN, "%.2f", c->timed_ops / c->median);
  }
  if (t.rows > 1) {
    fputs("  latency of sampled calls, in a pass of its own (the last column is what the timing "
          "costs):\n",
          out);
    table_print(&t, out, colour);
  }
  table_clear(&t);
}

/* Effect: what the harness itself costs in this row. */
static void print_floor(const struct session *s, const char *row, FILE *out) {
  char text[32];
  double floor = conditions_floor(&s->journal, row);
  if (isfinite(floor))
    fprintf(out, "  (floor: an allocator that does nothing reaches %s ops/s)\n",
            text_rate(text, sizeof text, floor));
}

void summary_print(const struct session *s, const struct verdicts *v, FILE *out, bool colour) {
  for (size_t i = 0; i < v->rows_n; i++) {
    char *title = row_title(s, &v->rows[i]);
    struct table t = row_table(s, &v->rows[i]);
    fprintf(out, "\n%s%s%s\n", colour ? "\033[1m" : "", title, colour ? "\033[0m" : "");
    table_print(&t, out, colour);
    print_floor(s, v->rows[i].name, out);
    print_latency(s, &v->rows[i], out, colour);
    table_clear(&t);
    free(title);
  }
  fputc('\n', out);
  write_remarks(s, v, out, "  ");
  fflush(out);
}

static FILE *open_part(const struct session *s, const char *name) {
  char *path = lab_format("%s/%s", s->dir, name);
  FILE *out = fopen(path, "we");
  if (out == NULL)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  free(path);
  return out;
}

static void close_part(FILE *out, const char *name) {
  bool bad = fflush(out) != 0 || ferror(out);
  if (fclose(out) != 0 || bad)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", name, strerror(errno));
}

static void write_markdown(const struct session *s, const struct verdicts *v) {
  FILE *out = open_part(s, "summary.md");
  char *command = strings_join(&s->config.words, " ");
  fprintf(out, "# Allocators compared\n\n    %s\n\nSeed %llu.\n\n", command,
          (unsigned long long)s->config.seed);
  write_remarks(s, v, out, "- ");
  for (size_t i = 0; i < v->rows_n; i++) {
    char *title = row_title(s, &v->rows[i]);
    struct table t = row_table(s, &v->rows[i]);
    fprintf(out, "\n## %s\n\n", title);
    table_markdown(&t, out);
    table_clear(&t);
    free(title);
  }
  fputs("\n## Shared objects\n\n| allocator | SHA-256 | proof |\n|:---|:---|:---|\n", out);
  for (size_t i = 0; i < s->contenders.n; i++) {
    const struct contender *c = &s->contenders.at[i];
    fprintf(out, "| %s%s%s | `%s` | %s |\n", c->name, c->setting ? " with " : "",
            c->setting ? c->setting : "", c->pin.sha256, c->proof ? c->proof : "");
  }
  close_part(out, "summary.md");
  free(command);
}

static void put(FILE *out, double value) {
  if (isfinite(value))
    fprintf(out, "\t%.9g", value);
  else
    fputc('\t', out);
}

static void write_tsv_line(FILE *out, const char *row, const char *alloc,
                           const struct judged_cell *c, const char *best) {
  fprintf(out, "%s\t%s\t%u\t%u\t%u", row, alloc, c->rounds, c->failed, c->invalid);
  const double figures[] = {c->median,
                            c->interval.low,
                            c->interval.high,
                            c->spread,
                            c->ratio,
                            c->ratio_interval.low,
                            c->ratio_interval.high,
                            c->peak_rss_kib,
                            c->live_bytes,
                            c->rss_per_live,
                            c->freed_rss_kib,
                            c->idle_rss_kib,
                            c->remote_pct,
                            c->warm_turnovers,
                            c->minor_faults,
                            c->user_s,
                            c->sys_s,
                            c->p50_ns,
                            c->p99_ns,
                            c->p999_ns,
                            c->p9999_ns,
                            c->max_ns};
  for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
    put(out, figures[i]);
  fprintf(out, "\t%s\t%s\t%s\n", best, verdict_words(c->verdict), c->note);
}

static void write_tsv(const struct session *s, const struct verdicts *v) {
  FILE *out = open_part(s, "summary.tsv");
  fputs("row\talloc\trounds\tfailed\tinvalid\tops_per_s\tops_low\tops_high\tspread\tratio\t"
        "ratio_low\tratio_high\tpeak_rss_kib\tlive_bytes\trss_per_live\tfreed_rss_kib\t"
        "idle_1s_rss_kib\tremote_pct\twarm_turnovers\tminor_faults\tuser_s\tsys_s\tp50_ns\tp99_"
        "ns\tp999_ns\t"
        "p9999_ns\tmax_ns\tbest_peer\tverdict\tnote\n",
        out);
  for (size_t i = 0; i < v->rows_n; i++) {
    const struct judged_row *row = &v->rows[i];
    int base = row->best_peer >= 0 ? row->best_peer : row->leader;
    for (size_t a = 0; a < v->allocs_n; a++)
      write_tsv_line(out, row->name, s->contenders.at[a].name, &row->cells[a],
                     base >= 0 ? s->contenders.at[base].name : "");
  }
  close_part(out, "summary.tsv");
}

void summary_write(const struct session *s, const struct verdicts *v) {
  write_markdown(s, v);
  write_tsv(s, v);
}
