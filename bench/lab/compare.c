/* compare: every allocator, same conditions, one verdict. */
#include "bench/lab/commands.h"
#include "bench/lab/interrupt.h"
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

static void write_report(const struct session *s) {
  struct run_folder folder;
  char *path = lab_format("%s/report.html", s->dir);
  run_folder_load(&folder, s->dir);
  if (!report_write(path, &folder, 1))
    fprintf(stderr, "lab: no report.html: its page was not built with the lab.\n");
  run_folder_clear(&folder);
  free(path);
}

static int exit_status(enum run_outcome outcome) {
  if (outcome == RUN_INTERRUPTED)
    return 128 + interrupt_seen();
  return outcome == RUN_CELL_FAILED ? LAB_EXIT_CELL_FAILED : LAB_EXIT_OK;
}

int command_compare(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  config_parse(&config, argc, argv, about, NULL);
  if (config.list) {
    list_everything();
    return LAB_EXIT_OK;
  }
  config_settle(&config);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  enum run_outcome outcome = run_plan(&s);
  if (outcome == RUN_INTERRUPTED)
    fprintf(stderr, "\ninterrupted: this is what is done; --resume %s goes on.\n", s.dir);
  struct verdicts v = summary_judge(&s);
  summary_print(&s, &v, stdout, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL);
  summary_write(&s, &v);
  verdicts_clear(&v);
  session_finish(&s);
  if (!config.no_report)
    write_report(&s);
  session_close(&s);
  return exit_status(outcome);
}
