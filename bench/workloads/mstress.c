// mstress: blocks migrate between threads, live long or short, and outlive their threads.
//
// Owns: the lane of that name. Knows malloc, realloc and free.
// Thread rule: a worker's lists are its own; the transfer slots are shared, one atomic exchange at
// a time; between phases main is alone.
//
// After the description of mstress in the mimalloc-bench suite (Daan Leijen). In each phase new
// threads allocate blocks of power-of-two sizes (half of them 16 bytes, a quarter 32, ... up to
// 1 MiB). A block is short-lived (freed in random order, sometimes reallocated), or kept until its
// thread ends, or swapped into a shared slot, where another thread finds it. Threads have unequal
// amounts of work. At the end of a thread a quarter of its kept blocks goes into the shared slots
// and survives into later phases; main frees a quarter of the slots after each phase. Timed is the
// whole, with the threads' starts and ends.
//
//     thread:  short[] <--exchange--> transfer[] <--exchange--> short[] : another thread,
//              kept[] ----at its end---^   |                              or a later phase
//                                          '--> main frees some between phases
//
// Every block begins with its size, written by the lane: whoever finds it needs to know.
#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

#include <string.h>

#define TRANSFER_SLOTS 1024
#define SHORT_SLOTS 2048
#define KEPT_SLOTS 1024
#define BATCH 64 // operations between two looks at the crew's stop word
#define SMALLEST_BYTES 16
#define DOUBLINGS 16      // 16 bytes to 1 MiB
#define COMMON_BYTES 4096 // for the ledger: larger blocks are one in 256

