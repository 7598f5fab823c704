/* A small process that starts every cell, so that the lab's own size never counts as a cell's.
 *
 *     lab ──socket──> launcher ──fork, gate, exec──> cell (own session, dies with the launcher)
 *
 * Owns: the life of a cell's processes: start, the kernel's account at the end, the end of whatever
 * it left behind. When the lab dies, by whatever cause, the launcher ends the cell: TERM, the
 * grace, KILL. When the launcher dies, the kernel kills the cell and the lab sweeps the rest. Owns
 * not: output, time limits, the meaning of an exit. Thread rule: one thread on each side; one cell
 * at a time. */
#ifndef BENCH_LAB_LAUNCHER_H
#define BENCH_LAB_LAUNCHER_H

#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LAUNCHER_GRACE_MS = 2000 };

/* Invariant: socket < 0 exactly when the launcher is gone. cell == 0: none runs. */
struct launcher {
  int socket;
  pid_t pid;
  pid_t cell;
};

struct launch {
  char *const *argv; /* argv[0] is the path */
  char *const *env;
  const char *directory;
  const cpu_set_t *cpus; /* NULL: as the lab */
  int out_fd;
  int err_fd;
};

struct launch_end {
  int status; /* as wait4 gives it */
  struct rusage usage;
  double wall_s; /* from the gate to the end */
};

/* Effect: forks the launcher; call it first in main, while the process is small. Makes the lab
 * adopt orphans. Returns: false with errno. */
bool launcher_start(struct launcher *l);

/* Effect: starts a cell that waits at its gate. Returns: its pid, or -1 with errno (EPIPE: the
 * launcher is gone). The cell leads its own process group: the group's id is its pid. */
pid_t launcher_spawn(struct launcher *l, const struct launch *what);
/* Effect: opens the gate. */
void launcher_go(struct launcher *l);
/* Effect: TERM to the cell's group, KILL after `grace_ms`. Does not wait. */
void launcher_stop(struct launcher *l, int grace_ms);
/* Effect: waits up to timeout_ms (0: looks once) for the cell's end. Returns: true when it ended
 * and nothing of it is left; l->cell is 0 then. A dead launcher counts as an end by SIGKILL. */
bool launcher_ended(struct launcher *l, int timeout_ms, struct launch_end *end);
/* Effect: ends launcher and cell. */
void launcher_shutdown(struct launcher *l);

#ifdef __cplusplus
}
#endif
#endif
