#include "bench/lab/report.h"

#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 240 };

static json_t *number(double value) {
  if (!isfinite(value))
    return json_null();
  return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value)
                                                     : json_real(value);
}

static json_t *pair(struct interval i) {
  json_t *both = json_array();
  json_array_append_new(both, number(i.low));
  json_array_append_new(both, number(i.high));
  return both;
}

static json_t *cell_json(const struct judged_cell *c) {
  json_t *one = json_object();
  json_object_set_new(one, "rounds", json_integer(c->rounds));
  json_object_set_new(one, "failed", json_integer(c->failed));
  json_object_set_new(one, "invalid", json_integer(c->invalid));
  json_object_set_new(one, "ops", number(c->median));
  json_object_set_new(one, "opsInterval", pair(c->interval));
  json_object_set_new(one, "spread", number(c->spread));
  json_object_set_new(one, "ratio", number(c->ratio));
  json_object_set_new(one, "ratioInterval", pair(c->ratio_interval));
  json_object_set_new(one, "verdict", json_string(verdict_words(c->verdict)));
  json_object_set_new(one, "rssKib", number(c->peak_rss_kib));
  json_object_set_new(one, "liveBytes", number(c->live_bytes));
  json_object_set_new(one, "rssPerLive", number(c->rss_per_live));
  json_object_set_new(one, "afterKib",
                      number(isfinite(c->idle_rss_kib) ? c->idle_rss_kib : c->freed_rss_kib));
  json_object_set_new(one, "remotePct", number(c->remote_pct));
  json_object_set_new(one, "remoteAskedPct", number(c->remote_asked_pct));
  json_object_set_new(one, "warmTurnovers", number(c->warm_turnovers));
  json_object_set_new(one, "cold", json_boolean(judge_is_cold(c)));
  json_object_set_new(one, "faults", number(c->minor_faults));
  json_object_set_new(one, "userS", number(c->user_s));
  json_object_set_new(one, "sysS", number(c->sys_s));
  json_object_set_new(one, "note", json_string(c->note));
  if (isfinite(c->p50_ns)) {
    json_t *latency = json_array();
    const double at[] = {c->p50_ns, c->p99_ns, c->p999_ns, c->p9999_ns, c->max_ns};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
      json_array_append_new(latency, number(at[i]));
    json_object_set_new(one, "latencyNs", latency);
    json_object_set_new(one, "timedOps", number(c->timed_ops));
  }
  return one;
}

static double floor_of(const struct journal *j, const char *row) {
  const struct cell_result *r = journal_find(j, PASS_FLOOR, row, "null", 1);
  return r != NULL && r->status == CELL_OK ? r->figure[FIGURE_ops_per_s] : NAN;
}

static json_t *rows_json(const struct run_folder *f) {
  json_t *rows = json_array();
  json_t *plans = json_object_get(json_object_get(f->meta, "plan"), "rows");
  for (size_t i = 0; i < f->verdicts.rows_n; i++) {
    const struct judged_row *row = &f->verdicts.rows[i];
    json_t *cells = json_array();
    for (size_t a = 0; a < f->allocs_n; a++)
      json_array_append_new(cells, cell_json(&row->cells[a]));
    json_t *one = json_pack("{s:s, s:i, s:i, s:o}", "name", row->name, "bestPeer", row->best_peer,
                            "leader", row->leader, "cells", cells);
    for (size_t p = 0; p < json_array_size(plans); p++) {
      json_t *plan = json_array_get(plans, p);
      const char *name = json_string_value(json_object_get(plan, "name"));
      if (name != NULL && strcmp(name, row->name) == 0)
        json_object_set(one, "plan", plan);
    }
    json_object_set_new(one, "floor", number(floor_of(&f->journal, row->name)));
    json_array_append_new(rows, one);
  }
  return rows;
}

/* Returns: [[seconds, KiB], …] of one curve file, thinned; NULL when there is none. */
static json_t *curve_json(const char *path) {
  char *text = proc_text(path);
  if (text == NULL)
    return NULL;
  size_t lines = 0, n = 0;
  for (const char *c = text; *c != '\0'; c++)
    lines += *c == '\n';
  size_t keep_every = lines / CURVE_POINTS + 1;
  json_t *points = json_array();
  for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line + 1, '\n')) {
    double t_s, rss_kib;
    bool marked = strstr(line + 1, "FREED") == line + 1 + strcspn(line + 1, "F\n");
    if (sscanf(line + 1, "%lf,%lf", &t_s, &rss_kib) == 2 && (n++ % keep_every == 0 || marked)) {
      json_t *point = json_array();
      json_array_append_new(point, json_real(t_s));
      json_array_append_new(point, json_real(rss_kib));
      json_array_append_new(points, point);
    }
  }
  free(text);
  return points;
}

