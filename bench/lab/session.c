#include "bench/lab/session.h"

#include "bench/lab/interrupt.h"
#include "bench/lab/machine.h"
#include "bench/lab/roster.h"
#include "bench/lab/runner.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char *fresh_folder(const struct config *config) {
  char stamp[32];
  time_t now = time(NULL);
  if (config->out != NULL)
    return where_typed(config->out);
  strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime(&now));
  for (int i = 0; i < 100; i++) {
    char *name =
        i == 0 ? lab_format("hz-results/%s", stamp) : lab_format("hz-results/%s-%d", stamp, i + 1);
    char *path = where_typed(name);
    free(name);
    if (access(path, F_OK) != 0)
      return path;
    free(path);
  }
  lab_refuse("hz-results is full of runs of this very second.");
}

static void make_part(char **part, const char *dir, const char *name) {
  *part = lab_format("%s/%s", dir, name);
  if (!where_make(*part))
    lab_refuse("cannot make the folder %s: %s.", *part, strerror(errno));
}

static void make_folders(struct session *s) {
  if (strpbrk(s->dir, " :\t\n") != NULL)
    lab_refuse("%s has a blank or a colon in it, which LD_PRELOAD cannot carry; choose another "
               "folder with --out.",
               s->dir);
  if (!where_make(s->dir))
    lab_refuse("cannot make the folder %s: %s.", s->dir, strerror(errno));
  char *real = realpath(s->dir, NULL);
  if (real == NULL || access(real, W_OK) != 0)
    lab_refuse("cannot write into %s: %s.", s->dir, strerror(errno));
  free(s->dir);
  s->dir = real;
  make_part(&s->raw, s->dir, "raw");
  make_part(&s->pins, s->dir, "pins");
  make_part(&s->curves, s->dir, "curves");
  make_part(&s->scratch, s->dir, "scratch");
  s->hangs = lab_format("%s/hangs", s->dir);
}

static json_t *strings_json(const struct strings *list) {
  json_t *array = json_array();
  for (size_t i = 0; i < list->n; i++)
    json_array_append_new(array, json_string(list->at[i]));
  return array;
}

static json_t *plan_json(const struct session *s) {
  const struct config *c = &s->config;
  json_t *rows = json_array();
  for (size_t i = 0; i < s->plan.n; i++) {
    const struct plan_row *row = &s->plan.rows[i];
    const char *args = row->args ? row->args : row->lane ? run_lane_args(c, row->lane) : c->app;
    json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", row->name, "lane",
                            row->lane ? row->lane->name : "app", "touch", row->touch, "workload",
                            row->lane ? row->lane->workload : "", "args", args);
    json_object_set_new(one, "own_args", json_boolean(row->args != NULL));
    json_object_set_new(one, "env", row->env ? json_string(row->env) : json_null());
    json_array_append_new(rows, one);
  }
  json_t *plan = json_pack(
      "{s:o, s:b, s:b, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:i, s:o}",
      "rows", rows, "quick", c->quick, "short_args", c->short_args, "runs", (json_int_t)c->runs,
      "rss_runs", (json_int_t)c->rss_runs, "scale", c->scale, "seconds", c->seconds, "timeout_s",
      c->timeout_s, "budget_s", c->budget_s, "seed", (json_int_t)c->seed, "classic", c->classic,
      "check", c->check, "latency", c->latency, "linked", c->linked, "os_calls", c->os_calls,
      "allow_fail", c->allow_fail, "cross128", (int)c->cross128, "env", strings_json(&c->env));
  json_object_set_new(plan, "cpus", c->cpu_text ? json_string(c->cpu_text) : json_null());
  json_object_set_new(plan, "app", c->app ? json_string(c->app) : json_null());
  json_object_set_new(plan, "left_out", strings_json(&s->plan.left_out));
  return plan;
}

