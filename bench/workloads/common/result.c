#include "bench/workloads/common/result.h"

#include "bench/workloads/common/clock.h"
#include "bench/workloads/common/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_BYTES 8192
#define SETTLE_PAIRS 1000
#define SETTLE_SLOTS 16
#define SETTLE_LARGEST_BYTES 65536

void wl_print(const char *text, size_t length) {
  while (length > 0) {
    const ssize_t written = write(STDOUT_FILENO, text, length);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      _exit(1); // nobody can read the result
    }
    text += written;
    length -= (size_t)written;
  }
}

uint64_t wl_status_kib(const char *field) {
  char text[STATUS_BYTES];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return 0;
  }
  size_t length = 0;
  ssize_t got;
  while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0) {
    length += (size_t)got;
  }
  close(file);
  text[length] = '\0';
  const char *found = strstr(text, field);
  return found == NULL ? 0 : strtoull(found + strlen(field), NULL, 10);
}

void wl_line_add(struct wl_line *line, const char *format, ...) {
  va_list list;
  va_start(list, format);
  const size_t room = sizeof(line->text) - line->length;
  const int added = vsnprintf(line->text + line->length, room, format, list);
  va_end(list);
  if (added < 0 || (size_t)added >= room) {
    abort(); // a lane prints more than the line holds: our own mistake
  }
  line->length += (size_t)added;
}

void wl_line_add_latency(struct wl_line *line, const struct wl_latency_summary *summary) {
  wl_line_add(line, " samples=%llu p50_ns=%.1f p99_ns=%.1f p999_ns=%.1f p9999_ns=%.1f max_ns=%.1f",
              (unsigned long long)summary->samples, summary->p50_ns, summary->p99_ns,
              summary->p999_ns, summary->p9999_ns, summary->max_ns);
}

void wl_result_begin(struct wl_result *result, const char *workload,
                     const struct wl_options *options, const struct wl_totals *totals) {
  result->line.length = 0;
  result->invalid = NULL;
  const double seconds = wl_seconds(totals->elapsed_ns);
  wl_line_add(&result->line, "RESULT workload=%s ops=%llu seconds=%.6f ops_per_s=%.1f threads=%u",
              workload, (unsigned long long)totals->ops, seconds,
              seconds > 0 ? (double)totals->ops / seconds : 0.0, totals->threads);
  wl_result_count(result, "live_high_bytes", totals->live_high_bytes);
  wl_result_count(result, "live_error_bytes", totals->live_error_bytes);
  wl_result_count(result, "alloc_failures", totals->alloc_failures);
  wl_result_word(result, "touch", wl_touch_name(options->touch));
  wl_line_add(&result->line, " scale=%g", options->scale);
  wl_result_count(result, "seed", options->seed);
  wl_result_count(result, "check", options->check);
  if (totals->alloc_failures > 0) {
    wl_result_invalid(result, "alloc_failures");
  }
}

void wl_result_count(struct wl_result *result, const char *key, uint64_t value) {
  wl_line_add(&result->line, " %s=%llu", key, (unsigned long long)value);
}

void wl_result_number(struct wl_result *result, const char *key, double value) {
  wl_line_add(&result->line, " %s=%.3f", key, value);
}

void wl_result_word(struct wl_result *result, const char *key, const char *value) {
  wl_line_add(&result->line, " %s=%s", key, value);
}

void wl_result_invalid(struct wl_result *result, const char *reason) {
  if (result->invalid == NULL) {
    result->invalid = reason;
  }
}

static void print_mark(const char *mark) {
  char line[128];
  const int length = snprintf(line, sizeof(line), "%s rss_kib=%llu\n", mark,
                              (unsigned long long)wl_status_kib("VmRSS:"));
  wl_print(line, (size_t)length);
}

// A little ordinary traffic after the idle time: an allocator that returns memory only while it is
// called gets its chance to.
static void settle(uint64_t seed) {
  struct wl_rng rng = wl_rng_make(seed, UINT64_MAX);
  void *slots[SETTLE_SLOTS] = {NULL};
  for (unsigned i = 0; i < SETTLE_PAIRS; i++) {
    const uint64_t draw = wl_rng_next(&rng);
    void **slot = &slots[wl_below(wl_high_bits(draw), SETTLE_SLOTS)];
    free(*slot);
    *slot = malloc(1 + wl_below(wl_low_bits(draw), SETTLE_LARGEST_BYTES));
  }
  for (unsigned i = 0; i < SETTLE_SLOTS; i++) {
    free(slots[i]);
  }
}

static void idle(uint64_t ms) {
  struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

int wl_result_finish(struct wl_result *result, const struct wl_options *options) {
  if (options->latency) {
    const struct wl_latency_summary summary = wl_latency_all();
    wl_line_add_latency(&result->line, &summary);
    wl_result_count(result, "latency_every", WL_LATENCY_EVERY);
    wl_result_number(result, "latency_floor_ns", wl_latency_floor_ns());
  }
  wl_result_count(result, "rss_peak_kib", wl_status_kib("VmHWM:"));
  wl_result_count(result, "valid", result->invalid == NULL);
  if (result->invalid != NULL) {
    wl_result_word(result, "reason", result->invalid);
  }
  wl_line_add(&result->line, "\n");
  wl_print(result->line.text, result->line.length);
  if (options->hold) {
    print_mark("FREED");
    idle(options->hold_ms);
    settle(options->seed);
    print_mark("SETTLED");
  }
  return 0;
}
