#include "bench/lab/conditions.h"

#include "bench/lab/cell.h"
#include "bench/lab/procfs.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_QUICK_MIB = 512, WARM_MIB = 2048 };
#define FLOOR_SECONDS_MAX 0.5

static void note_warmth(struct session *s, const char *row, const char *log) {
  double mib, first, again, worst;
  char *text = proc_text(log);
  const char *line = text != NULL ? strstr(text, "WARM ") : NULL;
  if (line != NULL && sscanf(line,
                             "WARM mib=%lf first_ns_per_page=%lf again_ns_per_page=%lf "
                             "again_max_ns_per_page=%lf",
                             &mib, &first, &again, &worst) == 4) {
    char *load = proc_text("/proc/loadavg");
    json_t *all = json_object_get(s->meta, "conditions");
    json_object_set_new(all, row,
                        json_pack("{s:f, s:f, s:f, s:f, s:s}", "warmed_mib", mib,
                                  "first_touch_ns_per_page", first, "again_ns_per_page", again,
                                  "again_max_ns_per_page", worst, "load_average",
                                  load != NULL ? load : ""));
    free(load);
  }
  free(text);
}

static bool warm(struct session *s, const struct plan_row *row) {
  char *program = where_built("bench/lab/warm");
  struct memory_state memory = plan_memory_now();
  double mib = s->config.quick ? WARM_QUICK_MIB : WARM_MIB;
  if (isfinite(memory.available_kib) && mib > memory.available_kib / 1024 / 4)
    mib = memory.available_kib / 1024 / 4;
  if (program == NULL || mib < 2) {
    free(program);
    return true;
  }
  char *amount = lab_format("%.0f", mib);
  char *argv[] = {program, amount, NULL};
  char *env[] = {NULL};
  char *log = lab_format("%s/%s.warm.log", s->raw, row->name);
  struct cell_result r;
  struct cell_spec spec = {.argv = argv,
                           .env = env,
                           .directory = s->scratch,
                           .log_path = log,
                           .timeout_s = 60,
                           .whole_process = true};
  result_clear(&r);
  unlink(log);
  bool good = cell_run(s->launcher, &spec, &r);
  if (good && r.status == CELL_OK)
    note_warmth(s, row->name, log);
  free(log);
  free(amount);
  free(program);
  return good;
}

static bool run_floor(struct session *s, const struct plan_row *row, double seconds) {
  const struct roster_entry *entry = roster_find("null");
  char *path = where_built(s->config.linked ? "bench/linked/null/probe" : entry->built);
  if (path == NULL || row->lane == NULL || (row->lane->flags & LANE_APP) != 0 || s->config.check ||
      journal_find(&s->journal, PASS_FLOOR, row->name, entry->name, 1) != NULL) {
    free(path);
    return true;
  }
  struct contender null = {.source = path, .is_linked = s->config.linked};
  snprintf(null.name, sizeof null.name, "%s", entry->name);
  char *name = contender_pin_name(&null);
  null.pin = pin_copy(s->pins, path, name);
  struct cell_wish wish = {.row = row,
                           .contender = &null,
                           .pass = PASS_FLOOR,
                           .round = 1,
                           .position = 1,
                           .seconds = fmin(seconds, FLOOR_SECONDS_MAX)};
  struct cell_result r;
  bool good = run_cell(s, &wish, &r);
  if (good && r.status == CELL_OK)
    journal_add(&s->journal, &r);
  else if (good)
    session_note(s, "no floor for %s: the null allocator ended by %s", row->name, r.detail);
  free(name);
  free(null.pin.path);
  free(path);
  return good;
}

bool conditions_look(struct session *s, const struct plan_row *row, double seconds) {
  if (json_object_get(s->meta, "conditions") == NULL)
    json_object_set_new(s->meta, "conditions", json_object());
  return warm(s, row) && run_floor(s, row, seconds);
}

double conditions_floor(const struct journal *j, const char *row) {
  const struct cell_result *r = journal_find(j, PASS_FLOOR, row, "null", 1);
  return r != NULL && r->status == CELL_OK ? r->figure[FIGURE_ops_per_s] : NAN;
}
