#include "hz4/observe.h"

#include <time.h>
#include <unistd.h>

#include "common/abi/report.h"
#include "common/fail/fail.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/mid.h"
#include "hz4/route.h"
#include "hz4/small.h"

struct hz4_observed hz4_observed;

#define SAMPLE 64

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t hz4_timed_begin(enum hz4_timed what) {
  if (!HZ_OBSERVE || hz_add_relaxed(&hz4_observed.calls[what], (uint64_t)1) % SAMPLE != 0)
    return 0;
  return now_ns();
}

void hz4_timed_end(enum hz4_timed what, uint64_t began) {
  if (!HZ_OBSERVE || began == 0)
    return;
  hz_add_relaxed(&hz4_observed.sampled[what], (uint64_t)1);
  hz_add_relaxed(&hz4_observed.ns[what], now_ns() - began);
}

static void line(const char *text, size_t length) {
  hz_write_all(STDERR_FILENO, text, length);
}

static void print_part(const char *tag, unsigned part) {
  const uint64_t *n = hz4_observed.part[part];
  struct hz4_central *c = part ? hz4_mid_central : hz4_small_central;
  uint64_t spans_made = 0, spans = 0, takes = 0, gives = 0;
  for (unsigned i = 0; i < (part ? HZ4_MID_CLASSES : HZ4_MID_FIRST_CLASS); i++) {
    spans_made += c[i].spans_made, spans += c[i].spans;
    takes += c[i].takes, gives += c[i].gives;
  }
  char text[512];
  line(text,
       hz_format(text, sizeof text,
                 "[%s] refill_previous=%lu refill_depot=%lu refill_spans=%lu handed_over=%lu "
                 "given_to_spans=%lu bare_alloc=%lu bare_free=%lu lock_takes=%lu lock_gives=%lu "
                 "spans_made=%lu spans=%lu\n",
                 tag, n[HZ4_SEEN_REFILL_PREVIOUS], n[HZ4_SEEN_REFILL_DEPOT],
                 n[HZ4_SEEN_REFILL_SPANS], n[HZ4_SEEN_HANDED_OVER], n[HZ4_SEEN_GIVEN],
                 n[HZ4_SEEN_BARE_ALLOC], n[HZ4_SEEN_BARE_FREE], takes, gives, spans_made, spans));
}

static void print_free(void) {
  const uint64_t *n = hz4_observed.seen;
  const uint64_t *s = hz4_observed.part[0], *m = hz4_observed.part[1];
  char text[512];
  line(text, hz_format(text, sizeof text,
                       "[HZ4_FREE_STATS] transfer=%lu owner=%lu bare=%lu large=%lu null=%lu "
                       "cas_retries=%lu trims=%lu "
                       "trim_bytes=%lu drains=%lu drain_bytes=%lu drain_restarts=%lu\n",
                       s[HZ4_SEEN_HANDED_OVER] + m[HZ4_SEEN_HANDED_OVER],
                       s[HZ4_SEEN_GIVEN] + m[HZ4_SEEN_GIVEN],
                       s[HZ4_SEEN_BARE_FREE] + m[HZ4_SEEN_BARE_FREE], n[HZ4_SEEN_FREE_LARGE],
                       n[HZ4_SEEN_FREE_NULL], n[HZ4_SEEN_RETRIES], n[HZ4_SEEN_TRIMS],
                       n[HZ4_SEEN_TRIM_BYTES], n[HZ4_SEEN_DRAINS], n[HZ4_SEEN_DRAIN_BYTES],
                       n[HZ4_SEEN_RESTARTS]));
}

static void print_timing(void) {
  static const char *const names[HZ4_TIMED_COUNT] = {"refill", "drain", "trim", "large"};
  char text[512];
  size_t at = hz_format(text, sizeof text, "[HZ4_TIMING] sampled_one_in=%lu", (uint64_t)SAMPLE);
  for (unsigned i = 0; i < HZ4_TIMED_COUNT; i++) {
    uint64_t sampled = hz4_observed.sampled[i];
    at += hz_format(text + at, sizeof text - at, " %s_calls=%lu %s_mean_ns=%lu", names[i],
                    hz4_observed.calls[i], names[i], sampled ? hz4_observed.ns[i] / sampled : 0);
  }
  at += hz_format(text + at, sizeof text - at, "\n");
  line(text, at);
}

void hz4_observe_print(void) {
  struct hz_stats stats;
  hz4_stats(&stats);
  print_part("HZ4_SMALL_STATS", 0);
  print_part("HZ4_MID_STATS", 1);
  print_free();
  print_timing();
  hz_stats_write_os_calls(STDERR_FILENO, "HZ4_OS_STATS", &stats);
}