static json_t *contenders_json(const struct session *s) {
  json_t *list = json_array();
  for (size_t i = 0; i < s->contenders.n; i++) {
    const struct contender *c = &s->contenders.at[i];
    json_t *one =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "name", c->name, "source", c->source,
                  "sha256", c->pin.sha256, "soname", c->facts.soname, "compiler", c->facts.compiler,
                  "peer", c->is_peer, "proof", c->proof != NULL ? c->proof : "");
    json_object_set_new(one, "setting", c->setting ? json_string(c->setting) : json_null());
    struct strings env = contender_environment(c, &s->config, s->scratch);
    json_object_set_new(one, "environment", strings_json(&env));
    strings_clear(&env);
    json_array_append_new(list, one);
  }
  return list;
}

static char *now_text(void) {
  char text[40];
  time_t now = time(NULL);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", localtime(&now));
  return lab_copy(text);
}

static void start_meta(struct session *s) {
  char *now = now_text();
  s->meta = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:[]}", "format", 1, "started", now,
                      "command", strings_json(&s->config.words), "machine", machine_facts(),
                      "revision", machine_revision(), "plan", plan_json(s), "contenders",
                      contenders_json(s), "workloads", json_array(), "notes");
  if (s->meta == NULL)
    lab_refuse("a name or path of this run is not UTF-8.");
  free(now);
}

void session_save(struct session *s) {
  char *path = lab_format("%s/meta.json", s->dir);
  char *fresh = lab_format("%s.fresh", path);
  if (json_dump_file(s->meta, fresh, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 ||
      rename(fresh, path) != 0)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", path, strerror(errno));
  free(fresh);
  free(path);
}

void session_refresh_plan(struct session *s) {
  json_object_set_new(s->meta, "plan", plan_json(s));
  session_save(s);
}

void session_note(struct session *s, const char *format, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0)
    lab_refuse("out of memory.");
  va_end(args);
  json_array_append_new(json_object_get(s->meta, "notes"), json_string(text));
  free(text);
}

