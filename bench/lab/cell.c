#include "bench/lab/cell.h"

#include "bench/lab/counters.h"
#include "bench/lab/curve.h"
#include "bench/lab/interrupt.h"
#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/triage.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A watcher that wakes so much later than it asked did not run; nor, then, did the cell. */
#define STALL_S 2.0

enum { MAPS_LOOKS = 40, MAPS_LOOK_MS = 25, LINE_BYTES = 4096 };

/* A cell under way. Invariant: out < 0 after its end of file; line[used] is where the next byte
 * goes. */
struct running {
  struct launcher *launcher;
  const struct cell_spec *spec;
  struct cell_result *result;
  pid_t pid;
  int out;
  int log;
  double start_s;
  double freed_s;   /* when FREED was seen; 0: not yet */
  double stalled_s; /* time in which the machine itself stood still */
  bool has_result;
  bool preload_seen;
  unsigned looks;
  bool stopped;
  struct curve curve;
  struct counters counters;
  char line[LINE_BYTES];
  size_t used;
};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(struct running *c, enum cell_status status, const char *detail) {
  if (c->result->status == CELL_MISSING || c->result->status == CELL_INVALID) {
    c->result->status = status;
    snprintf(c->result->detail, sizeof c->result->detail, "%s", detail);
  }
}

static void stop(struct running *c, int grace_ms) {
  c->stopped = true;
  launcher_stop(c->launcher, grace_ms);
}

static void take_line(struct running *c) {
  c->line[c->used] = '\0';
  c->used = 0;
  double t_s = now_s() - c->start_s;
  double rss;
  if (result_read_line(c->result, c->line)) {
    c->has_result = true;
  } else if (result_read_latency(c->result, c->line)) {
    return;
  } else if (strncmp(c->line, "FREED", 5) == 0) {
    c->freed_s = t_s;
    if (sscanf(c->line, "FREED rss_kib=%lf", &rss) == 1)
      c->result->figure[FIGURE_freed_rss_kib] = rss;
    curve_mark(&c->curve, c->pid, t_s, "FREED");
  } else if (strncmp(c->line, "SETTLED", 7) == 0) {
    if (sscanf(c->line, "SETTLED rss_kib=%lf", &rss) == 1)
      c->result->figure[FIGURE_settled_rss_kib] = rss;
    curve_mark(&c->curve, c->pid, t_s, "SETTLED");
  }
}

static void read_output(struct running *c) {
  char bytes[4096];
  ssize_t got = read(c->out, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN)
    return;
  if (got <= 0) {
    close(c->out);
    c->out = -1;
    return;
  }
  if (write(c->log, bytes, (size_t)got) != got)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", c->spec->log_path,
               strerror(errno));
  for (ssize_t i = 0; i < got; i++) {
    if (bytes[i] == '\n')
      take_line(c);
    else if (c->used + 1 < sizeof c->line)
      c->line[c->used++] = bytes[i];
  }
}

/* Effect: proves once, early in its life, that this very process runs on the pinned file. */
static void look_at_maps(struct running *c) {
  char which[256];
  if (c->spec->preload == NULL || c->preload_seen || c->looks >= MAPS_LOOKS || c->stopped)
    return;
  c->looks++;
  switch (proc_maps(c->pid, c->spec->preload, which, sizeof which)) {
  case MAPS_PRESENT:
    c->preload_seen = true;
    return;
  case MAPS_DELETED:
    fail(c, CELL_EXIT, "maps a deleted shared object");
    stop(c, LAUNCHER_GRACE_MS);
    return;
  case MAPS_ABSENT:
    if (c->looks == MAPS_LOOKS) {
      fail(c, CELL_EXIT, "the preload did not take effect in this process");
      stop(c, LAUNCHER_GRACE_MS);
    }
    return;
  case MAPS_GONE:
    return;
  }
}

