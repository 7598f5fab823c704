/* ab: B against A in paired rounds until the interval is narrow or the budget is spent; a verdict
 * and a record of it. */
#include "bench/lab/ab_record.h"
#include "bench/lab/build.h"
#include "bench/lab/commands.h"
#include "bench/lab/decide.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/runner.h"
#include "bench/lab/summary.h"
#include "bench/lab/where.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 2000, BUDGET_S = 1200 };

static const char about[] =
    "Judges B against A: paired rounds on the gate lanes until the interval is narrower than the "
    "threshold or the budget (20 minutes) is spent, then GO, NO-GO or NEUTRAL, and a record.\v"
    "A.so B.so are two shared objects. hz4 NAME builds //hz4:libhz4.so and //hz4:libhz4_NAME.so. "
    "archive/hz4/NAME builds the revision its README names with and without its patch. --lane "
    "names the "
    "lanes the estimate is about (all gate lanes); the gate lanes are measured either way. "
    "The word build-level judges at +0.5 % instead of +1.0 %, the word only leaves the gate lanes "
    "out. Exit status: 0 judged, 1 a cell "
    "failed.";

/* Effect: the lanes of the estimate stay in *targets; the config then names them and the gate
 * lanes. */
static void choose_lanes(struct config *c, struct strings *targets, bool only) {
  for (size_t i = 0; c->lanes_said && i < c->lanes.n; i++)
    strings_add(targets, c->lanes.at[i]);
  if (!only)
    lanes_named(&c->lanes, "gate");
  if (!c->lanes_said)
    lanes_named(targets, "gate");
  c->lanes_said = true;
}

static void settle(struct config *c, struct strings *targets, bool only) {
  choose_lanes(c, targets, only);
  if (c->touch < 0)
    c->touch = TOUCH_NONE;
  if (c->budget_s <= 0)
    c->budget_s = BUDGET_S;
  if (c->runs == 0)
    c->runs = ROUNDS_MAX;
  if (c->seconds <= 0)
    c->seconds = 1;
  c->rss_runs = 0;
  config_settle(c);
}

/* One lane's ratios so far. */
struct pairs {
  struct decide_lane *lanes;
  double **ratios;
  size_t n;
  unsigned rounds;
};

static void pairs_start(struct pairs *p, const struct session *s, const struct strings *targets) {
  p->n = s->plan.n;
  p->rounds = 0;
  p->lanes = lab_zalloc(p->n * sizeof *p->lanes);
  p->ratios = lab_zalloc(p->n * sizeof *p->ratios);
  for (size_t i = 0; i < p->n; i++) {
    const struct plan_row *row = &s->plan.rows[i];
    p->ratios[i] = lab_zalloc((size_t)s->config.runs * sizeof **p->ratios);
    p->lanes[i] = (struct decide_lane){
        row->name, row->lane == NULL || strings_has(targets, row->lane->name), p->ratios[i]};
  }
}

/* Effect: one cell of A and one of B in drawn order, journalled. Returns: false when the run ends.
 */
static bool run_pair(struct session *s, struct progress *progress, const struct plan_row *row,
                     unsigned round, double left_s, double *ratio, bool *failed) {
  unsigned order[2];
  double figure[2] = {NAN, NAN};
  plan_order(order, 2, s->config.seed, PASS_SPEED, row->name, round);
  for (unsigned i = 0; i < 2; i++) {
    struct cell_result r;
    struct contender *c = &s->contenders.at[order[i]];
    struct cell_wish wish = {.row = row,
                             .contender = c,
                             .pass = PASS_SPEED,
                             .round = round,
                             .position = i + 1,
                             .seconds = s->config.seconds};
    char *what = lab_format("round %u  %s  %s", round, row->name, c->name);
    progress_say(progress, what, left_s, false);
    free(what);
    if (!run_cell(s, &wish, &r))
      return false;
    journal_add(&s->journal, &r);
    progress->done++;
    if (r.status == CELL_OK)
      figure[order[i]] = r.figure[FIGURE_ops_per_s];
    if (r.status != CELL_OK && r.status != CELL_INVALID && !s->config.allow_fail) {
      progress_clear(progress);
      fprintf(stderr, "lab: %s failed on %s: %s: %s\n", c->name, row->name, status_name(r.status),
              r.detail);
      *failed = true;
      return false;
    }
  }
  *ratio = figure[1] / figure[0];
  return true;
}

