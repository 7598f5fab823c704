// mt_remote: threads that free each other's blocks, at a chosen rate.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: worker i sends into ring i and receives from ring i - 1; nothing else is shared but
// the words of the crew and two counters (`cold` and `running`).
//
// The lane is the "remote free" microbenchmark of this family of allocators; the idea that blocks
// bleed to other threads is Larson and Krishnan's ("Memory Allocation for Long-Running Server
// Applications", ISMM 1998), the ring is Lamport's single-producer single-consumer queue
// ("Specifying Concurrent Program Modules", TOPLAS 1983) with the sender's cached copy of the
// receiver's index.
//
//     worker 0 --ring 0--> worker 1 --ring 1--> ... worker T-1 --ring T-1--> worker 0
//
// One iteration: free everything that has arrived; draw a slot and a size; an empty slot receives a
// new block of that size; a full one loses its block, with probability remote_pct into the ring.
// Where the slot is full the size is not needed, so its 32 random bits decide about the ring.
//
// Matched (the default): a sender that finds the ring full frees what has arrived for it, yields,
// and tries again. It cannot dead-lock: take the threads that wait; each drains its own incoming
// ring at every turn, so the ring of whoever waits for it gets room; threads that have finished
// keep draining until all have; and a wait ends when the phase ends. Classic: it frees the block
// itself and counts a fallback.
//
// Phases of each worker:  warm up -> barrier -> timed iterations -> drain until all have finished
// -> free what is left. The warm-up is the same loop, untimed, until every ring has been filled
// twice over (with remote_pct 0: for as many iterations), or until --warm-seconds (warmup=cut).
//
// effective_remote_pct is the share of the frees inside the timing that another thread did;
// pushed_pct the share of the blocks that left a slot inside the timing and went into a ring. They
// differ by the blocks that lay in the rings when the clock started, and stopped.
#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/ledger.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

#include <math.h>
#include <sched.h>
#include <string.h>

#define BATCH 64            // iterations between two looks at the crew's stop word
#define DRAIN_CHUNK 32      // blocks freed before the sender is told of the room
#define WARM_TURNOVERS 2    // each ring is filled so many times before the clock starts
#define NAP_NS 100000       // a finished thread looks for arrivals this often
#define STRAY_LIMIT_PCT 1.0 // a matched run may miss the requested share by so much

struct ring {
  // The sender's line. sent and head_seen are its own; tail is read by the receiver.
  WL_OWN_LINE uint64_t tail; // blocks ever sent
  uint64_t head_seen;        // head, as last read; head_seen <= head
  uint32_t put;              // tail % slots
  // The receiver's line.
  WL_OWN_LINE uint64_t head; // blocks ever freed; head <= tail <= head + slots
  uint64_t taken;            // head, not yet published
  uint32_t get;              // taken % slots
  // Constant.
  WL_OWN_LINE void **blocks;
  uint32_t *sizes; // beside the blocks, so that they need not be touched to be counted
  uint32_t slots;
};

struct slot {
  void *block; // NULL = empty
  uint64_t bytes;
};

struct tally {
  uint64_t iterations;
  uint64_t mallocs;
  uint64_t failures;
  uint64_t local_frees; // includes the fallbacks
  uint64_t remote_frees;
  uint64_t pushes;
  uint64_t fallbacks;
  uint64_t waits; // times a sender yielded because the ring was full
};

struct plan {
  uint64_t iterations;
  uint64_t ws;
  uint64_t min;
  uint64_t range;
  uint64_t remote_threshold; // of 2^32
  uint64_t warm_count;       // pushes (with remote_pct 0: iterations) that warm one ring
  uint64_t warm_deadline_ns;
  unsigned remote_pct;
  unsigned care;
  bool matched;
};

struct lane {
  struct wl_crew crew;
  struct wl_ledger ledger;
  WL_OWN_LINE unsigned cold;    // rings not warm yet
  WL_OWN_LINE unsigned running; // workers that still iterate
  WL_OWN_LINE struct plan plan; // constant
};

