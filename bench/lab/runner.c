#include "bench/lab/runner.h"

#include "bench/lab/cell.h"
#include "bench/lab/conditions.h"
#include "bench/lab/counters.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANG_LEAST_S = 15, HANG_FACTOR = 10, HOLD_MS = 1100, HOLD_QUICK_MS = 250 };
enum { LATENCY_ROUNDS = 3 };
enum { WARM_S = 60, WARM_QUICK_S = 10 }; /* bound of mt_remote's warm-up */
#define OVERHEAD_FIRST_S 0.3             /* of a cell beside its timed phase, before any has run */
#define SECONDS_LEAST 0.12
#define REPORT_RESERVE_S 6.0

const char *run_lane_args(const struct config *c, const struct lane *lane) {
  return c->short_args && lane->short_args != NULL ? lane->short_args : lane->args;
}

struct strings run_argv(struct session *s, const struct plan_row *row, const struct contender *who,
                        double seconds, uint64_t workload_seed) {
  const struct config *c = &s->config;
  struct strings argv = {0};
  if (row->lane == NULL) {
    strings_add(&argv, "/bin/sh");
    strings_add(&argv, "-c");
    strings_add(&argv, c->app);
    return argv;
  }
  if ((row->lane->flags & LANE_APP) != 0)
    strings_add(&argv, "/bin/sh");
  strings_add(&argv, session_workload(s, who, row->lane->workload)->pin.path);
  strings_split(&argv, row->args != NULL ? row->args : run_lane_args(c, row->lane), ' ');
  strings_take(&argv, lab_format("--seconds=%.4g", seconds));
  strings_take(&argv, lab_format("--warm-seconds=%d", c->quick ? WARM_QUICK_S : WARM_S));
  strings_take(&argv, lab_format("--scale=%.6g", c->scale));
  strings_take(&argv, lab_format("--touch=%s", row->touch));
  if ((row->lane->flags & LANE_OWN_SEED) == 0)
    strings_take(&argv, lab_format("--seed=%llu", (unsigned long long)workload_seed));
  if (c->classic && strcmp(row->lane->workload, "mt_remote") == 0)
    strings_add(&argv, "--classic");
  if (c->check)
    strings_add(&argv, "--check");
  return argv;
}

static void add_pass_options(struct strings *argv, const struct session *s,
                             const struct cell_wish *wish) {
  if (wish->row->lane == NULL)
    return;
  if (wish->pass == PASS_LATENCY && (wish->row->lane->flags & LANE_APP) == 0)
    strings_add(argv, "--latency");
  if (wish->epoch_ms > 0)
    strings_take(argv, lab_format("--epoch-ms=%u", wish->epoch_ms));
  if (wish->pass == PASS_MEMORY)
    strings_take(argv, lab_format("--hold-ms=%d", s->config.quick ? HOLD_QUICK_MS : HOLD_MS));
}

/* Effect: the timing shim stands before the allocator in LD_PRELOAD. */
static void put_shim_first(struct session *s, struct strings *env) {
  static const char name[] = "LD_PRELOAD=";
  const char *shim = session_shim(s);
  for (size_t i = 0; i < env->n; i++)
    if (strncmp(env->at[i], name, sizeof name - 1) == 0) {
      char *both = lab_format("%s%s:%s", name, shim, env->at[i] + sizeof name - 1);
      free(env->at[i]);
      env->at[i] = both;
    }
}

/* Returns: the file that a cell must be seen to map: what is preloaded, or the program that has its
 * allocator inside. */
static const char *measured_file(struct session *s, const struct cell_wish *wish) {
  if (!wish->contender->is_linked)
    return wish->contender->pin.path;
  return wish->row->lane == NULL
             ? NULL
             : session_workload(s, wish->contender, wish->row->lane->workload)->pin.path;
}

