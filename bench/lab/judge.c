#include "bench/lab/judge.h"

#include "bench/lab/random.h"
#include "bench/lab/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Samples of one figure. Invariant: every value is finite. */
struct samples {
  double *at;
  size_t n;
};

static void add_sample(struct samples *s, double value) {
  if (!isfinite(value))
    return;
  s->at = lab_realloc(s->at, (s->n + 1) * sizeof *s->at);
  s->at[s->n++] = value;
}

static bool counts(const struct cell_result *r) {
  return r->status == CELL_OK;
}

static bool is_of(const struct cell_result *r, enum cell_pass pass, const char *row,
                  const char *alloc) {
  return r->pass == pass && strcmp(r->row, row) == 0 && strcmp(r->alloc, alloc) == 0;
}

static struct samples collect(const struct journal *j, enum cell_pass pass, const char *row,
                              const char *alloc, enum figure figure) {
  struct samples s = {0};
  for (size_t i = 0; i < j->n; i++)
    if (counts(&j->at[i]) && is_of(&j->at[i], pass, row, alloc))
      add_sample(&s, j->at[i].figure[figure]);
  return s;
}

static double median_of(const struct journal *j, enum cell_pass pass, const char *row,
                        const char *alloc, enum figure figure) {
  struct samples s = collect(j, pass, row, alloc, figure);
  double median = stats_median(s.at, s.n);
  free(s.at);
  return median;
}

static double least_of(const struct samples *s) {
  double least = NAN;
  for (size_t i = 0; i < s->n; i++)
    if (!(least <= s->at[i]))
      least = s->at[i];
  return least;
}

/* Returns: the memory pass' median; the speed pass' where there was no memory pass. */
static double memory_median(const struct journal *j, const char *row, const char *alloc,
                            enum figure figure) {
  double median = median_of(j, PASS_MEMORY, row, alloc, figure);
  return isfinite(median) ? median : median_of(j, PASS_SPEED, row, alloc, figure);
}

static void take_failures(struct judged_cell *cell, const struct journal *j, const char *row,
                          const char *alloc) {
  for (size_t i = 0; i < j->n; i++) {
    const struct cell_result *r = &j->at[i];
    if (counts(r) || !is_of(r, r->pass, row, alloc))
      continue;
    if (r->status == CELL_INVALID)
      cell->invalid++;
    else
      cell->failed++;
    if (cell->note[0] == '\0')
      snprintf(cell->note, sizeof cell->note, "%.12s: %.120s", status_name(r->status), r->detail);
  }
}

static void take_memory(struct judged_cell *cell, const struct journal *j, const char *row,
                        const char *alloc) {
  cell->peak_rss_kib = memory_median(j, row, alloc, FIGURE_max_rss_kib);
  cell->live_bytes = memory_median(j, row, alloc, FIGURE_live_high_bytes);
  cell->rss_per_live = cell->live_bytes > 0 ? cell->peak_rss_kib * 1024 / cell->live_bytes : NAN;
  cell->freed_rss_kib = median_of(j, PASS_MEMORY, row, alloc, FIGURE_freed_rss_kib);
  cell->idle_rss_kib = median_of(j, PASS_MEMORY, row, alloc, FIGURE_idle_1s_rss_kib);
}

static void take_latency(struct judged_cell *cell, const struct journal *j, const char *row,
                         const char *alloc) {
  cell->timed_ops = median_of(j, PASS_LATENCY, row, alloc, FIGURE_ops_per_s);
  cell->p50_ns = median_of(j, PASS_LATENCY, row, alloc, FIGURE_p50_ns);
  cell->p99_ns = median_of(j, PASS_LATENCY, row, alloc, FIGURE_p99_ns);
  cell->p999_ns = median_of(j, PASS_LATENCY, row, alloc, FIGURE_p999_ns);
  cell->p9999_ns = median_of(j, PASS_LATENCY, row, alloc, FIGURE_p9999_ns);
  cell->max_ns = median_of(j, PASS_LATENCY, row, alloc, FIGURE_max_ns);
}

static void take_cell(struct judged_cell *cell, const struct journal *j, const char *row,
                      const char *alloc, uint64_t seed) {
  memset(cell, 0, sizeof *cell);
  struct samples speed = collect(j, PASS_SPEED, row, alloc, FIGURE_ops_per_s);
  cell->rounds = (unsigned)speed.n;
  cell->median = stats_median(speed.at, speed.n);
  cell->spread = stats_spread(speed.at, speed.n);
  cell->interval = stats_median_interval(speed.at, speed.n, random_seed_for(seed, row));
  cell->ratio = NAN;
  cell->ratio_interval = (struct interval){NAN, NAN};
  cell->remote_pct = median_of(j, PASS_SPEED, row, alloc, FIGURE_effective_remote_pct);
  cell->remote_asked_pct = median_of(j, PASS_SPEED, row, alloc, FIGURE_requested_remote_pct);
  struct samples warm = collect(j, PASS_SPEED, row, alloc, FIGURE_warm_turnovers);
  cell->warm_turnovers = least_of(&warm);
  free(warm.at);
  cell->minor_faults = median_of(j, PASS_SPEED, row, alloc, FIGURE_minor_faults);
  cell->user_s = median_of(j, PASS_SPEED, row, alloc, FIGURE_user_s);
  cell->sys_s = median_of(j, PASS_SPEED, row, alloc, FIGURE_sys_s);
  take_memory(cell, j, row, alloc);
  take_latency(cell, j, row, alloc);
  take_failures(cell, j, row, alloc);
  free(speed.at);
}