static const struct wl_arg arguments[] = {
    {"threads", "threads in each phase", 1, WL_THREADS_MAX, 16, NULL},
    {"phases", "phases, each with new threads", 1, 1 << 24, 50, NULL},
    {"work", "operations of the least busy thread in a phase", 1, UINT64_C(1) << 40, 10000, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { THREADS, PHASES, WORK };

struct header {
  uint64_t bytes; // of the whole block
};

struct lane {
  struct wl_crew crew; // of the phase
  struct wl_ledger ledger;
  struct header *transfer[TRANSFER_SLOTS]; // by any thread, by atomic exchange
  uint64_t work;
  unsigned care;
};

struct worker {
  struct wl_lap lap; // first: wl_crew_run reads it
  struct lane *lane;
  struct wl_rng rng;
  struct wl_share share;
  struct header **brief; // short-lived blocks: brief_count of SHORT_SLOTS
  struct header **kept;  // blocks that live as long as the thread: kept_count of KEPT_SLOTS
  uint64_t brief_count;
  uint64_t kept_count;
  uint64_t budget; // operations in this phase
  uint64_t ops;
  uint64_t failures;
  WL_OWN_LINE char padding[WL_CACHE_LINE_BYTES];
};

// The part of a block behind its header.
static char *payload(struct header *block) {
  return (char *)(block + 1);
}

static uint64_t payload_bytes(const struct header *block) {
  return block->bytes - sizeof(*block);
}

// Effect: writes the header, and the payload as --touch or --check ask.
static void dress(struct header *block, uint64_t bytes, unsigned care) {
  block->bytes = bytes;
  if (WL_LIKELY((care & WL_CARE_CONTENT) == 0)) {
    return;
  }
  if ((care & WL_CARE_CHECK) != 0) {
    wl_block_verify_alignment(block, bytes);
    wl_pattern_fill(payload(block), payload_bytes(block), wl_block_key(block, bytes));
  } else if ((care & WL_CARE_ALL) != 0) {
    memset(payload(block), 1, payload_bytes(block));
  } else {
    wl_touch_edges(payload(block), payload_bytes(block));
  }
}

static struct header *make(struct worker *w, uint64_t bytes) {
  struct header *block = wl_malloc(bytes, w->lane->care);
  if (WL_UNLIKELY(block == NULL)) {
    w->failures++;
    return NULL;
  }
  dress(block, bytes, w->lane->care);
  wl_share_add(&w->share, (int64_t)bytes);
  w->ops++;
  return block;
}

static void drop(struct worker *w, struct header *block) {
  if (block == NULL) {
    return;
  }
  const uint64_t bytes = block->bytes;
  if ((w->lane->care & WL_CARE_CHECK) != 0) {
    wl_pattern_verify(payload(block), payload_bytes(block), wl_block_key(block, bytes));
    volatile char *spoiled = payload(block); // a second holder of this memory will notice
    spoiled[0] = (char)~spoiled[0];
  }
  wl_share_add(&w->share, -(int64_t)bytes);
  wl_free(block, w->lane->care);
  w->ops++;
}

// Returns: the block that holds the content of BLOCK, of BYTES bytes where that succeeded.
static struct header *resize(struct worker *w, struct header *block, uint64_t bytes) {
  const bool check = (w->lane->care & WL_CARE_CHECK) != 0;
  const uint64_t old_bytes = block->bytes;
  const uint64_t old_key = wl_block_key(block, old_bytes);
  if (check) {
    wl_pattern_verify(payload(block), payload_bytes(block), old_key);
  }
  struct header *moved = wl_realloc(block, bytes, w->lane->care);
  if (WL_UNLIKELY(moved == NULL)) {
    w->failures++;
    return block;
  }
  if (check) {
    const uint64_t common = bytes < old_bytes ? bytes : old_bytes;
    wl_pattern_verify(payload(moved), common - sizeof(*moved), old_key);
  }
  dress(moved, bytes, w->lane->care);
  wl_share_add(&w->share, (int64_t)bytes - (int64_t)old_bytes);
  w->ops++;
  return moved;
}

// Returns: 16 bytes in half of all cases, 32 in a quarter, and so on.
static uint64_t draw_bytes(struct worker *w) {
  const uint64_t draw = wl_rng_next(&w->rng) | UINT64_C(1) << DOUBLINGS;
  return (uint64_t)SMALLEST_BYTES << __builtin_ctzll(draw);
}

static struct header *exchange(struct lane *lane, uint32_t bits, struct header *block) {
  // Acquire and release: the content of what we give is visible to the finder, that of what we get
  // to us. The partner is the same exchange by another thread.
  return __atomic_exchange_n(&lane->transfer[wl_below(bits, TRANSFER_SLOTS)], block,
                             __ATOMIC_ACQ_REL);
}

static void add_brief(struct worker *w) {
  struct header *block = make(w, draw_bytes(w));
  if (block != NULL) {
    w->brief[w->brief_count++] = block;
  }
}

static void add_kept(struct worker *w) {
  struct header *block = make(w, draw_bytes(w));
  if (block != NULL) {
    w->kept[w->kept_count++] = block;
  }
}

// What one operation does, out of 32; the rest is about short-lived blocks.
enum { SWAP_END = 2, RESIZE_END = 4, KEEP_END = 5 };

static void operate(struct worker *w) {
  const uint64_t draw = wl_rng_next(&w->rng);
  const uint64_t kind = draw & 31;
  const bool grow = ((draw >> 5) & 1) != 0;
  if (kind >= RESIZE_END && kind < KEEP_END && w->kept_count < KEPT_SLOTS) {
    add_kept(w);
    return;
  }
  if (w->brief_count == 0 || (kind >= KEEP_END && grow && w->brief_count < SHORT_SLOTS)) {
    add_brief(w);
    return;
  }
  struct header **one = &w->brief[wl_below(wl_high_bits(draw), w->brief_count)];
  if (kind < SWAP_END) {
    *one = exchange(w->lane, wl_low_bits(wl_rng_next(&w->rng)), *one);
  } else if (kind < RESIZE_END) {
    *one = resize(w, *one, draw_bytes(w));
  } else {
    drop(w, *one);
    *one = NULL;
  }
  if (*one == NULL) {
    *one = w->brief[--w->brief_count]; // close the gap
  }
}

static void end_of_life(struct worker *w) {
  while (w->brief_count > 0) {
    drop(w, w->brief[--w->brief_count]);
  }
  while (w->kept_count > 0) {
    struct header *block = w->kept[--w->kept_count];
    const uint64_t draw = wl_rng_next(&w->rng);
    drop(w, (draw & 3) == 0 ? exchange(w->lane, wl_high_bits(draw), block) : block);
  }
}

static void *work(void *argument) {
  struct worker *w = argument;
  struct wl_crew *crew = &w->lane->crew;
  wl_lap_begin(crew, &w->lap);
  for (uint64_t left = w->budget; left > 0 && !wl_crew_stopped(crew);) {
    const uint64_t count = left < BATCH ? left : BATCH;
    for (uint64_t i = 0; i < count; i++) {
      operate(w);
    }
    left -= count;
    wl_lap_count(&w->lap, w->ops);
  }
  end_of_life(w);
  wl_lap_end(crew, &w->lap);
  return NULL;
}

// Effect: frees one transfer slot in OF, between phases.
static void sweep(struct worker *w, uint64_t of) {
  for (unsigned i = 0; i < TRANSFER_SLOTS; i++) {
    if (wl_below(wl_high_bits(wl_rng_next(&w->rng)), of) == 0) {
      drop(w, w->lane->transfer[i]);
      w->lane->transfer[i] = NULL;
    }
  }
}

// Effect: one phase with new threads, at most SECONDS long, and the sweep after it.
static void run_phase(struct lane *lane, struct worker *workers, unsigned threads, uint64_t phase,
                      double seconds, struct wl_epochs *epochs) {
  wl_crew_open(&lane->crew, threads);
  for (unsigned i = 0; i < threads; i++) {
    workers[i].budget = lane->work * (1 + (i + phase) % 4); // one to four times the work
  }
  const struct wl_run run = {.body = work,
                             .workers = workers,
                             .stride = sizeof(*workers),
                             .seconds = seconds,
                             .epochs = epochs};
  wl_crew_run(&lane->crew, &run);
  wl_crew_close(&lane->crew);
  sweep(&workers[0], 4);
}

static struct worker *make_workers(struct lane *lane, const struct wl_options *options,
                                   unsigned threads) {
  struct worker *workers = wl_harness_memory(threads * sizeof(*workers));
  for (unsigned i = 0; i < threads; i++) {
    struct worker *w = &workers[i];
    w->lane = lane;
    w->rng = wl_rng_make(options->seed, i);
    w->brief = wl_harness_memory(SHORT_SLOTS * sizeof(struct header *));
    w->kept = wl_harness_memory(KEPT_SLOTS * sizeof(struct header *));
    wl_share_open(&w->share, &lane->ledger);
  }
  return workers;
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "mstress",
      .doc = "Phases of new threads; blocks migrate between threads and outlive them.",
      .args = arguments,
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  const unsigned threads = (unsigned)values[THREADS];
  const uint64_t phases = wl_scaled(&options, values[PHASES]);

  static struct lane lane;
  lane.work = values[WORK];
  lane.care = wl_care(&options);
  wl_ledger_open(&lane.ledger, threads, COMMON_BYTES);
  struct worker *workers = make_workers(&lane, &options, threads);
  struct wl_totals totals = {.threads = threads};
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  const uint64_t start_ns = wl_now_ns();
  uint64_t phase = 0;
  for (; phase < phases && wl_seconds(totals.elapsed_ns) < options.seconds; phase++) {
    run_phase(&lane, workers, threads, phase, options.seconds - wl_seconds(totals.elapsed_ns),
              &epochs);
    totals.elapsed_ns = wl_now_ns() - start_ns;
  }
  for (unsigned i = 0; i < threads; i++) {
    totals.ops += workers[i].ops;
    totals.alloc_failures += workers[i].failures;
  }
  sweep(&workers[0], 1);
  for (unsigned i = 0; i < threads; i++) {
    wl_share_close(&workers[i].share);
  }
  if ((lane.care & WL_CARE_CHECK) != 0) { // the null allocator does not keep the sizes in blocks
    wl_ledger_require_empty(&lane.ledger);
  }
  totals.live_high_bytes = (uint64_t)lane.ledger.high;
  totals.live_error_bytes = (uint64_t)lane.ledger.error_bytes;
  struct wl_result result;
  wl_result_begin(&result, "mstress", &options, &totals);
  wl_result_count(&result, "phases", phase);
  wl_result_count(&result, "threads_started", phase * threads);
  wl_result_count(&result, "harness_kib", wl_harness_kib());
  return wl_result_finish(&result, &options);
}
