/* sweep: a grid of sizes, threads, remote shares, option values and build flags over chosen lanes,
 * short runs, one heat map. */
#include "bench/lab/build.h"
#include "bench/lab/commands.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/report.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/summary.h"
#include "bench/lab/where.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Measures every point of a grid over the lanes that --lane names (guard_r90 unless told): "
    "KEY=VALUE,VALUE,... for each axis. Axes: threads, size (MIN-MAX), remote, ring, ws, any "
    "variable of the environment by its upper-case name, and build.\v"
    "Example: sweep threads=1,4,16 size=16-256,16-2048,16-32768 remote=0,90 "
    "HZ4_PROFILE=speed,lean. build=FLAG,... builds our generations once more with that flag of "
    "Bazel's, each beside the plain one: build=--copt=-O3,--//tools:box=hz4/remote_batch. A lane "
    "of "
    "one thread has the axes size and ws; ring is 1024 unless it is an axis. Short runs, 3 rounds; "
    "the heat map is report.html.";

enum axis_key { AXIS_THREADS, AXIS_SIZE, AXIS_REMOTE, AXIS_RING, AXIS_WS, AXIS_ENV, AXIS_KINDS };
enum { AXES_MAX = 8, POINTS_MAX = 400 };

static const char *const axis_names[AXIS_ENV] = {"threads", "size", "remote", "ring", "ws"};

struct axis {
  enum axis_key key;
  char *name;
  struct strings values;
};

/* The grid, for the making of the plan: a subcommand runs once. */
static struct axis axes[AXES_MAX];
static size_t axes_n;
static struct strings build_flags; /* the axis of builds: its points are allocators, not rows */

static void check_value(const struct axis *a, const char *value) {
  long low, high;
  char *copy = lab_copy(value);
  char *dash = strchr(copy, '-');
  bool good = true;
  if (a->key == AXIS_SIZE) {
    good = dash != NULL;
    if (good)
      *dash = '\0';
    good = good && text_whole(copy, &low) && text_whole(dash + 1, &high) && low >= 1 && low <= high;
  } else if (a->key != AXIS_ENV) {
    good = text_whole(copy, &low) && low >= (a->key == AXIS_REMOTE ? 0 : 1) &&
           (a->key != AXIS_REMOTE || low <= 100);
  }
  free(copy);
  if (!good)
    lab_refuse("the axis %s does not take '%s'.", a->name, value);
}

static void read_axis(const char *word) {
  const char *equals = strchr(word, '=');
  if (equals == NULL || equals == word || equals[1] == '\0')
    lab_refuse("'%s' is no axis; accepted: KEY=VALUE,VALUE,...", word);
  if (strncmp(word, "build=", 6) == 0) {
    strings_split(&build_flags, equals + 1, ',');
    return;
  }
  if (axes_n == AXES_MAX)
    lab_refuse("a grid has at most %d axes.", AXES_MAX);
  struct axis *a = &axes[axes_n++];
  a->name = lab_format("%.*s", (int)(equals - word), word);
  a->key = AXIS_ENV;
  for (int k = 0; k < AXIS_ENV; k++)
    if (strcmp(axis_names[k], a->name) == 0)
      a->key = (enum axis_key)k;
  if (a->key == AXIS_ENV && !isupper((unsigned char)a->name[0]))
    lab_refuse(
        "no axis is called '%s'; known: threads, size, remote, ring, ws, build, and variables by "
        "their upper-case names.",
        a->name);
  strings_split(&a->values, equals + 1, ',');
  for (size_t i = 0; i < a->values.n; i++)
    check_value(a, a->values.at[i]);
}

/* What a lane's arguments say for each axis; an empty text where it has no such axis. */
struct base {
  char value[AXIS_ENV][32];
};

