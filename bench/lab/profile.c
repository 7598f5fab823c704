#include "bench/lab/profile.h"

#include "bench/lab/cell.h"
#include "bench/lab/procfs.h"
#include "bench/lab/tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_line(const char *line, struct hot_function *f) {
  char object[256], name[128];
  if (sscanf(line, " %lf%% \t%255[^\t]\t[%*c] %127[^\t\n]", &f->percent, object, name) != 3)
    return false;
  object[strcspn(object, " ")] = '\0';
  for (size_t n = strlen(name); n > 0 && name[n - 1] == ' '; n--)
    name[n - 1] = '\0';
  /* A pinned copy is called SHA256-name: the hash says nothing here. */
  const char *shown = strlen(object) > 40 && strchr(object, '-') ? strchr(object, '-') + 1 : object;
  snprintf(f->object, sizeof f->object, "%.63s", *shown != '\0' ? shown : object);
  snprintf(f->name, sizeof f->name, "%s", name);
  return true;
}

size_t profile_read(const char *report, struct profile *p) {
  p->n = 0;
  for (const char *line = report; line != NULL && *line != '\0' && p->n < PROFILE_HOTTEST;) {
    if (*line != '#' && read_line(line, &p->at[p->n]))
      p->n++;
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return p->n;
}

/* Returns: argv of perf over env over the workload: perf itself must not be preloaded. */
static struct strings perf_argv(const char *perf, const char *data, const struct strings *env,
                                const struct strings *argv) {
  struct strings all = {0};
  const char *const head[] = {perf, "record", "-q", "-e", "cpu-clock", "-F", NULL};
  for (size_t i = 0; head[i] != NULL; i++)
    strings_add(&all, head[i]);
  strings_take(&all, lab_format("%d", PROFILE_RATE_HZ));
  const char *const tail[] = {"-g", "-o", data, "--", "/usr/bin/env", "-i", NULL};
  for (size_t i = 0; tail[i] != NULL; i++)
    strings_add(&all, tail[i]);
  for (size_t i = 0; i < env->n; i++)
    strings_add(&all, env->at[i]);
  for (size_t i = 0; i < argv->n; i++)
    strings_add(&all, argv->at[i]);
  return all;
}

static const char *record(struct session *s, const struct cell_wish *wish, const char *perf,
                          const char *data) {
  uint64_t seed = plan_workload_seed(s->config.seed, wish->row->name, wish->round);
  struct strings argv = run_argv(s, wish->row, wish->contender, wish->seconds, seed);
  struct strings env = contender_environment(wish->contender, &s->config, s->scratch);
  struct strings all = perf_argv(perf, data, &env, &argv);
  char *path_only[] = {(char *)(size_t) "PATH=/usr/local/bin:/usr/bin:/bin", NULL};
  char *log = lab_format("%s/%s.%s.perf.log", s->raw, wish->row->name, wish->contender->name);
  struct cell_result r;
  struct cell_spec spec = {.argv = all.at,
                           .env = path_only,
                           .directory = s->scratch,
                           .cpus = s->config.pinned ? &s->config.cpus : NULL,
                           .log_path = log,
                           .timeout_s = s->config.timeout_s,
                           .whole_process = true};
  result_clear(&r);
  const char *why = NULL;
  if (!cell_run(s->launcher, &spec, &r))
    why = "interrupted";
  else if (r.status != CELL_OK)
    why = "perf could not record (see the raw log)";
  free(log);
  strings_clear(&argv);
  strings_clear(&env);
  strings_clear(&all);
  return why;
}

const char *profile_cell(struct session *s, const struct cell_wish *wish, const char *report_path,
                         struct profile *p) {
  p->n = 0;
  char *perf = tool_find("perf");
  if (perf == NULL)
    return "perf is not installed";
  char *data = lab_format("%s/%s.%s.perf.data", s->scratch, wish->row->name, wish->contender->name);
  const char *why = record(s, wish, perf, data);
  if (why == NULL) {
    char *argv[] = {perf,     "report",     "-i", data, "--stdio", "--no-children", "-g", "none",
                    "--sort", "dso,symbol", "-t", "\t", NULL};
    if (tool_run(argv, report_path, 120) != 0)
      why = "perf could not report";
  }
  if (why == NULL) {
    char *text = proc_text(report_path);
    if (text == NULL || profile_read(text, p) == 0)
      why = "perf saw no sample";
    free(text);
  }
  unlink(data);
  free(data);
  free(perf);
  return why;
}