bool run_cell(struct session *s, const struct cell_wish *wish, struct cell_result *r) {
  const struct plan_row *row = wish->row;
  uint64_t seed = plan_workload_seed(s->config.seed, row->name, wish->round);
  struct strings argv = run_argv(s, row, wish->contender, wish->seconds, seed);
  struct strings env = contender_environment(wish->contender, &s->config, s->scratch);
  const char *pass = pass_name(wish->pass);
  const char *who = wish->contender->name;
  char *log = lab_format("%s/%s.%s.%s.%u.log", s->raw, row->name, who, pass, wish->round);
  char *curve = lab_format("%s/%s.%s.%u.csv", s->curves, row->name, who, wish->round);
  add_pass_options(&argv, s, wish);
  if (wish->pass == PASS_LATENCY && (row->lane == NULL || (row->lane->flags & LANE_APP) != 0))
    put_shim_first(s, &env); /* a workload times its own calls; a program cannot */
  if (row->env != NULL)
    strings_split(&env, row->env, ' ');
  struct cell_spec spec = {.argv = argv.at,
                           .env = env.at,
                           .directory = s->scratch,
                           .cpus = s->config.pinned ? &s->config.cpus : NULL,
                           .preload = measured_file(s, wish),
                           .log_path = log,
                           .curve_path = wish->pass == PASS_MEMORY ? curve : NULL,
                           .hang_dir = wish->hang_dir,
                           .timeout_s = s->config.timeout_s,
                           .hang_s = wish->hang_s,
                           .counters = wish->pass == PASS_SPEED,
                           .whole_process = row->lane == NULL};
  result_clear(r);
  r->pass = wish->pass;
  r->round = wish->round;
  r->position = wish->position;
  snprintf(r->row, sizeof r->row, "%s", row->name);
  snprintf(r->alloc, sizeof r->alloc, "%s", who);
  bool good = cell_run(s->launcher, &spec, r);
  free(log);
  free(curve);
  strings_clear(&argv);
  strings_clear(&env);
  return good;
}

/* The state of a run under way. */
struct run {
  struct session *s;
  struct progress progress;
  double budget_end_s; /* on the progress' clock; 0: none */
  double overhead_s;   /* mean of wall minus timed seconds so far */
  size_t cells;
  enum run_outcome outcome;
};

static bool is_done(const struct session *s, enum cell_pass pass, const struct plan_row *row,
                    const struct contender *c, unsigned round) {
  const struct cell_result *r = journal_find(&s->journal, pass, row->name, c->name, round);
  return r != NULL && (r->status == CELL_OK || r->status == CELL_INVALID || s->config.allow_fail);
}

static unsigned rounds_of(const struct session *s, enum cell_pass pass) {
  switch (pass) {
  case PASS_SPEED:
    return (unsigned)s->config.runs;
  case PASS_MEMORY:
    return (unsigned)s->config.rss_runs;
  case PASS_LATENCY:
    return s->config.latency ? LATENCY_ROUNDS : 0;
  default:
    return 0;
  }
}

static size_t missing_in_row(const struct session *s, enum cell_pass pass,
                             const struct plan_row *row) {
  size_t missing = 0;
  for (unsigned round = 1; round <= rounds_of(s, pass); round++)
    for (size_t i = 0; i < s->contenders.n; i++)
      missing += !is_done(s, pass, row, &s->contenders.at[i], round);
  return missing;
}

static size_t missing_in_pass(const struct session *s, enum cell_pass pass) {
  size_t missing = 0;
  for (size_t i = 0; i < s->plan.n; i++)
    missing += missing_in_row(s, pass, &s->plan.rows[i]);
  return missing;
}

static size_t missing_cells(const struct session *s) {
  size_t missing = 0;
  for (int pass = 0; pass < PASS_COUNT; pass++)
    missing += missing_in_pass(s, (enum cell_pass)pass);
  return missing;
}

static double overhead(const struct run *run) {
  return run->cells > 0 ? run->overhead_s : OVERHEAD_FIRST_S;
}

/* Returns: the bound of a cell's timed phase in this row, the same for every allocator; 0 when the
 * budget has no room for the row. */