/* Effect: one line for each pinned file: hash, name, where it came from. */
static void write_hashes(const struct session *s) {
  char *path = lab_format("%s/dso_sha256.txt", s->dir);
  FILE *out = fopen(path, "we");
  if (out == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  for (size_t i = 0; i < s->contenders.n; i++)
    fprintf(out, "%s  %s  %s\n", s->contenders.at[i].pin.sha256, s->contenders.at[i].name,
            s->contenders.at[i].source);
  for (size_t i = 0; i < s->workloads_n; i++)
    fprintf(out, "%s  workload:%s  %s\n", s->workloads[i].pin.sha256, s->workloads[i].name,
            s->workloads[i].source);
  fclose(out);
  free(path);
}

static struct workload *add_workload(struct session *s, const char *name, const char *source) {
  s->workloads = lab_realloc(s->workloads, (s->workloads_n + 1) * sizeof *s->workloads);
  struct workload *w = &s->workloads[s->workloads_n++];
  *w = (struct workload){.name = lab_copy(name), .source = lab_copy(source)};
  return w;
}

/* Returns: where Bazel put a workload; ownership: the caller's; NULL: it was not built. */
static char *find_workload(const char *name) {
  static const char *const folders[] = {"bench/workloads", "bench/lab", "bench/linked"};
  char *source = NULL;
  for (size_t i = 0; i < sizeof folders / sizeof folders[0] && source == NULL; i++) {
    char *built = lab_format("%s/%s", folders[i], name);
    source = where_built(built);
    free(built);
  }
  return source;
}

/* Returns: NAME, or ALLOCATOR/NAME where the program has the allocator inside; ownership: the
 * caller's. */
static char *workload_name(const struct contender *c, const char *name) {
  const struct roster_entry *e = roster_find(c->name);
  bool is_plain = !c->is_linked || (e != NULL && e->built == NULL);
  return is_plain ? lab_copy(name) : lab_format("%s/%s", c->name, name);
}

/* Returns: the name of a workload's pinned copy behind the hash; ownership: the caller's. */
static char *workload_pin_name(const char *name) {
  char *copy = lab_copy(name);
  for (char *slash = strchr(copy, '/'); slash != NULL; slash = strchr(slash, '/'))
    *slash = '.';
  return copy;
}

static const struct workload *pin_workload(struct session *s, const char *name) {
  char *source = find_workload(name);
  if (source == NULL)
    lab_refuse("the workload %s was not built with the lab.", name);
  struct workload *w = add_workload(s, name, source);
  char *pinned = workload_pin_name(name);
  w->pin = pin_copy(s->pins, source, pinned);
  json_array_append_new(
      json_object_get(s->meta, "workloads"),
      json_pack("{s:s, s:s, s:s}", "name", name, "source", source, "sha256", w->pin.sha256));
  free(pinned);
  free(source);
  return w;
}

const struct workload *session_workload(struct session *s, const struct contender *c,
                                        const char *name) {
  char *full = workload_name(c, name);
  const struct workload *found = NULL;
  for (size_t i = 0; i < s->workloads_n && found == NULL; i++)
    if (strcmp(s->workloads[i].name, full) == 0)
      found = &s->workloads[i];
  if (found == NULL)
    found = pin_workload(s, full);
  free(full);
  return found;
}

const char *session_shim(struct session *s) {
  if (s->shim.path == NULL) {
    char *source = where_built("bench/lab/liblatency.so");
    if (source == NULL)
      lab_refuse("the latency shim was not built with the lab.");
    s->shim = pin_copy(s->pins, source, "liblatency.so");
    free(source);
  }
  return s->shim.path;
}

/* ---- an earlier folder ---- */

static const char *text_in(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static void load_plan(struct session *s, const json_t *plan) {
  struct config *c = &s->config;
  c->quick = json_is_true(json_object_get(plan, "quick"));
  c->short_args = json_is_true(json_object_get(plan, "short_args"));
  c->runs = (long)json_integer_value(json_object_get(plan, "runs"));
  c->rss_runs = (long)json_integer_value(json_object_get(plan, "rss_runs"));
  c->scale = json_number_value(json_object_get(plan, "scale"));
  c->seconds = json_number_value(json_object_get(plan, "seconds"));
  c->timeout_s = json_number_value(json_object_get(plan, "timeout_s"));
  c->seed = (uint64_t)json_integer_value(json_object_get(plan, "seed"));
  c->classic = json_is_true(json_object_get(plan, "classic"));
  c->check = json_is_true(json_object_get(plan, "check"));
  c->latency = json_is_true(json_object_get(plan, "latency"));
  c->os_calls |= json_is_true(json_object_get(plan, "os_calls"));
  c->linked = json_is_true(json_object_get(plan, "linked"));
  c->allow_fail |= json_is_true(json_object_get(plan, "allow_fail"));
  c->cross128 = (enum guard_choice)json_integer_value(json_object_get(plan, "cross128"));
  c->budget_s = 0; /* the time it had is spent; what is missing is what was asked for */
  if (json_is_string(json_object_get(plan, "app")))
    c->app = lab_copy(text_in(plan, "app"));
  if (json_is_string(json_object_get(plan, "cpus"))) {
    c->cpu_text = lab_copy(text_in(plan, "cpus"));
    c->pinned = config_cpus(c->cpu_text, &c->cpus);
  }
  size_t i;
  json_t *one;
  json_array_foreach(json_object_get(plan, "env"), i, one)
      strings_add(&c->env, json_string_value(one));
  json_array_foreach(json_object_get(plan, "left_out"), i, one)
      strings_add(&s->plan.left_out, json_string_value(one));
  json_array_foreach(json_object_get(plan, "rows"), i, one) {
    s->plan.rows = lab_realloc(s->plan.rows, (s->plan.n + 1) * sizeof *s->plan.rows);
    struct plan_row *row = &s->plan.rows[s->plan.n++];
    memset(row, 0, sizeof *row);
    if (json_is_true(json_object_get(one, "own_args")))
      row->args = lab_copy(text_in(one, "args"));
    if (json_is_string(json_object_get(one, "env")))
      row->env = lab_copy(text_in(one, "env"));
    snprintf(row->name, sizeof row->name, "%s", text_in(one, "name"));
    row->touch = strcmp(text_in(one, "touch"), "edges") == 0 ? "edges" : "none";
    row->lane = lanes_find(text_in(one, "lane"));
    if (row->lane == NULL && c->app == NULL)
      lab_refuse("%s names the lane '%s', which this lab does not know.", s->dir,
                 text_in(one, "lane"));
  }
}

static void load_contenders(struct session *s, const json_t *list) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) {
    struct contender like = {.is_linked = s->config.linked};
    snprintf(like.name, sizeof like.name, "%s", text_in(one, "name"));
    char *file = contender_pin_name(&like);
    struct pin pin = pin_reuse(s->pins, text_in(one, "sha256"), file);
    const char *setting = json_string_value(json_object_get(one, "setting"));
    struct contender *c = (s->config.linked ? contenders_add_linked : contenders_add)(
        &s->contenders, like.name, pin.path, json_is_true(json_object_get(one, "peer")),
        setting ? lab_copy(setting) : NULL);
    free(c->source);
    c->source = lab_copy(text_in(one, "source"));
    c->pin = pin;
    free(file);
  }
}

