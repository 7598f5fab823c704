/* What the person sees while cells run: where we are and how long still.
 *
 * On a terminal one line that is rewritten; in a pipe a line at each row and every ten seconds.
 *
 * Owns: that line. Thread rule: one thread. */
#ifndef BENCH_LAB_PROGRESS_H
#define BENCH_LAB_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Invariant: done <= total; total == 0: nobody knows. */
struct progress {
  size_t done;
  size_t total;
  double start_s;
  double said_s; /* when the last line went into a pipe */
  bool on_terminal;
  bool line_open;
};

void progress_start(struct progress *p, size_t total);
/* Effect: says what starts now; left_s < 0: unknown. */
void progress_say(struct progress *p, const char *what, double left_s, bool always);
/* Effect: ends the open line, so that other text can follow. */
void progress_clear(struct progress *p);
double progress_elapsed_s(const struct progress *p);

#ifdef __cplusplus
}
#endif
#endif
