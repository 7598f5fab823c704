// Counters, samples and the lines made of them. See observe.h.
#include "hz3/observe.h"

#include <time.h>

#include "common/abi/stats.h"

#define SAMPLE_MASK 63u

struct hz3_observed hz3_observed;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t hz3_clock_sample(enum hz3_timed what) {
  return (hz_add_relaxed(&hz3_observed.calls[what], (uint64_t)1) & SAMPLE_MASK) == 0 ? now_ns() : 0;
}

void hz3_clock_done(enum hz3_timed what, uint64_t began) {
  hz_add_relaxed(&hz3_observed.samples[what], (uint64_t)1);
  hz_add_relaxed(&hz3_observed.ns[what], now_ns() - began);
}

static uint64_t step(unsigned part, enum hz3_step what) {
  return hz_load_relaxed(&hz3_observed.steps[part][what]);
}
static uint64_t both(enum hz3_step what) {
  return step(0, what) + step(1, what);
}
static uint64_t seen(enum hz3_seen what) {
  return hz_load_relaxed(&hz3_observed.seen[what]);
}

static void mid_pairs(struct hz_stats *out, const uint64_t *allocs) {
  static const char tag[] = "HZ3_MID_STATS";
  uint64_t transfer = step(1, HZ3_STEP_FROM_TRANSFER), spans = step(1, HZ3_STEP_FROM_SPANS);
  uint64_t shelf = step(1, HZ3_STEP_FROM_SHELF), all = allocs[1] + shelf + transfer + spans;
  hz_stats_add(out, tag, "allocs", all);
  hz_stats_add(out, tag, "lock_path", spans);
  hz_stats_add(out, tag, "lock_path_ppm", all ? spans * 1000000 / all : 0);
  hz_stats_add(out, tag, "from_bin", allocs[1]);
  hz_stats_add(out, tag, "refills_shelf", shelf);
  hz_stats_add(out, tag, "refills_transfer", transfer);
  hz_stats_add(out, tag, "refills_spans", spans);
  hz_stats_add(out, tag, "spans_opened", step(1, HZ3_STEP_OPENED));
  hz_stats_add(out, tag, "spans_closed", step(1, HZ3_STEP_CLOSED));
  hz_stats_add(out, tag, "remote_drained_blocks", step(1, HZ3_STEP_DRAINED));
  hz_stats_add(out, tag, "small_from_bin", allocs[0]);
  hz_stats_add(out, tag, "small_refills_shelf", step(0, HZ3_STEP_FROM_SHELF));
  hz_stats_add(out, tag, "small_refills_transfer", step(0, HZ3_STEP_FROM_TRANSFER));
  hz_stats_add(out, tag, "small_refills_spans", step(0, HZ3_STEP_FROM_SPANS));
  hz_stats_add(out, tag, "large_allocs", seen(HZ3_SEEN_LARGE_ALLOC));
}

static void free_pairs(struct hz_stats *out, const uint64_t *frees) {
  static const char tag[] = "HZ3_FREE_STATS";
  hz_stats_add(out, tag, "thread_cache", frees[0] + frees[1]);
  hz_stats_add(out, tag, "batches_to_transfer", both(HZ3_STEP_TO_TRANSFER));
  hz_stats_add(out, tag, "batches_to_spans", both(HZ3_STEP_TO_SPANS));
  hz_stats_add(out, tag, "spans_to_arena", both(HZ3_STEP_CLOSED));
  hz_stats_add(out, tag, "large", seen(HZ3_SEEN_LARGE_FREE));
  hz_stats_add(out, tag, "early_null", seen(HZ3_SEEN_NULL_FREE));
  hz_stats_add(out, tag, "early_uncached", both(HZ3_STEP_UNCACHED));
  hz_stats_add(out, tag, "bins_grown", seen(HZ3_SEEN_GROWN));
  hz_stats_add(out, tag, "bins_emptied", seen(HZ3_SEEN_EMPTIED));
  hz_stats_add(out, tag, "ticks", seen(HZ3_SEEN_TICKS));
}

void hz3_observe_pairs(struct hz_stats *out, const uint64_t *allocs, const uint64_t *frees) {
  static const char *const keys[HZ3_TIMEDS][3] = {
      {"refill_calls", "refill_samples", "refill_sampled_ns"},
      {"handover_calls", "handover_samples", "handover_sampled_ns"},
      {"lock_calls", "lock_samples", "lock_sampled_ns"},
      {"drain_calls", "drain_samples", "drain_sampled_ns"},
      {"os_calls", "os_samples", "os_sampled_ns"},
      {"tick_calls", "tick_samples", "tick_sampled_ns"},
  };
  mid_pairs(out, allocs);
  free_pairs(out, frees);
  for (unsigned i = 0; i < HZ3_TIMEDS; i++) {
    hz_stats_add(out, "HZ3_TIMING", keys[i][0], hz_load_relaxed(&hz3_observed.calls[i]));
    hz_stats_add(out, "HZ3_TIMING", keys[i][1], hz_load_relaxed(&hz3_observed.samples[i]));
    hz_stats_add(out, "HZ3_TIMING", keys[i][2], hz_load_relaxed(&hz3_observed.ns[i]));
  }
}