static double seconds_for_row(const struct run *run) {
  double seconds = run->s->config.seconds;
  size_t left = run->progress.total - run->progress.done;
  if (run->budget_end_s <= 0 || left == 0)
    return seconds;
  /* A cell of the memory pass also waits after its work. */
  double waits = (double)missing_in_pass(run->s, PASS_MEMORY) * HOLD_QUICK_MS / 1000;
  double each = (run->budget_end_s - progress_elapsed_s(&run->progress) - waits) / (double)left;
  double room = each - overhead(run);
  if (room < SECONDS_LEAST && each < SECONDS_LEAST)
    return 0;
  return room < SECONDS_LEAST ? SECONDS_LEAST : room < seconds ? room : seconds;
}

static double left_s(const struct run *run, double seconds) {
  size_t left = run->progress.total - run->progress.done;
  double guess = (double)left * (seconds + overhead(run));
  double budget = run->budget_end_s - progress_elapsed_s(&run->progress);
  return run->budget_end_s > 0 && budget < guess && budget > 0 ? budget : guess;
}

/* Returns: the bound above which a cell of this row and allocator hangs. */
static double hang_bound(const struct session *s, enum cell_pass pass, const struct plan_row *row,
                         const char *alloc) {
  double walls[64];
  size_t n = 0;
  for (unsigned round = 1; round <= rounds_of(s, pass) && n < 64; round++) {
    const struct cell_result *r = journal_find(&s->journal, pass, row->name, alloc, round);
    if (r != NULL && isfinite(r->figure[FIGURE_wall_s]))
      walls[n++] = r->figure[FIGURE_wall_s];
  }
  double bound = n > 0 ? HANG_FACTOR * stats_median(walls, n) : 0;
  return n == 0 ? 0 : bound < HANG_LEAST_S ? HANG_LEAST_S : bound;
}

static void complain(struct run *run, const struct cell_result *r) {
  progress_clear(&run->progress);
  fprintf(stderr,
          "lab: the cell %s / %s / %s pass / round %u failed: %s: %s; see %s/raw/%s.%s.%s.%u.log\n",
          r->row, r->alloc, pass_name(r->pass), r->round, status_name(r->status), r->detail,
          run->s->dir, r->row, r->alloc, pass_name(r->pass), r->round);
}

static void learn(struct run *run, const struct cell_result *r, double seconds) {
  double wall = r->figure[FIGURE_wall_s], timed = r->figure[FIGURE_seconds];
  double beside = wall - (isfinite(timed) && timed < wall ? timed : fmin(seconds, wall));
  if (!isfinite(beside) || r->status != CELL_OK)
    return;
  run->cells++;
  run->overhead_s += (beside + 0.01 - run->overhead_s) / (double)run->cells;
}

/* Returns: false when the run ends here. */
static bool run_one(struct run *run, const struct cell_wish *wish) {
  struct session *s = run->s;
  struct cell_result r;
  char *what = lab_format("%s pass  %s  round %u  %s", pass_name(wish->pass), wish->row->name,
                          wish->round, wish->contender->name);
  progress_say(&run->progress, what, left_s(run, wish->seconds), false);
  free(what);
  if (!run_cell(s, wish, &r)) {
    run->outcome = RUN_INTERRUPTED;
    return false;
  }
  journal_add(&s->journal, &r);
  run->progress.done++;
  learn(run, &r, wish->seconds);
  if (r.status == CELL_OK || r.status == CELL_INVALID)
    return true;
  complain(run, &r);
  if (s->config.allow_fail)
    return true;
  run->outcome = RUN_CELL_FAILED;
  return false;
}