static void sample(struct running *c) {
  double t_s = now_s() - c->start_s;
  if (c->curve.out == NULL)
    return;
  curve_sample(&c->curve, c->pid, t_s);
  if (c->freed_s > 0 && t_s <= c->freed_s + 1.0 + CURVE_PERIOD_MS / 1000.0)
    c->result->figure[FIGURE_idle_1s_rss_kib] = c->curve.rss_kib;
}

static void check_limits(struct running *c) {
  const struct cell_spec *spec = c->spec;
  double t_s = now_s() - c->start_s - c->stalled_s;
  if (interrupt_seen() != 0 && (!c->stopped || interrupt_count() > 1)) {
    stop(c, interrupt_count() > 1 ? 0 : LAUNCHER_GRACE_MS);
    return;
  }
  if (c->stopped)
    return;
  if (spec->hang_s > 0 && t_s > spec->hang_s && spec->hang_s < spec->timeout_s) {
    if (spec->hang_dir != NULL)
      triage_capture(c->pid, spec->hang_dir, spec->env);
    char *why = lab_format("ran longer than %.0f s, ten times what it takes", spec->hang_s);
    fail(c, CELL_HANG, why);
    free(why);
    stop(c, LAUNCHER_GRACE_MS);
  } else if (t_s > spec->timeout_s) {
    if (spec->hang_dir != NULL)
      triage_capture(c->pid, spec->hang_dir, spec->env);
    char *why = lab_format("ran longer than %.0f s", spec->timeout_s);
    fail(c, CELL_TIMEOUT, why);
    free(why);
    stop(c, LAUNCHER_GRACE_MS);
  }
}

/* Returns: how long poll may sleep, in ms. */
static int patience(const struct running *c) {
  if (c->curve.out != NULL)
    return CURVE_PERIOD_MS;
  if (c->spec->preload != NULL && !c->preload_seen && c->looks < MAPS_LOOKS)
    return MAPS_LOOK_MS;
  double end = c->spec->timeout_s;
  if (c->spec->hang_s > 0 && c->spec->hang_s < end)
    end = c->spec->hang_s;
  double left_ms = (c->start_s + c->stalled_s + end - now_s()) * 1000;
  return left_ms < 1 ? 1 : left_ms > 1000 ? 1000 : (int)left_ms + 1;
}

static void watch(struct running *c, struct launch_end *end) {
  double next_sample_s = c->start_s;
  for (;;) {
    struct pollfd fds[3] = {{.fd = c->launcher->socket, .events = POLLIN},
                            {.fd = c->out, .events = POLLIN},
                            {.fd = interrupt_fd(), .events = POLLIN}};
    int ms = patience(c);
    double asleep_s = now_s();
    poll(fds, 3, ms);
    double late_s = now_s() - asleep_s - ms / 1000.0;
    if (late_s > STALL_S)
      c->stalled_s += late_s;
    if (c->out >= 0 && fds[1].revents != 0)
      read_output(c);
    if (fds[0].revents != 0 && launcher_ended(c->launcher, 0, end))
      return;
    if (now_s() >= next_sample_s) {
      sample(c);
      next_sample_s = now_s() + CURVE_PERIOD_MS / 1000.0 * 0.9;
    }
    look_at_maps(c);
    check_limits(c);
  }
}

static void judge_end(struct running *c, const struct launch_end *end) {
  struct cell_result *r = c->result;
  char why[64];
  if (WIFSIGNALED(end->status)) {
    snprintf(why, sizeof why, "signal %d (%s)", WTERMSIG(end->status),
             strsignal(WTERMSIG(end->status)));
    fail(c, CELL_SIGNAL, why);
  } else if (WEXITSTATUS(end->status) != 0) {
    snprintf(why, sizeof why, "exit status %d", WEXITSTATUS(end->status));
    fail(c, CELL_EXIT, why);
  } else if (!c->has_result && !c->spec->whole_process) {
    fail(c, CELL_EXIT, "printed no RESULT");
  } else if (c->stalled_s > 0 && r->status == CELL_MISSING) {
    r->status = CELL_INVALID;
    snprintf(r->detail, sizeof r->detail, "the machine stood still for %.0f s", c->stalled_s);
  } else if (r->status == CELL_MISSING) {
    r->status = CELL_OK;
  }
}

