/* profile: perf record of each allocator on a lane, the busiest functions side by side,
 * perf_stat.tsv. */
#include "bench/lab/cell.h"
#include "bench/lab/commands.h"
#include "bench/lab/counters.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/profile.h"
#include "bench/lab/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char about[] = "Profiles every allocator on a lane (main_r90 unless --lane names "
                            "others) by perf at 999 Hz on the "
                            "software clock, and writes the busiest functions side by side.\v"
                            "Writes profile.ROW.md, raw/ROW.ALLOC.profile.txt and perf_stat.tsv.";

static void write_stat(FILE *out, const struct cell_result *r) {
  static const enum figure figures[] = {
      FIGURE_ops_per_s,
      FIGURE_wall_s,
      FIGURE_user_s,
      FIGURE_sys_s,
      FIGURE_minor_faults,
      FIGURE_major_faults,
      FIGURE_voluntary_switches,
      FIGURE_involuntary_switches,
      FIGURE_cycles,
      FIGURE_instructions,
      FIGURE_cache_misses,
      FIGURE_branch_misses,
      FIGURE_dtlb_misses,
  };
  const size_t n = sizeof figures / sizeof figures[0];
  if (r == NULL) {
    fputs("row\talloc", out);
    for (size_t i = 0; i < n; i++)
      fprintf(out, "\t%s", figure_name(figures[i]));
    fputs("\treason_without_counters\n", out);
    return;
  }
  fprintf(out, "%s\t%s", r->row, r->alloc);
  for (size_t i = 0; i < n; i++)
    if (isfinite(r->figure[figures[i]]))
      fprintf(out, "\t%.9g", r->figure[figures[i]]);
    else
      fputc('\t', out);
  fprintf(out, "\t%s\n", counters_refusal() ? counters_refusal() : "");
}

static FILE *open_part(const struct session *s, const char *name) {
  char *path = lab_format("%s/%s", s->dir, name);
  FILE *out = fopen(path, "we");
  if (out == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  free(path);
  return out;
}

/* Effect: fills one column of the table's rows with a profile. */
static void show(const struct session *s, const struct profile *profiles, const char *const *why,
                 FILE *out, bool markdown) {
  const char **heads = lab_zalloc((s->contenders.n + 2) * sizeof *heads);
  struct table t;
  heads[0] = "#";
  for (size_t i = 0; i < s->contenders.n; i++)
    heads[i + 1] = lab_format("<%s", s->contenders.at[i].name);
  table_start(&t, heads);
  for (unsigned line = 0; line < PROFILE_HOTTEST; line++) {
    table_row(&t);
    table_set(&t, 0, COLOUR_PLAIN, "%u", line + 1);
    for (size_t i = 0; i < s->contenders.n; i++) {
      const struct profile *p = &profiles[i];
      if (line < p->n)
        table_set(&t, i + 1, COLOUR_PLAIN, "%4.1f %% %.34s (%.20s)", p->at[line].percent,
                  p->at[line].name, p->at[line].object);
      else if (line == 0 && why[i] != NULL)
        table_set(&t, i + 1, COLOUR_BAD, "%s", why[i]);
    }
  }
  if (markdown)
    table_markdown(&t, out);
  else
    table_print(&t, out, false);
  table_clear(&t);
  for (size_t i = 0; i < s->contenders.n; i++)
    free((char *)(size_t)heads[i + 1]);
  free(heads);
}

/* Returns: false when interrupted. */
static bool profile_row(struct session *s, const struct plan_row *row, FILE *stat) {
  struct profile *profiles = lab_zalloc(s->contenders.n * sizeof *profiles);
  const char **why = lab_zalloc(s->contenders.n * sizeof *why);
  bool good = true;
  for (size_t i = 0; i < s->contenders.n && good; i++) {
    struct cell_result r;
    struct cell_wish wish = {.row = row,
                             .contender = &s->contenders.at[i],
                             .pass = PASS_SPEED,
                             .round = 1,
                             .seconds = s->config.seconds};
    char *report = lab_format("%s/%s.%s.profile.txt", s->raw, row->name, s->contenders.at[i].name);
    fprintf(stderr, "profiling %s under %s\n", row->name, s->contenders.at[i].name);
    good = run_cell(s, &wish, &r);
    if (good)
      write_stat(stat, &r);
    why[i] = good ? profile_cell(s, &wish, report, &profiles[i]) : "interrupted";
    good = good && interrupt_seen() == 0;
    free(report);
  }
  char *name = lab_format("profile.%s.md", row->name);
  FILE *page = open_part(s, name);
  fprintf(page, "# Busiest functions on %s\n\n", row->name);
  show(s, profiles, why, page, true);
  fclose(page);
  printf("\n%s\n", row->name);
  show(s, profiles, why, stdout, false);
  free(name);
  free(why);
  free(profiles);
  return good;
}

bool profile_rows(struct session *s) {
  FILE *stat = open_part(s, "perf_stat.tsv");
  bool good = true, few = s->plan.n <= PROFILE_ALL_ROWS;
  write_stat(stat, NULL);
  for (size_t i = 0; i < s->plan.n && good; i++) {
    const struct lane *lane = s->plan.rows[i].lane;
    if (few || (lane != NULL && (lane->flags & LANE_GATE) != 0))
      good = profile_row(s, &s->plan.rows[i], stat);
  }
  fclose(stat);
  return good;
}

int command_profile(struct launcher *l, int argc, char **argv) {
  struct config config;
  struct session s;
  config_parse(&config, argc, argv, about, NULL);
  if (!config.lanes_said) {
    lanes_named(&config.lanes, "main_r90");
    config.lanes_said = true;
  }
  if (config.touch < 0)
    config.touch = TOUCH_NONE;
  if (config.seconds <= 0)
    config.seconds = 2;
  config_settle(&config);
  if (!session_open(&s, l, &config))
    return 128 + interrupt_seen();
  profile_rows(&s);
  session_close(&s);
  return interrupt_seen() != 0 ? 128 + interrupt_seen() : LAB_EXIT_OK;
}