static bool run_round(struct run *run, enum cell_pass pass, const struct plan_row *row,
                      unsigned round, double seconds) {
  struct session *s = run->s;
  unsigned *order = lab_zalloc(s->contenders.n * sizeof *order);
  bool good = true;
  plan_order(order, s->contenders.n, s->config.seed, pass, row->name, round);
  for (size_t i = 0; i < s->contenders.n && good; i++) {
    struct contender *c = &s->contenders.at[order[i]];
    if (is_done(s, pass, row, c, round))
      continue;
    char *hangs =
        lab_format("%s/%s.%s.%s.%u", s->hangs, row->name, c->name, pass_name(pass), round);
    struct cell_wish wish = {.row = row,
                             .contender = c,
                             .pass = pass,
                             .round = round,
                             .position = (unsigned)i + 1,
                             .seconds = seconds,
                             .hang_s = hang_bound(s, pass, row, c->name),
                             .hang_dir = hangs};
    good = run_one(run, &wish);
    free(hangs);
  }
  free(order);
  return good;
}

static void leave_out(struct run *run, enum cell_pass pass, const struct plan_row *row) {
  run->progress.total -= missing_in_row(run->s, pass, row);
  strings_take(&run->s->plan.left_out,
               lab_format("%s (%s pass): no time left in %.0f s for all its rounds", row->name,
                          pass_name(pass), run->s->config.budget_s));
}

/* Returns: the bound this row got when the run was begun, so that a resumed run measures alike. */
static double remembered_seconds(struct run *run, enum cell_pass pass, const struct plan_row *row) {
  char *key = lab_format("%s %s", pass_name(pass), row->name);
  json_t *all = json_object_get(run->s->meta, "row_seconds");
  double seconds = json_number_value(json_object_get(all, key));
  if (all == NULL)
    json_object_set_new(run->s->meta, "row_seconds", all = json_object());
  if (seconds <= 0 && (seconds = seconds_for_row(run)) > 0) {
    json_object_set_new(all, key, json_real(seconds));
    session_save(run->s);
  }
  free(key);
  return seconds;
}

static bool out_of_time(const struct run *run) {
  return run->budget_end_s > 0 && progress_elapsed_s(&run->progress) > run->budget_end_s;
}

/* Returns: false when the run ends here. */
static bool run_row(struct run *run, enum cell_pass pass, const struct plan_row *row) {
  double seconds = remembered_seconds(run, pass, row);
  if (pass == PASS_SPEED && seconds > 0 && !conditions_look(run->s, row, seconds)) {
    run->outcome = RUN_INTERRUPTED;
    return false;
  }
  for (unsigned round = 1; round <= rounds_of(run->s, pass); round++) {
    if (seconds <= 0 || out_of_time(run)) {
      leave_out(run, pass, row);
      return true;
    }
    if (!run_round(run, pass, row, round, seconds))
      return false;
  }
  return true;
}

static bool run_pass(struct run *run, enum cell_pass pass) {
  struct session *s = run->s;
  for (size_t i = 0; i < s->plan.n; i++) {
    struct plan_row *row = &s->plan.rows[i];
    if (missing_in_row(s, pass, row) == 0)
      continue;
    bool good = run_row(run, pass, row);
    if (!good && run->outcome == RUN_CELL_FAILED && s->config.cross128 == GUARD_AUTO &&
        plan_fall_back(&s->plan, row)) {
      run->outcome = RUN_COMPLETE;
      run->progress.total = run->progress.done + missing_cells(s);
      session_refresh_plan(s);
      good = run_row(run, pass, row);
    }
    if (!good)
      return false;
  }
  return true;
}

enum run_outcome run_plan(struct session *s) {
  struct run run = {.s = s};
  progress_start(&run.progress, missing_cells(s));
  if (s->config.budget_s > 0)
    run.budget_end_s = s->config.budget_s - REPORT_RESERVE_S;
  for (int pass = 0; pass < PASS_COUNT; pass++)
    if (rounds_of(s, (enum cell_pass)pass) > 0 && !run_pass(&run, (enum cell_pass)pass))
      break;
  progress_clear(&run.progress);
  const char *why = counters_refusal();
  if (why != NULL && run.cells > 0)
    session_note(s, "hardware counters: %s", why);
  session_refresh_plan(s);
  return run.outcome;
}