struct worker {
  struct wl_lap lap; // first: wl_crew_run reads it
  struct lane *lane;
  struct slot *slots;
  struct ring *in;
  struct ring *out;
  struct wl_rng rng;
  struct wl_share share;
  struct tally tally;
  double turnovers; // of the outgoing ring, in the warm-up
  bool timing;      // the warm-up is over
  WL_OWN_LINE char padding[WL_CACHE_LINE_BYTES];
};

static const struct wl_arg arguments[] = {
    {"threads", "threads", 1, WL_THREADS_MAX, 16, NULL},
    {"iters", "iterations of each thread", 1, UINT64_C(1) << 40, 2000000, NULL},
    {"ws", "slots in each thread's working set", 1, 1 << 24, 400, NULL},
    {"min", "smallest block, bytes", 1, UINT64_C(1) << 31, 16, NULL},
    {"max", "largest block, bytes", 1, UINT64_C(1) << 31, 2048, NULL},
    {"remote_pct", "share of blocks freed by the next thread, percent", 0, 100, 50, NULL},
    {"ring_slots", "blocks a ring holds", 1, 1 << 26, 65536, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { KEY_CLASSIC = 1, KEY_MATCHED };

static const struct argp_option lane_options[] = {
    {"matched", KEY_MATCHED, NULL, 0, "A sender that finds the ring full waits (the default)", 2},
    {"classic", KEY_CLASSIC, NULL, 0, "It frees the block itself, and the fallback is counted", 2},
    {0}};

static bool classic;

static void set_option(int key, const char *value) {
  (void)value;
  classic = key == KEY_CLASSIC;
}

static inline bool ring_push(struct ring *ring, void *block, uint64_t bytes) {
  if (WL_UNLIKELY(ring->tail - ring->head_seen == ring->slots)) {
    // Acquire: the receiver has read the entries it gave back before we overwrite them. Partner:
    // the release in drain_arrived.
    ring->head_seen = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    if (ring->tail - ring->head_seen == ring->slots) {
      return false;
    }
  }
  ring->blocks[ring->put] = block;
  ring->sizes[ring->put] = (uint32_t)bytes;
  ring->put = ring->put + 1 == ring->slots ? 0 : ring->put + 1;
  // Release: the entry, and what was written into the block, are visible before the count. Partner:
  // the acquire in drain.
  __atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_RELEASE);
  return true;
}

// Effect: frees the blocks up to TAIL and tells the sender, chunk by chunk.
static __attribute__((noinline)) void drain_arrived(struct worker *w, uint64_t tail) {
  struct ring *ring = w->in;
  const unsigned care = w->lane->plan.care;
  w->tally.remote_frees += tail - ring->taken;
  while (ring->taken != tail) {
    const uint64_t left = tail - ring->taken;
    const uint64_t chunk = left < DRAIN_CHUNK ? left : DRAIN_CHUNK;
    for (uint64_t i = 0; i < chunk; i++) {
      const uint64_t bytes = ring->sizes[ring->get];
      wl_share_add(&w->share, -(int64_t)bytes);
      wl_block_free(ring->blocks[ring->get], bytes, care);
      ring->get = ring->get + 1 == ring->slots ? 0 : ring->get + 1;
    }
    ring->taken += chunk;
    // Release: the entries were read before the sender may overwrite them. Partner: the acquire in
    // ring_push.
    __atomic_store_n(&ring->head, ring->taken, __ATOMIC_RELEASE);
  }
}

// Effect: frees every block that has arrived. Returns: whether there was any.
static inline bool drain(struct worker *w) {
  // Acquire: the entries up to this count are written. Partner: the release in ring_push.
  const uint64_t tail = __atomic_load_n(&w->in->tail, __ATOMIC_ACQUIRE);
  if (WL_LIKELY(tail == w->in->taken)) {
    return false;
  }
  drain_arrived(w, tail);
  return true;
}

static bool all_warm(const struct lane *lane) {
  // Relaxed: only the number matters; partner is the decrement in warm_up.
  return __atomic_load_n(&lane->cold, __ATOMIC_RELAXED) == 0;
}

static bool phase_over(const struct worker *w) {
  if (w->timing) {
    return wl_crew_stopped(&w->lane->crew);
  }
  return all_warm(w->lane) || wl_now_ns() >= w->lane->plan.warm_deadline_ns;
}

static inline __attribute__((always_inline)) void free_here(struct worker *w, struct slot *slot,
                                                            const struct plan *plan) {
  wl_share_add(&w->share, -(int64_t)slot->bytes);
  wl_block_free(slot->block, slot->bytes, plan->care);
  slot->block = NULL;
  w->tally.local_frees++;
}

// The ring is full. Effect: what the mode says; when the phase ends first the block stays.
static __attribute__((noinline)) void push_into_full(struct worker *w, struct slot *slot,
                                                     const struct plan *plan) {
  if (!plan->matched) {
    w->tally.fallbacks++;
    free_here(w, slot, plan);
    return;
  }
  while (!phase_over(w)) {
    drain(w);
    if (ring_push(w->out, slot->block, slot->bytes)) {
      slot->block = NULL;
      w->tally.pushes++;
      return;
    }
    w->tally.waits++;
    sched_yield();
  }
}

static inline void release(struct worker *w, struct slot *slot, uint32_t bits,
                           const struct plan *plan) {
  if (bits >= plan->remote_threshold) {
    free_here(w, slot, plan);
  } else if (WL_LIKELY(ring_push(w->out, slot->block, slot->bytes))) {
    slot->block = NULL;
    w->tally.pushes++;
  } else {
    push_into_full(w, slot, plan);
  }
}

static inline void acquire(struct worker *w, struct slot *slot, uint32_t bits,
                           const struct plan *plan) {
  const uint64_t bytes = plan->min + wl_below(bits, plan->range);
  slot->block = wl_block_new(bytes, plan->care);
  if (WL_UNLIKELY(slot->block == NULL)) {
    w->tally.failures++;
    return;
  }
  slot->bytes = bytes;
  wl_share_add(&w->share, (int64_t)bytes);
  w->tally.mallocs++;
}

static void iterate(struct worker *w, uint64_t count) {
  const struct plan plan = w->lane->plan;
  struct slot *const slots = w->slots;
  struct wl_rng rng = w->rng; // in a register: nobody else looks at it meanwhile
  for (uint64_t i = 0; i < count; i++) {
    drain(w);
    const uint64_t draw = wl_rng_next(&rng);
    struct slot *slot = &slots[wl_below(wl_high_bits(draw), plan.ws)];
    if (slot->block != NULL) {
      release(w, slot, wl_low_bits(draw), &plan);
    } else {
      acquire(w, slot, wl_low_bits(draw), &plan);
    }
  }
  w->rng = rng;
  w->tally.iterations += count;
}

static void warm_up(struct worker *w) {
  struct lane *lane = w->lane;
  const struct plan *plan = &lane->plan;
  bool warm = false;
  do {
    iterate(w, BATCH);
    const uint64_t count = plan->remote_pct > 0 ? w->tally.pushes : w->tally.iterations;
    if (!warm && count >= plan->warm_count) {
      warm = true;
      // Relaxed: only the number matters; the barrier that follows orders everything else.
      // Partner: all_warm.
      __atomic_sub_fetch(&lane->cold, 1, __ATOMIC_RELAXED);
    }
  } while (!phase_over(w));
  w->turnovers = plan->remote_pct > 0 ? (double)w->tally.pushes / w->out->slots
                                      : (double)w->tally.iterations / w->out->slots;
}

static bool others_run(const struct lane *lane) {
  // Acquire: once it is 0, all that the others ever sent is visible. Partner: the release in
  // finish.
  return __atomic_load_n(&lane->running, __ATOMIC_ACQUIRE) != 0;
}

// Effect: stops this worker's clock; frees arrivals until everybody's has stopped.
static void finish(struct worker *w) {
  struct lane *lane = w->lane;
  w->lap.end_ns = wl_now_ns();
  // Release: our last pushes are visible to whoever sees the count. Partner: others_run.
  if (__atomic_sub_fetch(&lane->running, 1, __ATOMIC_ACQ_REL) == 0) {
    wl_latency_record(0); // the leftovers are outside the timing
  }
  const struct timespec nap = {0, NAP_NS};
  while (others_run(lane)) {
    if (!drain(w)) {
      nanosleep(&nap, NULL);
    }
  }
}

static void free_leftovers(struct worker *w) {
  const struct tally counted = w->tally;
  drain(w);
  for (uint64_t i = 0; i < w->lane->plan.ws; i++) {
    if (w->slots[i].block != NULL) {
      free_here(w, &w->slots[i], &w->lane->plan);
    }
  }
  w->tally = counted; // outside the timing
}

static void *work(void *argument) {
  struct worker *w = argument;
  struct lane *lane = w->lane;
  warm_up(w);
  w->timing = true;
  const uint64_t failures = w->tally.failures; // those of the warm-up count as well
  w->tally = (struct tally){.failures = failures};
  wl_lap_begin(&lane->crew, &w->lap);
  for (uint64_t left = lane->plan.iterations; left > 0 && !wl_crew_stopped(&lane->crew);) {
    const uint64_t count = left < BATCH ? left : BATCH;
    iterate(w, count);
    left -= count;
    wl_lap_count(&w->lap, w->tally.mallocs + w->tally.local_frees + w->tally.remote_frees);
  }
  finish(w);
  free_leftovers(w);
  wl_share_close(&w->share);
  wl_crew_done(&lane->crew);
  return NULL;
}

static struct ring *make_rings(unsigned threads, uint32_t slots) {
  struct ring *rings = wl_harness_memory(threads * sizeof(*rings));
  for (unsigned i = 0; i < threads; i++) {
    rings[i].blocks = wl_harness_memory(slots * sizeof(*rings[i].blocks));
    rings[i].sizes = wl_harness_memory(slots * sizeof(*rings[i].sizes));
    rings[i].slots = slots;
  }
  return rings;
}

static struct worker *make_workers(struct lane *lane, const struct wl_options *options,
                                   unsigned threads, uint32_t ring_slots) {
  struct worker *workers = wl_harness_memory(threads * sizeof(*workers));
  struct ring *rings = make_rings(threads, ring_slots);
  for (unsigned i = 0; i < threads; i++) {
    struct worker *w = &workers[i];
    w->lane = lane;
    w->slots = wl_harness_memory(lane->plan.ws * sizeof(*w->slots));
    w->out = &rings[i];
    w->in = &rings[(i + threads - 1) % threads];
    w->rng = wl_rng_make(options->seed, i);
    wl_share_open(&w->share, &lane->ledger);
  }
  return workers;
}

static double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * (double)part / (double)whole;
}