static json_t *curves_json(const struct run_folder *f) {
  json_t *all = json_object();
  for (size_t i = 0; i < f->verdicts.rows_n; i++) {
    json_t *row = json_object();
    for (size_t a = 0; a < f->allocs_n; a++) {
      char *path =
          lab_format("%s/curves/%s.%s.1.csv", f->path, f->verdicts.rows[i].name, f->allocs[a].name);
      json_t *curve = curve_json(path);
      if (curve != NULL)
        json_object_set_new(row, f->allocs[a].name, curve);
      free(path);
    }
    if (json_object_size(row) > 0)
      json_object_set(all, f->verdicts.rows[i].name, row);
    json_decref(row);
  }
  return all;
}

/* Returns: every raw cell as one array each, after an array of column names. */
static json_t *raw_json(const struct journal *j) {
  json_t *lines = json_array();
  json_t *head = json_array();
  static const char *const first[] = {"pass",     "row",    "alloc", "round",
                                      "position", "status", "detail"};
  for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
    json_array_append_new(head, json_string(first[i]));
  for (int i = 0; i < FIGURE_COUNT; i++)
    json_array_append_new(head, json_string(figure_name((enum figure)i)));
  json_array_append_new(lines, head);
  for (size_t i = 0; i < j->n; i++) {
    const struct cell_result *r = &j->at[i];
    json_t *line = json_pack("[s, s, s, i, i, s, s]", pass_name(r->pass), r->row, r->alloc,
                             (int)r->round, (int)r->position, status_name(r->status), r->detail);
    for (int f = 0; f < FIGURE_COUNT; f++)
      json_array_append_new(line, number(r->figure[f]));
    json_array_append_new(lines, line);
  }
  return lines;
}

json_t *report_run(const struct run_folder *f) {
  json_t *allocs = json_array();
  for (size_t i = 0; i < f->allocs_n; i++)
    json_array_append_new(
        allocs, json_pack("{s:s, s:b}", "name", f->allocs[i].name, "peer", f->allocs[i].is_peer));
  const char *slash = strrchr(f->path, '/');
  json_t *run = json_pack("{s:s, s:O, s:o, s:o, s:o, s:o}", "name", slash ? slash + 1 : f->path,
                          "meta", f->meta, "allocs", allocs, "rows", rows_json(f), "curves",
                          curves_json(f), "raw", raw_json(&f->journal));
  json_object_set_new(run, "otherCpuPct", number(f->verdicts.other_cpu_pct));
  return run;
}

/* Effect: JSON inside a script element: no '<' may stand in it. */
static void write_data(FILE *out, const struct run_folder *runs, size_t n) {
  json_t *all = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(all, report_run(&runs[i]));
  json_t *data = json_pack("{s:o}", "runs", all);
  char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(7));
  for (const char *c = text; c != NULL && *c != '\0'; c++) {
    if (*c == '<')
      fputs("\\u003c", out);
    else
      fputc(*c, out);
  }
  free(text);
  json_decref(data);
}

/* Effect: a script's text; the sequence that would end its element is broken up. */
static void write_script(FILE *out, const char *text) {
  for (const char *end; (end = strstr(text, "</script")) != NULL; text = end + 2)
    fprintf(out, "%.*s<\\/", (int)(end - text), text);
  fputs(text, out);
}

static char *part(const char *relative) {
  char *path = where_built(relative);
  char *text = path != NULL ? proc_text(path) : NULL;
  free(path);
  return text;
}

bool report_write(const char *path, const struct run_folder *runs, size_t n) {
  char *page = part("bench/lab/report/page.html"), *style = part("bench/lab/report/report.css");
  char *script = part("bench/lab/report/report.js"), *plot = part("lab_vega.js");
  bool good = page != NULL && style != NULL && script != NULL;
  FILE *out = good ? fopen(path, "we") : NULL;
  if (good && out == NULL)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  for (char *at = page; good && at != NULL && *at != '\0';) {
    char *mark = strstr(at, "@@");
    if (mark == NULL) {
      fputs(at, out);
      break;
    }
    fprintf(out, "%.*s", (int)(mark - at), at);
    if (strncmp(mark, "@@STYLE@@", 9) == 0)
      fputs(style, out);
    else if (strncmp(mark, "@@PLOT@@", 8) == 0)
      write_script(out, plot != NULL ? plot : "");
    else if (strncmp(mark, "@@DATA@@", 8) == 0)
      write_data(out, runs, n);
    else if (strncmp(mark, "@@SCRIPT@@", 10) == 0)
      write_script(out, script);
    at = strstr(mark + 2, "@@");
    at = at != NULL ? at + 2 : NULL;
  }
  if (out != NULL) {
    bool bad = fflush(out) != 0 || ferror(out);
    if (fclose(out) != 0 || bad)
      lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  }
  free(page);
  free(style);
  free(script);
  free(plot);
  return good;
}
