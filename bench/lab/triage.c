#include "bench/lab/triage.h"

#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/tool.h"
#include "bench/lab/where.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHARE_WINDOW_MS = 500, PROFILE_SECONDS = 3, PROFILE_HZ = 199, THREADS_MAX = 100000 };

struct thread_view {
  pid_t tid;
  char state;
  double busy_s; /* CPU time at the first look */
  double share;  /* CPUs used between the looks */
  bool in_futex;
  char wait[64];
  char call[160];
};

static char *task_text(pid_t pid, pid_t tid, const char *name) {
  char *path = lab_format("/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
  char *text = proc_text(path);
  free(path);
  return text;
}

/* Returns: CPU seconds of a thread, and its state; NaN when it is gone. */
static double busy_of(pid_t pid, pid_t tid, char *state) {
  char *text = task_text(pid, tid, "stat");
  unsigned long user, system;
  double busy = NAN;
  const char *rest = text != NULL ? strrchr(text, ')') : NULL;
  if (rest != NULL && sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", state,
                             &user, &system) == 3)
    busy = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
  free(text);
  return busy;
}

static struct thread_view *list_threads(pid_t pid, int *n) {
  struct thread_view *views = NULL;
  char *path = lab_format("/proc/%d/task", (int)pid);
  DIR *dir = opendir(path);
  struct dirent *entry;
  *n = 0;
  while (dir != NULL && *n < THREADS_MAX && (entry = readdir(dir)) != NULL) {
    if (!isdigit((unsigned char)entry->d_name[0]))
      continue;
    views = lab_realloc(views, (size_t)(*n + 1) * sizeof *views);
    views[*n] = (struct thread_view){.tid = (pid_t)atoi(entry->d_name), .state = '?'};
    views[*n].busy_s = busy_of(pid, views[*n].tid, &views[*n].state);
    ++*n;
  }
  if (dir != NULL)
    closedir(dir);
  free(path);
  return views;
}

static void look_again(pid_t pid, struct thread_view *v) {
  double busy = busy_of(pid, v->tid, &v->state);
  v->share = isfinite(busy) ? (busy - v->busy_s) * 1000 / SHARE_WINDOW_MS : 0;
  char *wait = task_text(pid, v->tid, "wchan");
  char *call = task_text(pid, v->tid, "syscall");
  long number = -1;
  snprintf(v->wait, sizeof v->wait, "%s", wait != NULL ? wait : "?");
  snprintf(v->call, sizeof v->call, "%s", call != NULL ? call : "?");
  bool in_call = call != NULL && sscanf(call, "%ld", &number) == 1;
  v->in_futex = (in_call && number == SYS_futex) || strstr(v->wait, "futex") != NULL;
  free(wait);
  free(call);
}

static FILE *open_in(const char *folder, const char *name) {
  char *path = lab_format("%s/%s", folder, name);
  FILE *out = fopen(path, "we");
  free(path);
  return out;
}

static void write_text(const char *folder, const char *name, const char *text) {
  FILE *out = open_in(folder, name);
  if (out == NULL)
    return;
  fprintf(out, "%s\n", text);
  fclose(out);
}

static void write_threads(const char *folder, const struct thread_view *views, int n) {
  FILE *out = open_in(folder, "threads.txt");
  if (out == NULL)
    return;
  fputs("tid\tstate\tcpus\tfutex\twait_channel\tsystem_call\n", out);
  for (int i = 0; i < n; i++)
    fprintf(out, "%d\t%c\t%.2f\t%s\t%s\t%s\n", (int)views[i].tid, views[i].state, views[i].share,
            views[i].in_futex ? "yes" : "no", views[i].wait, views[i].call);
  fclose(out);
}

static void write_stacks(pid_t pid, const char *folder) {
  char *gdb = tool_find("gdb");
  if (gdb == NULL) {
    write_text(folder, "stacks.txt", "gdb is not installed: no stacks.");
    return;
  }
  char *target = lab_format("%d", (int)pid);
  char *path = lab_format("%s/stacks.txt", folder);
  char *argv[] = {
      gdb,  "-nx",  "-batch", "-ex", "set pagination off", "-ex", "thread apply all bt 24",
      "-p", target, NULL};
  tool_run(argv, path, 30);
  free(path);
  free(target);
  free(gdb);
}