static struct base base_of(const struct lane *lane) {
  struct base b = {0};
  char low[16], high[16];
  bool several = strcmp(lane->workload, "mt_remote") == 0;
  bool churn = strcmp(lane->workload, "args") == 0 || strcmp(lane->workload, "random_mixed") == 0;
  if (several && sscanf(lane->args, "%31s %*s %31s %15s %15s %31s", b.value[AXIS_THREADS],
                        b.value[AXIS_WS], low, high, b.value[AXIS_REMOTE]) == 5) {
    snprintf(b.value[AXIS_RING], sizeof b.value[AXIS_RING], "%d", LANE_SHORT_RING);
    snprintf(b.value[AXIS_SIZE], sizeof b.value[AXIS_SIZE], "%s-%s", low, high);
  } else if (churn && sscanf(lane->args, "%*s %31s %15s %15s", b.value[AXIS_WS], low, high) == 3) {
    snprintf(b.value[AXIS_SIZE], sizeof b.value[AXIS_SIZE], "%s-%s", low, high);
  }
  return b;
}

/* Returns: the arguments of a lane at a point; NULL: the lane's own; ownership: the caller's. */
static char *args_at(const struct lane *lane, const struct base *b) {
  const char *size = b->value[AXIS_SIZE];
  int low = (int)strcspn(size, "-");
  const char *high = size + low + (size[low] == '-');
  bool alone = strcmp(b->value[AXIS_THREADS], "1") == 0; /* nobody else could free */
  if (b->value[AXIS_THREADS][0] != '\0')
    return lab_format("%s 1000000000 %s %.*s %s %s %s", b->value[AXIS_THREADS], b->value[AXIS_WS],
                      low, size, high, alone ? "0" : b->value[AXIS_REMOTE], b->value[AXIS_RING]);
  if (size[0] != '\0')
    return lab_format("1000000000 %s %.*s %s%s", b->value[AXIS_WS], low, size, high,
                      (lane->flags & LANE_OWN_SEED) != 0 ? " 1" : "");
  return NULL;
}

/* Effect: one row for the point with these values of one lane. */
static void add_point(struct plan *plan, const struct config *c, const struct lane *lane,
                      const size_t *at) {
  struct base b = base_of(lane);
  struct strings name = {0}, env = {0};
  if (c->lanes.n > 1 || axes_n == 0)
    strings_add(&name, lane->name);
  for (size_t i = 0; i < axes_n; i++) {
    const char *v = axes[i].values.at[at[i]];
    if (axes[i].key == AXIS_ENV)
      strings_take(&env, lab_format("%s=%s", axes[i].name, v));
    else if (b.value[axes[i].key][0] == '\0')
      lab_refuse("the lane %s has no axis %s.", lane->name, axes[i].name);
    else
      snprintf(b.value[axes[i].key], sizeof b.value[axes[i].key], "%s", v);
    strings_take(&name, lab_format("%s%s%s", axes[i].key == AXIS_SIZE ? "" : axes[i].name,
                                   axes[i].key == AXIS_ENV ? "=" : "", v));
  }
  plan->rows = lab_realloc(plan->rows, (plan->n + 1) * sizeof *plan->rows);
  struct plan_row *row = &plan->rows[plan->n++];
  char *text = strings_join(&name, "_");
  *row = (struct plan_row){.lane = lane,
                           .args = args_at(lane, &b),
                           .touch = c->touch == TOUCH_EDGES ? "edges" : "none",
                           .env = env.n > 0 ? strings_join(&env, " ") : NULL};
  snprintf(row->name, sizeof row->name, "%.60s", text);
  for (char *slash = row->name; (slash = strchr(slash, '/')) != NULL;)
    *slash = '.'; /* the name is part of file names */
  free(text);
  strings_clear(&name);
  strings_clear(&env);
}

static void add_grid(struct plan *plan, const struct config *c, const struct lane *lane) {
  size_t at[AXES_MAX] = {0};
  for (;;) {
    if (plan->n == POINTS_MAX)
      lab_refuse("the grid has more than %d points.", POINTS_MAX);
    add_point(plan, c, lane, at);
    size_t i = axes_n;
    while (i > 0 && ++at[i - 1] == axes[i - 1].values.n)
      at[--i] = 0;
    if (i == 0)
      return;
  }
}

