#include "bench/lab/against.h"

#include "bench/lab/table.h"
#include "bench/lab/text.h"

#include <math.h>
#include <string.h>

static const struct judged_cell *cell_of(const struct run_folder *f, const char *row,
                                         const char *alloc) {
  for (size_t i = 0; i < f->verdicts.rows_n; i++)
    for (size_t a = 0; a < f->allocs_n && strcmp(f->verdicts.rows[i].name, row) == 0; a++)
      if (strcmp(f->allocs[a].name, alloc) == 0)
        return &f->verdicts.rows[i].cells[a];
  return NULL;
}

static void add_line(struct table *t, const char *row, const char *alloc,
                     const struct judged_cell *now, const struct judged_cell *then) {
  char text[32];
  /* Without turns taken, only intervals of the medians that do not touch say anything. */
  bool apart = now->interval.low > then->interval.high || now->interval.high < then->interval.low;
  table_row(t);
  table_set(t, 0, COLOUR_PLAIN, "%s", row);
  table_set(t, 1, COLOUR_PLAIN, "%s", alloc);
  table_set(t, 2, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, then->median));
  table_set(t, 3, COLOUR_PLAIN, "%s", text_rate(text, sizeof text, now->median));
  table_set(t, 4, COLOUR_PLAIN, "%.3f", now->median / then->median);
  table_set(t, 5, COLOUR_PLAIN, "%s", apart ? "intervals apart" : "intervals overlap");
  table_set(t, 6, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, then->peak_rss_kib * 1024));
  table_set(t, 7, COLOUR_PLAIN, "%s", text_bytes(text, sizeof text, now->peak_rss_kib * 1024));
}

void against_print(const struct run_folder *now, const struct run_folder *then, FILE *out) {
  static const char *const heads[] = {"row",      "<allocator", "then",    "now", "now/then",
                                      "<medians", "RSS then",   "RSS now", NULL};
  struct strings differences = {0};
  struct table t;
  run_folder_differences(now, then, &differences);
  fprintf(out, "\nAgainst %s%s\n", then->path,
          differences.n == 0 ? ": machine, files and settings are the same"
                             : ", where it differs:");
  for (size_t i = 0; i < differences.n; i++)
    fprintf(out, "  %s\n", differences.at[i]);
  table_start(&t, heads);
  for (size_t i = 0; i < now->verdicts.rows_n; i++)
    for (size_t a = 0; a < now->allocs_n; a++) {
      const struct judged_cell *old =
          cell_of(then, now->verdicts.rows[i].name, now->allocs[a].name);
      const struct judged_cell *fresh = &now->verdicts.rows[i].cells[a];
      if (old != NULL && isfinite(old->median) && isfinite(fresh->median))
        add_line(&t, now->verdicts.rows[i].name, now->allocs[a].name, fresh, old);
    }
  if (t.rows > 1)
    table_print(&t, out, false);
  else
    fputs("  no row and allocator is in both.\n", out);
  table_clear(&t);
  strings_clear(&differences);
}
