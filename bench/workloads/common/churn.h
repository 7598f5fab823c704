// Owns: the loop of the one-thread lanes: a working set of slots; each iteration draws a slot and,
// separately, a size; a full slot is freed, an empty one receives a block of that size.
// Does not own: how a size is drawn; the lane gives a function that is inlined.
// Thread rule: one thread, and the process has no other, so that an allocator's own shortcut for
// single-threaded programs stays in force.
//
// The figures are exact: live bytes are counted at every operation. The clock is read once in
// WL_CHURN_BATCH iterations; nothing else but the lane's own draw stands beside malloc and free.
#ifndef BENCH_WORKLOADS_COMMON_CHURN_H_
#define BENCH_WORKLOADS_COMMON_CHURN_H_

#include "bench/workloads/common/block.h"
#include "bench/workloads/common/clock.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

#define WL_CHURN_BATCH 256

struct wl_churn_slot {
  void *block; // NULL = empty
  uint64_t bytes;
};

struct wl_churn {
  uint64_t iterations;
  uint64_t ws;
  const void *sizes; // what the size function reads
};

struct wl_churn_tally {
  uint64_t iterations;
  uint64_t mallocs;
  uint64_t frees;
  uint64_t failures;
  uint64_t requested_bytes; // the sum of all sizes: with the seed it tells runs apart
  uint64_t live_bytes;
  uint64_t live_high_bytes;
};

// Returns: a size. 32 random bits and the generator, for those that need more.
typedef uint64_t wl_size_fn(const void *sizes, uint32_t bits, struct wl_rng *rng);

static inline __attribute__((always_inline)) void
wl_churn_step(struct wl_churn_slot *slots, uint64_t ws, wl_size_fn *draw_size, const void *sizes,
              unsigned care, struct wl_rng *rng, struct wl_churn_tally *tally) {
  const uint64_t draw = wl_rng_next(rng);
  struct wl_churn_slot *slot = &slots[wl_below(wl_high_bits(draw), ws)];
  const uint64_t bytes = draw_size(sizes, wl_low_bits(draw), rng);
  if (slot->block != NULL) {
    tally->live_bytes -= slot->bytes;
    wl_block_free(slot->block, slot->bytes, care);
    slot->block = NULL;
    tally->frees++;
    return;
  }
  slot->block = wl_block_new(bytes, care);
  if (WL_UNLIKELY(slot->block == NULL)) {
    tally->failures++;
    return;
  }
  slot->bytes = bytes;
  tally->mallocs++;
  tally->requested_bytes += bytes;
  tally->live_bytes += bytes;
  if (tally->live_bytes > tally->live_high_bytes) {
    tally->live_high_bytes = tally->live_bytes;
  }
}

// Effect: runs the loop until its iterations or options->seconds are over, prints RESULT under the
// lane's NAME with the keys in EXTRA, frees what is left. Returns: the exit status of main.
static inline __attribute__((always_inline)) int
wl_churn_run(const char *name, const struct wl_options *options, const struct wl_churn *churn,
             wl_size_fn *draw_size, void (*extra)(struct wl_result *result)) {
  struct wl_churn_slot *slots = wl_harness_memory(churn->ws * sizeof(*slots));
  struct wl_rng rng = wl_rng_make(options->seed, 0);
  struct wl_churn_tally tally = {0};
  const unsigned care = wl_care(options);
  const uint64_t start_ns = wl_now_ns();
  const uint64_t deadline_ns = wl_deadline_ns(options->seconds);
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, options);
  wl_epochs_begin(&epochs, start_ns);
  wl_latency_record(1);
  uint64_t left = churn->iterations;
  while (left > 0) {
    const uint64_t count = left < WL_CHURN_BATCH ? left : WL_CHURN_BATCH;
    for (uint64_t i = 0; i < count; i++) {
      wl_churn_step(slots, churn->ws, draw_size, churn->sizes, care, &rng, &tally);
    }
    left -= count;
    const uint64_t now_ns = wl_now_ns();
    if (now_ns >= deadline_ns) {
      break;
    }
    if (now_ns >= epochs.next_ns) {
      wl_epochs_mark(&epochs, now_ns, tally.mallocs + tally.frees);
    }
  }
  wl_latency_record(0);
  const struct wl_totals totals = {
      .ops = tally.mallocs + tally.frees,
      .alloc_failures = tally.failures,
      .live_high_bytes = tally.live_high_bytes,
      .elapsed_ns = wl_now_ns() - start_ns,
      .threads = 1,
  };
  for (uint64_t i = 0; i < churn->ws; i++) {
    if (slots[i].block != NULL) {
      wl_block_free(slots[i].block, slots[i].bytes, care);
    }
  }
  struct wl_result result;
  wl_result_begin(&result, name, options, &totals);
  wl_result_count(&result, "mallocs", tally.mallocs);
  wl_result_count(&result, "frees", tally.frees);
  wl_result_count(&result, "requested_bytes", tally.requested_bytes);
  if (extra != NULL) {
    extra(&result);
  }
  return wl_result_finish(&result, options);
}

// The uniform distribution over [min, min + range).
struct wl_uniform {
  uint64_t min;
  uint64_t range;
};

static inline uint64_t wl_uniform_size(const void *sizes, uint32_t bits, struct wl_rng *rng) {
  (void)rng;
  const struct wl_uniform *uniform = sizes;
  return uniform->min + wl_below(bits, uniform->range);
}

// Effect: the whole of a lane whose positional arguments are iters, ws, min, max and seed.
static inline int wl_churn_uniform_main(const struct wl_lane *lane, int argc, char **argv) {
  enum { ITERS, WS, MIN, MAX, SEED };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  if (wl_parse(lane, argc, argv, &options, values) > SEED) {
    options.seed = values[SEED];
  }
  wl_require_ordered("min", values[MIN], "max", values[MAX]);
  const struct wl_uniform sizes = {values[MIN], values[MAX] - values[MIN] + 1};
  const struct wl_churn churn = {wl_scaled(&options, values[ITERS]), values[WS], &sizes};
  return wl_churn_run(lane->name, &options, &churn, wl_uniform_size, NULL);
}

#endif // BENCH_WORKLOADS_COMMON_CHURN_H_