static void make_grid(struct plan *plan, const struct config *c) {
  for (size_t i = 0; i < c->lanes.n; i++)
    add_grid(plan, c, lanes_find(c->lanes.at[i]));
}

/* Returns: what a flag is called in the name of an allocator: copt_O3; ownership: the caller's. */
static char *flag_name(const char *flag) {
  char *name = lab_zalloc(strlen(flag) + 1), *to = name;
  for (; *flag != '\0'; flag++)
    if (isalnum((unsigned char)*flag) || *flag == '.')
      *to++ = *flag;
    else if (to > name && to[-1] != '_')
      *to++ = '_';
  return name;
}

/* Effect: one allocator more, our generation `e` built with the flag. */
static void add_build(struct config *c, const struct roster_entry *e, const char *flag) {
  const char *tree = where_source();
  if (tree == NULL)
    lab_refuse("only a run through bazelw knows the tree to build from; name builds by --so.");
  char *what = flag_name(flag);
  char *name = lab_format("%s@%.40s", e->name, what);
  char *built = build_file(tree, flag, e->built);
  char *kept = built != NULL ? build_keep(built, name) : NULL;
  if (kept == NULL)
    lab_refuse("%s cannot be built with %s; the messages are above.", e->built, flag);
  strings_take(&c->objects, lab_format("%s=%s", name, kept));
  strings_add(&c->allocs, name);
  free(kept);
  free(built);
  free(name);
  free(what);
}

/* Effect: the axis of builds: every generation of ours that takes part, once for each flag. */
static void add_builds(struct config *c) {
  size_t n, said = c->allocs.n;
  const struct roster_entry *all = roster_all(&n);
  for (size_t i = 0; said == 0 && i < n; i++)
    if (all[i].is_default)
      strings_add(&c->allocs, all[i].name);
  said = c->allocs.n;
  for (size_t i = 0; i < said; i++) {
    const struct roster_entry *e = roster_find(c->allocs.at[i]);
    for (size_t f = 0; e != NULL && strncmp(e->name, "hz", 2) == 0 && f < build_flags.n; f++)
      add_build(c, e, build_flags.at[f]);
  }
}

static void settle(struct config *c) {
  for (size_t i = 0; i < c->rest.n; i++)
    read_axis(c->rest.at[i]);
  if (axes_n == 0 && build_flags.n == 0 && c->resume == NULL)
    lab_refuse("sweep takes at least one axis, as in threads=1,4,16.");
  if (build_flags.n > 0 && c->linked)
    lab_refuse("the axis build makes objects to preload; it takes no --linked.");
  if (build_flags.n > 0 && c->resume == NULL)
    add_builds(c);
  if (c->runs == 0)
    c->runs = 3;
  if (c->seconds <= 0)
    c->seconds = 0.5;
  if (c->rss_runs < 0)
    c->rss_runs = 1;
  if (c->touch < 0)
    c->touch = TOUCH_NONE;
  c->make_plan = make_grid;
  if (!c->lanes_said)
    lanes_named(&c->lanes, "guard_r90");
  c->lanes_said = true;
  config_settle(c);
}

int command_sweep(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  config_parse(&config, argc, argv, about, "KEY=VALUE,VALUE...");
  settle(&config);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  build_forget(); /* what is measured is pinned by now */
  enum run_outcome outcome = run_plan(&s);
  struct verdicts v = summary_judge(&s);
  summary_print(&s, &v, stdout, false);
  summary_write(&s, &v);
  verdicts_clear(&v);
  session_finish(&s);
  struct run_folder folder;
  char *page = lab_format("%s/report.html", s.dir);
  run_folder_load(&folder, s.dir);
  report_write(page, &folder, 1);
  run_folder_clear(&folder);
  free(page);
  session_close(&s);
  if (outcome == RUN_INTERRUPTED)
    return 128 + interrupt_seen();
  return outcome == RUN_CELL_FAILED ? LAB_EXIT_CELL_FAILED : LAB_EXIT_OK;
}
