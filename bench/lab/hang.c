/* hang: repeats one lane under one allocator on pinned files until it hangs or N runs are done,
 * then runs the observe build five times whatever happened, and ends in one verdict. */
#include "bench/lab/build.h"
#include "bench/lab/commands.h"
#include "bench/lab/hang_verdict.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/progress.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/stats.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 50, OBSERVE_RUNS = 5, HANG_LEAST_S = 15, HANG_FACTOR = 10 };

static const char about[] =
    "Repeats a lane under one allocator (-n times, 50 unless told) on pinned shared objects. A "
    "cell that "
    "runs past max(15 s, 10 times its median so far) is a hang: threads, maps, stacks and a "
    "profile are saved, and "
    "the repetition stops. Then the observe build runs five times, and one verdict ends it.\v"
    "The allocator is a name of --list or the path of a shared object. --seconds bounds a run's "
    "timed phase; "
    "--timeout overrides the bound of a hang downwards. Writes runs.tsv, progress.log and hang.md. "
    "Exit status: 0 not reproduced, 1 a hang or a failure, 2 refused.";

/* The state of one investigation. */
struct hunt {
  struct session *s;
  FILE *runs;
  FILE *log;
  double *walls;
  unsigned runs_n;
  struct hang_evidence evidence;
};

static FILE *open_part(const struct session *s, const char *name) {
  char *path = lab_format("%s/%s", s->dir, name);
  FILE *out = fopen(path, "we");
  if (out == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  free(path);
  return out;
}

static double bound_of(const struct hunt *h) {
  double median = stats_median(h->walls, h->runs_n);
  double bound = isfinite(median) ? HANG_FACTOR * median : HANG_LEAST_S;
  bound = bound < HANG_LEAST_S ? HANG_LEAST_S : bound;
  return h->s->config.timeout_s < bound ? h->s->config.timeout_s : bound;
}

static void note_run(struct hunt *h, const char *build, const struct cell_result *r) {
  fprintf(h->runs, "%s\t%u\t%s\t%.3f\t%.3f\t%.0f\t%s\n", build, r->round, status_name(r->status),
          r->figure[FIGURE_wall_s], r->figure[FIGURE_user_s] + r->figure[FIGURE_sys_s],
          r->figure[FIGURE_ops_per_s], r->detail);
  fprintf(h->log, "%s run %u: %s%s%s, %.2f s\n", build, r->round, status_name(r->status),
          r->detail[0] != '\0' ? ": " : "", r->detail, r->figure[FIGURE_wall_s]);
  fflush(h->runs);
  fflush(h->log);
}

static bool is_hang(const struct cell_result *r) {
  return r->status == CELL_HANG || r->status == CELL_TIMEOUT;
}

/* Effect: one run. Returns: false when interrupted. */
static bool run_once(struct hunt *h, struct contender *c, unsigned round, const char *build,
                     struct cell_result *r) {
  double bound = bound_of(h);
  char *folder = lab_format("%s/%s.%u", h->s->hangs, build, round);
  struct cell_wish wish = {.row = &h->s->plan.rows[0],
                           .contender = c,
                           .pass = PASS_SPEED,
                           .round = round,
                           .position = 1,
                           .seconds = h->s->config.seconds,
                           .hang_s = bound,
                           .hang_dir = folder};
  bool good = run_cell(h->s, &wish, r);
  if (good) {
    note_run(h, build, r);
    if (is_hang(r))
      hang_evidence_read(&h->evidence, folder);
  }
  free(folder);
  return good;
}

static bool source_changed(const struct contender *c) {
  char hex[SHA256_HEX_BYTES];
  return !sha256_file(c->source, hex) || strcmp(hex, c->pin.sha256) != 0;
}

static bool repeat(struct hunt *h, struct contender *c, unsigned runs) {
  struct progress progress;
  struct cell_result r;
  progress_start(&progress, runs);
  for (unsigned i = 1; i <= runs; i++) {
    double mean = i > 1 ? progress_elapsed_s(&progress) / (i - 1) : -1;
    progress_say(&progress, c->name, mean < 0 ? -1 : mean * (runs - i + 1), false);
    if (!run_once(h, c, i, "standard", &r))
      return false;
    progress.done = i;
    h->evidence.runs = i;
    h->evidence.source_changed |= source_changed(c);
    if (is_hang(&r)) {
      h->evidence.hangs++;
      break;
    }
    if (r.status != CELL_OK && r.status != CELL_INVALID) {
      h->evidence.failures++;
      snprintf(h->evidence.failure, sizeof h->evidence.failure, "%s: %s", status_name(r.status),
               r.detail);
      break;
    }
    h->walls[h->runs_n++] = r.figure[FIGURE_wall_s];
  }
  progress_clear(&progress);
  return true;
}

/* Effect: five runs of the observe build, whatever happened before; an allocator without one is
 * said so. */
static bool observe(struct hunt *h, const struct contender *c) {
  char *relative = lab_format("%s/lib%s_observe.so", c->name, c->name);
  char *path = where_built(relative);
  struct contender watch = {.source = path};
  struct cell_result r;
  bool good = true;
  free(relative);
  if (path == NULL) {
    fprintf(h->log, "%s has no observe build here\n", c->name);
    return true;
  }
  snprintf(watch.name, sizeof watch.name, "%.50s_observe", c->name);
  char *name = lab_format("%s.so", watch.name);
  watch.pin = pin_copy(h->s->pins, path, name);
  for (unsigned i = 1; i <= OBSERVE_RUNS && good; i++) {
    good = run_once(h, &watch, i, "observe", &r);
    h->evidence.observe_runs += good;
    h->evidence.observe_hangs += good && is_hang(&r);
  }
  free(name);
  free(path);
  return good;
}

static void take_target(struct config *c) {
  if (c->rest.n != 2)
    lab_refuse("hang takes LANE ALLOCATOR, as in main_r90 hz4.");
  if (!lanes_named(&c->lanes, c->rest.at[0]))
    lab_refuse("no lane is called '%s'; known: %s.", c->rest.at[0], lanes_known());
  c->lanes_said = true;
  const char *who = c->rest.at[1];
  if (roster_find(who) == NULL && (strchr(who, '/') != NULL || strstr(who, ".so") != NULL)) {
    const char *base = strrchr(who, '/');
    char *name = lab_copy(base != NULL ? base + 1 : who);
    name[strcspn(name, ".")] = '\0';
    strings_take(&c->objects, lab_format("%s=%s", name, who));
    strings_take(&c->allocs, name);
  } else {
    strings_add(&c->allocs, who);
  }
  if (c->touch < 0)
    c->touch = TOUCH_NONE;
  if (c->runs == 0)
    c->runs = RUNS;
  if (c->seconds <= 0)
    c->seconds = 1;
  config_settle(c);
}

int command_hang(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  config_parse(&config, argc, argv, about, "LANE ALLOCATOR");
  if (config.resume != NULL)
    lab_refuse("hang does not resume.");
  if (config.linked)
    lab_refuse("hang preloads the shared object it looks at; it takes no --linked.");
  take_target(&config);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  struct hunt h = {
      .s = &s, .runs = open_part(&s, "runs.tsv"), .log = open_part(&s, "progress.log")};
  h.walls = lab_zalloc((size_t)config.runs * sizeof *h.walls);
  h.evidence.wanted = (unsigned)config.runs;
  fputs("build\trun\tstatus\twall_s\tcpu_s\tops_per_s\tdetail\n", h.runs);
  if (repeat(&h, &s.contenders.at[0], (unsigned)config.runs))
    observe(&h, &s.contenders.at[0]);
  FILE *page = open_part(&s, "hang.md");
  hang_report(&h.evidence, s.plan.rows[0].name, s.contenders.at[0].name, page);
  fclose(page);
  hang_report(&h.evidence, s.plan.rows[0].name, s.contenders.at[0].name, stdout);
  fclose(h.runs);
  fclose(h.log);
  free(h.walls);
  session_close(&s);
  if (interrupt_seen() != 0)
    return 128 + interrupt_seen();
  return h.evidence.hangs + h.evidence.failures > 0 ? LAB_EXIT_CELL_FAILED : LAB_EXIT_OK;
}
