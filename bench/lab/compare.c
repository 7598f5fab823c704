/* compare: every allocator, same conditions, one verdict. */
#include "bench/lab/against.h"
#include "bench/lab/commands.h"
#include "bench/lab/icount.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/os_calls.h"
#include "bench/lab/profile.h"
#include "bench/lab/report.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/summary.h"
#include "bench/lab/where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char about[] = "Compares allocators: every one under the same conditions, in "
                            "interleaved rounds, with intervals."
                            "\vA quick run (the default) takes at most five minutes and leaves "
                            "lanes out; --record is what to "
                            "quote. The folder of the results is the last line printed. Exit "
                            "status: 0 complete, 1 a cell failed, "
                            "2 refused, 128 + signal interrupted.";

static const char about_full[] =
    "The whole matrix: every lane, touched and untouched, eleven rounds, memory, then profiles. "
    "The scorecard's kernel calls close it. Hours; safe to "
    "leave alone for a night.\v--resume DIR goes on with the first cell that is missing.";

static void list_everything(void) {
  size_t n;
  const struct lane *lanes = lanes_all(&n);
  printf("lanes (q: in a quick run, s: in --record, t: touched in a quick run too):\n");
  for (size_t i = 0; i < n; i++)
    printf("  %-18s %c%c%c  %s %s\n", lanes[i].name, lanes[i].flags & LANE_QUICK ? 'q' : '-',
           lanes[i].flags & LANE_STANDARD ? 's' : '-',
           lanes[i].flags & LANE_QUICK_TOUCH ? 't' : '-', lanes[i].workload, lanes[i].args);
  const struct roster_entry *allocs = roster_all(&n);
  printf("allocators:\n");
  for (size_t i = 0; i < n; i++) {
    char *path = allocs[i].built != NULL ? where_built(allocs[i].built) : lab_copy("the C library");
    printf("  %-18s %s%s\n", allocs[i].name,
           path == NULL        ? "not built with the lab"
           : allocs[i].is_peer ? "peer"
                               : "ours",
           allocs[i].is_default ? "" : ", by name only");
    free(path);
  }
}

/* Effect: report.html, and the comparison with an earlier run where one was named. */
static void read_back(const struct session *s) {
  struct run_folder folder;
  run_folder_load(&folder, s->dir);
  if (!s->config.no_report) {
    char *path = lab_format("%s/report.html", s->dir);
    if (!report_write(path, &folder, 1))
      fprintf(stderr, "lab: no report.html: its page was not built with the lab.\n");
    free(path);
  }
  if (s->config.against != NULL) {
    struct run_folder then;
    char *path = where_typed(s->config.against);
    run_folder_load(&then, path);
    against_print(&folder, &then, stdout);
    run_folder_clear(&then);
    free(path);
  }
  run_folder_clear(&folder);
}

static int exit_status(enum run_outcome outcome) {
  if (outcome == RUN_INTERRUPTED)
    return 128 + interrupt_seen();
  return outcome == RUN_CELL_FAILED ? LAB_EXIT_CELL_FAILED : LAB_EXIT_OK;
}

/* Effect: runs, judges and reports a settled config. Returns: the exit status. */
static int measure(struct launcher *l, const struct config *config, bool with_profiles) {
  struct session s;
  if (!session_open(&s, l, config))
    return 128 + interrupt_seen();
  enum run_outcome outcome = run_plan(&s);
  if (outcome == RUN_COMPLETE && with_profiles && !profile_rows(&s))
    outcome = RUN_INTERRUPTED;
  if (outcome == RUN_COMPLETE && s.config.os_calls && !os_calls_run(&s, stdout))
    outcome = RUN_INTERRUPTED;
  if (outcome == RUN_INTERRUPTED)
    fprintf(stderr, "\ninterrupted: this is what is done; --resume %s goes on.\n", s.dir);
  struct verdicts v = summary_judge(&s);
  summary_print(&s, &v, stdout, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL);
  summary_write(&s, &v);
  verdicts_clear(&v);
  session_finish(&s);
  read_back(&s);
  session_close(&s);
  return exit_status(outcome);
}

/* Effect: an earlier run that cannot be read is refused before anything is measured. */
static void check_against(const struct config *config) {
  if (config->against == NULL)
    return;
  struct run_folder then;
  char *path = where_typed(config->against);
  run_folder_load(&then, path);
  run_folder_clear(&then);
  free(path);
}

/* Effect: keeps the one-thread lanes of the config; all of them where none was named. */
static void choose_counted(struct config *c) {
  struct strings kept = {0};
  if (!c->lanes_said)
    lanes_named(&c->lanes, "one-thread");
  for (size_t i = 0; i < c->lanes.n; i++)
    if (icount_can(lanes_find(c->lanes.at[i])))
      strings_add(&kept, c->lanes.at[i]);
  if (kept.n == 0)
    lab_refuse(
        "--icount counts lanes of one thread that end by iterations; none is among those named.");
  c->lanes = kept;
  c->lanes_said = true;
  if (c->touch < 0)
    c->touch = TOUCH_NONE;
}

static int count(struct launcher *l, struct config *config) {
  struct session s;
  choose_counted(config);
  config_settle(config);
  if (!session_open(&s, l, config))
    return 128 + interrupt_seen();
  icount_run(&s, stdout);
  session_close(&s);
  return interrupt_seen() != 0 ? 128 + interrupt_seen() : LAB_EXIT_OK;
}

int command_compare(struct launcher *l, int argc, char **argv) {
  struct config config;
  config_parse(&config, argc, argv, about, NULL);
  if (config.list) {
    list_everything();
    return LAB_EXIT_OK;
  }
  if (config.icount)
    return count(l, &config);
  check_against(&config);
  config_settle(&config);
  return measure(l, &config, false);
}

/* Effect: the whole matrix in the specification's order: the suite, then mt_remote. */
static void choose_full(struct config *c) {
  struct strings all = {0};
  lanes_named(&all, "full");
  lanes_named(&all, "standard");
  for (int mt = 0; mt < 2; mt++)
    for (size_t i = 0; i < all.n; i++)
      if ((strcmp(lanes_find(all.at[i])->workload, "mt_remote") == 0) == mt)
        strings_add(&c->lanes, all.at[i]);
  c->lanes_said = true;
  strings_clear(&all);
}

int command_full(struct launcher *l, int argc, char **argv) {
  struct config config;
  config_parse(&config, argc, argv, about_full, NULL);
  check_against(&config);
  config.quick = false;
  config.os_calls = true;
  if (!config.lanes_said)
    choose_full(&config);
  config_settle(&config);
  return measure(l, &config, true);
}
