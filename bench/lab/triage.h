/* Evidence of a process that does not move: what every thread waits for, and where it runs.
 *
 * Owns: reading state, wait channel, CPU share, system call, maps and stacks of a living process
 * into a folder, and the short conclusion. Owns not: ending it (cell.h). Thread rule: one capture
 * at a time. */
#ifndef BENCH_LAB_TRIAGE_H
#define BENCH_LAB_TRIAGE_H

#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a capture concludes. Invariant: threads == 0 when nothing could be read. */
struct triage {
  int threads;
  int in_futex;     /* threads that wait in a futex */
  double cpu_share; /* CPUs used by the process over the half second of the capture */
  bool deleted_mapping;
  char deleted[256]; /* which one */
  char hottest[128]; /* function of the busiest thread; empty: unknown */
};

/* Effect: writes threads.txt, maps.txt, environment.txt, stacks.txt, profile.txt (3 s at 199 Hz)
 * and triage.txt into `folder`, made if needed. What a tool that is not installed would have said
 * is replaced by one line that names the tool. Returns: the findings. */
struct triage triage_capture(pid_t pid, const char *folder, char *const *env);

#ifdef __cplusplus
}
#endif
#endif