static bool run_round(struct session *s, struct progress *progress, struct pairs *p, double left_s,
                      bool *failed) {
  unsigned *order = lab_zalloc(p->n * sizeof *order);
  bool good = true;
  plan_order(order, p->n, s->config.seed, PASS_SPEED, "lanes", p->rounds + 1);
  for (size_t i = 0; i < p->n && good; i++)
    good = run_pair(s, progress, &s->plan.rows[order[i]], p->rounds + 1, left_s,
                    &p->ratios[order[i]][p->rounds], failed);
  if (good)
    p->rounds++;
  free(order);
  return good;
}

/* Effect: rounds until narrow, out of budget, interrupted or failed. */
static struct decide_result run_rounds(struct session *s, struct pairs *p, double threshold,
                                       bool *failed) {
  struct progress progress;
  struct decide_result result = decide(p->lanes, p->n, 0, threshold);
  progress_start(&progress, 0); /* how many cells it takes is what the run finds out */
  while (p->rounds < (unsigned)s->config.runs) {
    double elapsed = progress_elapsed_s(&progress);
    double round_s = p->rounds > 0 ? elapsed / p->rounds : 0;
    if (elapsed + round_s > s->config.budget_s)
      break;
    if (!run_round(s, &progress, p, s->config.budget_s - elapsed, failed))
      break;
    result = decide(p->lanes, p->n, p->rounds, threshold);
    if (decide_is_settled(&result, threshold))
      break;
  }
  progress_clear(&progress);
  return result;
}

/* What the words beside the pair ask for. */
struct manner {
  bool build_level; /* the threshold of a build-level change */
  bool only;        /* the named lanes alone: no gate lanes beside them */
};

/* Effect: takes the manner out of the words; what is left names the pair. */
static struct manner name_pair(struct config *c) {
  struct manner manner = {0};
  struct build_pair pair;
  size_t kept = 0;
  for (size_t i = 0; i < c->rest.n; i++) {
    if (strcmp(c->rest.at[i], "build-level") == 0)
      manner.build_level = true;
    else if (strcmp(c->rest.at[i], "only") == 0)
      manner.only = true;
    else
      c->rest.at[kept++] = c->rest.at[i];
  }
  if (manner.only && !c->lanes_said)
    lab_refuse("the word only needs --lane.");
  build_pair_find(&pair, c->rest.at, kept);
  for (int i = 0; i < 2; i++) {
    strings_add(&c->allocs, pair.name[i]);
    strings_take(&c->objects, lab_format("%s=%s", pair.name[i], pair.path[i]));
  }
  return manner;
}

int command_ab(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  struct strings targets = {0};
  struct pairs pairs;
  bool failed = false;
  config_parse(&config, argc, argv, about,
               "A.so B.so | GENERATION BOX | archive/GENERATION/BOX  [build-level] [only]");
  if (config.resume != NULL)
    lab_refuse("ab does not resume; its rounds must stand in one run.");
  if (config.linked)
    lab_refuse("ab preloads the two shared objects it judges; it takes no --linked.");
  struct manner manner = name_pair(&config);
  settle(&config, &targets, manner.only);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  build_forget(); /* what is measured is pinned by now */
  double threshold = manner.build_level ? DECIDE_BUILD_THRESHOLD : DECIDE_RUN_TIME_THRESHOLD;
  pairs_start(&pairs, &s, &targets);
  struct decide_result result = run_rounds(&s, &pairs, threshold, &failed);
  struct ab_record record = {.session = &s,
                             .lanes = pairs.lanes,
                             .lanes_n = pairs.n,
                             .rounds = pairs.rounds,
                             .result = result,
                             .threshold = threshold};
  ab_record_write(&record);
  ab_record_print(&record, stdout);
  session_close(&s);
  if (interrupt_seen() != 0)
    return 128 + interrupt_seen();
  return failed ? LAB_EXIT_CELL_FAILED : LAB_EXIT_OK;
}