static void take_account(struct running *c, const struct launch_end *end, double busy_s) {
  double *f = c->result->figure;
  const struct rusage *u = &end->usage;
  f[FIGURE_wall_s] = end->wall_s;
  f[FIGURE_user_s] = (double)u->ru_utime.tv_sec + (double)u->ru_utime.tv_usec / 1e6;
  f[FIGURE_sys_s] = (double)u->ru_stime.tv_sec + (double)u->ru_stime.tv_usec / 1e6;
  f[FIGURE_max_rss_kib] = (double)u->ru_maxrss;
  f[FIGURE_minor_faults] = (double)u->ru_minflt;
  f[FIGURE_major_faults] = (double)u->ru_majflt;
  f[FIGURE_voluntary_switches] = (double)u->ru_nvcsw;
  f[FIGURE_involuntary_switches] = (double)u->ru_nivcsw;
  double others = busy_s - f[FIGURE_user_s] - f[FIGURE_sys_s];
  double room = end->wall_s * (double)sysconf(_SC_NPROCESSORS_ONLN);
  if (isfinite(others) && room > 0.05)
    f[FIGURE_other_cpu_pct] = others > 0 ? 100 * others / room : 0;
  if (c->spec->whole_process && end->wall_s > 0) {
    f[FIGURE_ops] = 1;
    f[FIGURE_seconds] = end->wall_s;
    f[FIGURE_ops_per_s] = 1 / end->wall_s;
  }
}

static bool start(struct running *c) {
  const struct cell_spec *spec = c->spec;
  int out[2];
  c->log = open(spec->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (c->log < 0 || pipe2(out, O_CLOEXEC) != 0)
    lab_refuse("cannot write %s: %s; what was measured so far is kept.", spec->log_path,
               strerror(errno));
  struct launch launch = {spec->argv, spec->env, spec->directory, spec->cpus, out[1], c->log};
  c->pid = launcher_spawn(c->launcher, &launch);
  int error = errno;
  close(out[1]);
  c->out = out[0];
  fcntl(c->out, F_SETFL, O_NONBLOCK);
  if (c->pid > 0)
    return true;
  char *why = lab_format("cannot start: %s", strerror(error));
  fail(c, CELL_EXIT, why);
  free(why);
  close(c->out);
  close(c->log);
  return false;
}

bool cell_run(struct launcher *l, const struct cell_spec *spec, struct cell_result *r) {
  struct running c = {.launcher = l, .spec = spec, .result = r};
  struct launch_end end;
  if (interrupt_seen() != 0)
    return false;
  if (!start(&c))
    return true;
  if (spec->counters)
    counters_open(&c.counters, c.pid);
  if (spec->curve_path != NULL)
    curve_open(&c.curve, spec->curve_path);
  double busy_s = proc_busy_s();
  r->figure[FIGURE_start_unix_s] = (double)time(NULL);
  c.start_s = now_s();
  launcher_go(l);
  watch(&c, &end);
  for (int i = 0; i < 1000 && c.out >= 0; i++) { /* what still waits in the pipe */
    struct pollfd rest = {.fd = c.out, .events = POLLIN};
    if (poll(&rest, 1, 0) <= 0)
      break;
    read_output(&c);
  }
  if (c.out >= 0)
    close(c.out);
  close(c.log);
  if (spec->counters)
    counters_read(&c.counters, r);
  curve_close(&c.curve);
  take_account(&c, &end, proc_busy_s() - busy_s);
  judge_end(&c, &end);
  return interrupt_seen() == 0;
}