unsigned judge_ratio(const struct journal *j, const char *row, const char *a, const char *b,
                     uint64_t seed, double *ratio, struct interval *interval) {
  struct samples ratios = {0};
  for (size_t i = 0; i < j->n; i++) {
    const struct cell_result *mine = &j->at[i];
    if (!counts(mine) || !is_of(mine, PASS_SPEED, row, a))
      continue;
    const struct cell_result *theirs = journal_find(j, PASS_SPEED, row, b, mine->round);
    if (theirs != NULL && counts(theirs) && theirs->figure[FIGURE_ops_per_s] > 0)
      add_sample(&ratios, mine->figure[FIGURE_ops_per_s] / theirs->figure[FIGURE_ops_per_s]);
  }
  unsigned n = (unsigned)ratios.n;
  *ratio = stats_median(ratios.at, n);
  *interval = stats_median_interval(ratios.at, n, random_seed_for(seed, row));
  free(ratios.at);
  return n;
}

static enum verdict verdict_of(const struct judged_cell *cell) {
  if (cell->rounds_paired < 2) /* one ratio has no interval */
    return VERDICT_NONE;
  if (cell->ratio_interval.low > 1)
    return VERDICT_FASTER;
  if (cell->ratio_interval.high < 1)
    return VERDICT_SLOWER;
  return VERDICT_SAME;
}

static void find_best(struct judged_row *row, const struct judge_alloc *allocs, size_t n) {
  row->best_peer = row->leader = -1;
  for (size_t i = 0; i < n; i++) {
    double median = row->cells[i].median;
    if (!isfinite(median))
      continue;
    if (row->leader < 0 || median > row->cells[row->leader].median)
      row->leader = (int)i;
    if (allocs[i].is_peer && (row->best_peer < 0 || median > row->cells[row->best_peer].median))
      row->best_peer = (int)i;
  }
}

static void compare_row(struct judged_row *row, const struct journal *j,
                        const struct judge_alloc *allocs, size_t n, uint64_t seed) {
  /* Without a peer the leader is what the others are compared with. */
  int base = row->best_peer >= 0 ? row->best_peer : row->leader;
  for (size_t i = 0; i < n && base >= 0; i++) {
    struct judged_cell *cell = &row->cells[i];
    cell->rounds_paired = judge_ratio(j, row->name, allocs[i].name, allocs[base].name, seed,
                                      &cell->ratio, &cell->ratio_interval);
    cell->verdict = (int)i == base ? VERDICT_BASE : verdict_of(cell);
  }
}

static double other_load(const struct journal *j) {
  struct samples s = {0};
  for (size_t i = 0; i < j->n; i++)
    if (counts(&j->at[i]))
      add_sample(&s, j->at[i].figure[FIGURE_other_cpu_pct]);
  double median = stats_median(s.at, s.n);
  free(s.at);
  return median;
}

static bool row_has_results(const struct journal *j, const char *row) {
  for (size_t i = 0; i < j->n; i++)
    if (strcmp(j->at[i].row, row) == 0)
      return true;
  return false;
}

struct verdicts judge(const struct journal *j, const char *const *rows, size_t rows_n,
                      const struct judge_alloc *allocs, size_t allocs_n, uint64_t seed) {
  struct verdicts v = {.allocs_n = allocs_n, .other_cpu_pct = other_load(j)};
  v.rows = lab_zalloc(rows_n * sizeof *v.rows);
  for (size_t i = 0; i < rows_n; i++) {
    if (!row_has_results(j, rows[i]))
      continue;
    struct judged_row *row = &v.rows[v.rows_n++];
    snprintf(row->name, sizeof row->name, "%s", rows[i]);
    row->cells = lab_zalloc(allocs_n * sizeof *row->cells);
    for (size_t a = 0; a < allocs_n; a++) {
      take_cell(&row->cells[a], j, rows[i], allocs[a].name, seed);
      if (row->cells[a].rounds > row->rounds)
        row->rounds = row->cells[a].rounds;
    }
    find_best(row, allocs, allocs_n);
    compare_row(row, j, allocs, allocs_n, seed);
  }
  return v;
}

bool judge_is_cold(const struct judged_cell *cell) {
  return cell->warm_turnovers < JUDGE_WARM_TURNOVERS;
}

const char *verdict_words(enum verdict v) {
  switch (v) {
  case VERDICT_BASE:
    return "best peer";
  case VERDICT_FASTER:
    return "faster";
  case VERDICT_SLOWER:
    return "slower";
  case VERDICT_SAME:
    return "no difference seen";
  default:
    return "-";
  }
}

void verdicts_clear(struct verdicts *v) {
  for (size_t i = 0; i < v->rows_n; i++)
    free(v->rows[i].cells);
  free(v->rows);
  *v = (struct verdicts){0};
}