static int report(const struct wl_options *options, const struct lane *lane,
                  const struct worker *workers, unsigned threads, uint64_t elapsed_ns) {
  struct tally sum = {0};
  double turnovers = INFINITY;
  for (unsigned i = 0; i < threads; i++) {
    const struct tally *t = &workers[i].tally;
    sum.iterations += t->iterations;
    sum.mallocs += t->mallocs;
    sum.failures += t->failures;
    sum.local_frees += t->local_frees;
    sum.remote_frees += t->remote_frees;
    sum.pushes += t->pushes;
    sum.fallbacks += t->fallbacks;
    sum.waits += t->waits;
    turnovers = workers[i].turnovers < turnovers ? workers[i].turnovers : turnovers;
  }
  wl_ledger_require_empty(&lane->ledger);
  const struct plan *plan = &lane->plan;
  const uint64_t frees = sum.local_frees + sum.remote_frees;
  const double effective = percent(sum.remote_frees, frees);
  const struct wl_totals totals = {
      .ops = sum.mallocs + frees,
      .alloc_failures = sum.failures,
      .live_high_bytes = (uint64_t)lane->ledger.high,
      .live_error_bytes = (uint64_t)lane->ledger.error_bytes,
      .elapsed_ns = elapsed_ns,
      .threads = threads,
  };
  struct wl_result result;
  wl_result_begin(&result, "mt_remote", options, &totals);
  wl_result_word(&result, "mode", plan->matched ? "matched" : "classic");
  wl_result_count(&result, "requested_remote_pct", plan->remote_pct);
  wl_result_number(&result, "effective_remote_pct", effective);
  wl_result_number(&result, "pushed_pct", percent(sum.pushes, sum.pushes + sum.local_frees));
  wl_result_number(&result, "fallback_pct", percent(sum.fallbacks, sum.pushes + sum.fallbacks));
  wl_result_count(&result, "remote_frees", sum.remote_frees);
  wl_result_count(&result, "local_frees", sum.local_frees);
  wl_result_count(&result, "mallocs", sum.mallocs);
  wl_result_count(&result, "iterations", sum.iterations);
  wl_result_count(&result, "full_waits", sum.waits);
  wl_result_word(&result, "warmup", turnovers < WARM_TURNOVERS ? "cut" : "full");
  wl_result_number(&result, "warm_turnovers", turnovers);
  wl_result_count(&result, "harness_kib", wl_harness_kib());
  if (plan->matched && fabs(effective - plan->remote_pct) > STRAY_LIMIT_PCT) {
    wl_result_invalid(&result, "remote_share");
  }
  return wl_result_finish(&result, options);
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "mt_remote",
      .doc = "Threads in a circle; each frees blocks itself or passes them to the next.",
      .args = arguments,
      .options = lane_options,
      .set_option = set_option,
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  wl_require_ordered("min", values[3], "max", values[4]);
  const unsigned threads = (unsigned)values[0];
  const unsigned remote_pct = (unsigned)values[5];
  if (threads == 1 && remote_pct > 0) {
    wl_usage_error("remote_pct is %u with threads 1; accepted: 0, since there is no other thread",
                   remote_pct);
  }
  const uint64_t ring_slots = wl_scaled(&options, values[6]);
  if (ring_slots > UINT32_MAX) {
    wl_usage_error("ring_slots times --scale is %llu; accepted: at most %u",
                   (unsigned long long)ring_slots, UINT32_MAX);
  }

  static struct lane lane;
  wl_crew_open(&lane.crew, threads);
  wl_ledger_open(&lane.ledger, threads, values[4]);
  lane.cold = threads;
  lane.running = threads;
  lane.plan = (struct plan){
      .iterations = wl_scaled(&options, values[1]),
      .ws = values[2],
      .min = values[3],
      .range = values[4] - values[3] + 1,
      .remote_threshold = (uint64_t)remote_pct * (UINT64_C(1) << 32) / 100,
      .warm_count = WARM_TURNOVERS * ring_slots,
      .warm_deadline_ns = wl_deadline_ns(options.warm_seconds),
      .remote_pct = remote_pct,
      .care = wl_care(&options),
      .matched = !classic,
  };
  struct worker *workers = make_workers(&lane, &options, threads, (uint32_t)ring_slots);
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  const struct wl_run run = {.body = work,
                             .workers = workers,
                             .stride = sizeof(*workers),
                             .seconds = options.seconds,
                             .epochs = &epochs};
  const uint64_t elapsed_ns = wl_crew_run(&lane.crew, &run);
  wl_crew_close(&lane.crew);
  return report(&options, &lane, workers, threads, elapsed_ns);
}
