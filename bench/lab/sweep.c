/* sweep: a grid of sizes, threads, remote shares and option values over one lane, short runs, one
 * heat map. */
#include "bench/lab/commands.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/report.h"
#include "bench/lab/runner.h"
#include "bench/lab/summary.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] = "Measures every point of a grid over mt_remote (or, with threads=1 "
                            "alone, args): KEY=VALUE,VALUE,... for each "
                            "axis. Axes: threads, size (MIN-MAX), remote, ring, ws, and any "
                            "variable of the environment by its "
                            "upper-case name.\v"
                            "Example: sweep threads=1,4,16 size=16-256,16-2048,16-32768 "
                            "remote=0,90 HZ4_PROFILE=speed,lean. Another build of "
                            "an allocator is a point too: --so hz4_flag=PATH. Short runs, 3 "
                            "rounds; the heat map is report.html.";

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
        "no axis is called '%s'; known: threads, size, remote, ring, ws, and variables by their "
        "upper-case names.",
        a->name);
  strings_split(&a->values, equals + 1, ',');
  for (size_t i = 0; i < a->values.n; i++)
    check_value(a, a->values.at[i]);
}

/* Effect: one row for the point with these values. */
static void add_point(struct plan *plan, const struct config *c, const size_t *at) {
  const char *value[AXIS_ENV] = {"16", "16-2048", "90", "1024", "400"};
  struct strings name = {0};
  char *env = NULL;
  for (size_t i = 0; i < axes_n; i++) {
    const char *v = axes[i].values.at[at[i]];
    if (axes[i].key != AXIS_ENV)
      value[axes[i].key] = v;
    else
      env = lab_format("%s=%s", axes[i].name, v);
    strings_take(&name, lab_format("%s%s", axes[i].key == AXIS_SIZE ? "" : axes[i].name, v));
  }
  plan->rows = lab_realloc(plan->rows, (plan->n + 1) * sizeof *plan->rows);
  struct plan_row *row = &plan->rows[plan->n++];
  char *text = strings_join(&name, "_");
  int low = (int)strcspn(value[AXIS_SIZE], "-");
  bool alone = strcmp(value[AXIS_THREADS], "1") == 0; /* nobody else could free */
  *row = (struct plan_row){.lane = lanes_find("main_r90"),
                           .touch = c->touch == TOUCH_EDGES ? "edges" : "none",
                           .env = env};
  row->args = lab_format("%s 1000000000 %s %.*s %s %s %s", value[AXIS_THREADS], value[AXIS_WS], low,
                         value[AXIS_SIZE], value[AXIS_SIZE] + low + 1,
                         alone ? "0" : value[AXIS_REMOTE], value[AXIS_RING]);
  snprintf(row->name, sizeof row->name, "%.60s", text);
  free(text);
  strings_clear(&name);
}

static void make_grid(struct plan *plan, const struct config *c) {
  size_t at[AXES_MAX] = {0};
  for (;;) {
    if (plan->n == POINTS_MAX)
      lab_refuse("the grid has more than %d points.", POINTS_MAX);
    add_point(plan, c, at);
    size_t i = axes_n;
    while (i > 0 && ++at[i - 1] == axes[i - 1].values.n)
      at[--i] = 0;
    if (i == 0)
      return;
  }
}

static void settle(struct config *c) {
  for (size_t i = 0; i < c->rest.n; i++)
    read_axis(c->rest.at[i]);
  if (axes_n == 0 && c->resume == NULL)
    lab_refuse("sweep takes at least one axis, as in threads=1,4,16.");
  if (c->runs == 0)
    c->runs = 3;
  if (c->seconds <= 0)
    c->seconds = 0.5;
  if (c->rss_runs < 0)
    c->rss_runs = 1;
  if (c->touch < 0)
    c->touch = TOUCH_NONE;
  c->make_plan = make_grid;
  lanes_named(&c->lanes, "main_r90");
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
