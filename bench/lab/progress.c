#include "bench/lab/progress.h"

#include "bench/lab/text.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PIPE_EVERY_S = 10 };

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_start(struct progress *p, size_t total) {
  *p = (struct progress){.total = total, .start_s = now_s(), .on_terminal = isatty(STDERR_FILENO)};
  p->said_s = -PIPE_EVERY_S;
}

double progress_elapsed_s(const struct progress *p) {
  return now_s() - p->start_s;
}

void progress_clear(struct progress *p) {
  if (p->line_open)
    fputs("\r\033[K", stderr);
  p->line_open = false;
  fflush(stderr);
}

void progress_say(struct progress *p, const char *what, double left_s, bool always) {
  char left[32] = "?";
  double elapsed = progress_elapsed_s(p);
  if (left_s >= 0)
    text_span(left, sizeof left, left_s);
  char place[48];
  if (p->total > 0)
    snprintf(place, sizeof place, "%zu/%zu", p->done + 1, p->total);
  else
    snprintf(place, sizeof place, "cell %zu", p->done + 1);
  const char *about = p->total > 0 ? "about" : "at most";
  if (p->on_terminal) {
    fprintf(stderr, "\r\033[K%s  %s  %s %s left", place, what, about, left);
    p->line_open = true;
  } else if (always || elapsed - p->said_s >= PIPE_EVERY_S) {
    fprintf(stderr, "%s  %s  %s %s left\n", place, what, about, left);
    p->said_s = elapsed;
  }
  fflush(stderr);
}