/* Effect: the first function of perf's report into `name`. */
static void read_hottest(const char *path, char *name, size_t room) {
  char *text = proc_text(path);
  for (char *line = text; line != NULL && *line != '\0';) {
    double percent;
    char symbol[128];
    if (sscanf(line, " %lf%% %*s [%*c] %127[^\n]", &percent, symbol) == 2 ||
        sscanf(line, " %lf%% [%*c] %127[^\n]", &percent, symbol) == 2) {
      size_t length = strcspn(symbol, " \t");
      snprintf(name, room, "%.*s", (int)length, symbol);
      break;
    }
    line = strchr(line, '\n');
    if (line != NULL)
      line++;
  }
  free(text);
}

static void write_profile(pid_t tid, const char *folder, char *hottest, size_t room) {
  char *perf = tool_find("perf");
  if (perf == NULL) {
    write_text(folder, "profile.txt", "perf is not installed: no profile.");
    return;
  }
  char *target = lab_format("%d", (int)tid);
  char *rate = lab_format("%d", PROFILE_HZ);
  char *span = lab_format("%d", PROFILE_SECONDS);
  char *data = lab_format("%s/perf.data", folder);
  char *log = lab_format("%s/perf.log", folder);
  char *report = lab_format("%s/profile.txt", folder);
  char *record[] = {perf, "record", "-e",   "cpu-clock", "-F",    rate, "-g", "-o",
                    data, "-t",     target, "--",        "sleep", span, NULL};
  char *show[] = {perf, "report",  "-i",
                  data, "--stdio", "--no-children",
                  "-g", "none",    "--percent-limit",
                  "1",  "--sort",  "dso,symbol",
                  NULL};
  if (tool_run(record, log, PROFILE_SECONDS + 15) == 0 && tool_run(show, report, 30) == 0)
    read_hottest(report, hottest, room);
  else
    write_text(folder, "profile.txt", "perf could not record; perf.log says why.");
  unlink(data);
  free(target);
  free(rate);
  free(span);
  free(data);
  free(log);
  free(report);
  free(perf);
}

static void write_conclusion(const char *folder, const struct triage *t) {
  FILE *out = open_in(folder, "triage.txt");
  if (out == NULL)
    return;
  fprintf(out, "threads\t%d\nin_futex\t%d\ncpus_used\t%.2f\ndeleted_mapping\t%s\nhottest\t%s\n",
          t->threads, t->in_futex, t->cpu_share, t->deleted_mapping ? t->deleted : "no",
          t->hottest[0] != '\0' ? t->hottest : "unknown");
  fclose(out);
}

struct triage triage_capture(pid_t pid, const char *folder, char *const *env) {
  struct triage t = {0};
  int busiest = 0;
  where_make(folder);
  char *path = lab_format("/proc/%d/maps", (int)pid);
  char *maps = proc_text(path);
  struct thread_view *views = list_threads(pid, &t.threads);
  poll(NULL, 0, SHARE_WINDOW_MS);
  for (int i = 0; i < t.threads; i++) {
    look_again(pid, &views[i]);
    t.in_futex += views[i].in_futex;
    t.cpu_share += views[i].share;
    if (views[i].share > views[busiest].share)
      busiest = i;
  }
  write_threads(folder, views, t.threads);
  write_text(folder, "maps.txt", maps != NULL ? maps : "the process is gone");
  t.deleted_mapping =
      maps != NULL && proc_maps_text(maps, "/", t.deleted, sizeof t.deleted) == MAPS_DELETED;
  FILE *out = open_in(folder, "environment.txt");
  for (size_t i = 0; out != NULL && env != NULL && env[i] != NULL; i++)
    fprintf(out, "%s\n", env[i]);
  if (out != NULL)
    fclose(out);
  if (t.threads > 0) {
    write_profile(views[busiest].tid, folder, t.hottest, sizeof t.hottest);
    write_stacks(pid, folder);
  }
  write_conclusion(folder, &t);
  free(views);
  free(maps);
  free(path);
  return t;
}