static void open_earlier(struct session *s) {
  json_error_t error;
  char *path = where_typed(s->config.resume);
  char *file = lab_format("%s/meta.json", path);
  s->meta = json_load_file(file, 0, &error);
  if (s->meta == NULL)
    lab_refuse("%s holds no run to go on with: %s.", path, error.text);
  s->dir = path;
  make_folders(s);
  load_plan(s, json_object_get(s->meta, "plan"));
  load_contenders(s, json_object_get(s->meta, "contenders"));
  size_t i;
  json_t *one;
  json_array_foreach(json_object_get(s->meta, "workloads"), i, one) {
    char *pinned = workload_pin_name(text_in(one, "name"));
    add_workload(s, text_in(one, "name"), text_in(one, "source"))->pin =
        pin_reuse(s->pins, text_in(one, "sha256"), pinned);
    free(pinned);
  }
  json_object_del(s->meta, "finished");
  session_note(s, "resumed");
  free(file);
}

static void open_fresh(struct session *s) {
  struct memory_state memory = plan_memory_now();
  contenders_choose(&s->contenders, &s->config);
  if (s->config.make_plan != NULL)
    s->config.make_plan(&s->plan, &s->config);
  else
    plan_make(&s->plan, &s->config, &memory);
  if (s->plan.n == 0)
    lab_refuse("no lane is left to measure.");
  s->dir = fresh_folder(&s->config);
  make_folders(s);
  char *ops = lab_format("%s/ops.tsv", s->dir);
  if (access(ops, F_OK) == 0)
    lab_refuse("%s holds a run already; go on with it by --resume, or choose another folder.",
               s->dir);
  free(ops);
  contenders_pin(&s->contenders, s->pins);
}

bool session_open(struct session *s, struct launcher *launcher, const struct config *config) {
  memset(s, 0, sizeof *s);
  s->config = *config;
  s->launcher = launcher;
  interrupt_watch();
  if (config->resume != NULL)
    open_earlier(s);
  else
    open_fresh(s);
  char *probe = where_built("bench/lab/probe");
  if (probe == NULL)
    lab_refuse("the probe was not built with the lab.");
  if (!contenders_verify(&s->contenders, &s->config, launcher, probe, s->raw, s->scratch))
    return false;
  free(probe);
  if (s->meta == NULL)
    start_meta(s);
  for (size_t i = 0; i < s->plan.n; i++)
    for (size_t c = 0; s->plan.rows[i].lane != NULL && c < s->contenders.n; c++)
      session_workload(s, &s->contenders.at[c], s->plan.rows[i].lane->workload);
  write_hashes(s);
  session_save(s);
  journal_open(&s->journal, s->dir);
  return true;
}

void session_finish(struct session *s) {
  char *now = now_text();
  json_object_set_new(s->meta, "finished", json_string(now));
  session_save(s);
  free(now);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at) {
  (void)status;
  (void)type;
  (void)at;
  remove(path);
  return 0;
}

void session_close(struct session *s) {
  if (json_object_get(s->meta, "finished") == NULL)
    session_finish(s);
  nftw(s->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  journal_close(&s->journal);
  fflush(stderr);
  printf("%s\n", s->dir);
  fflush(stdout);
}
