// larson: a server whose threads die and leave their blocks to their successors.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: a lineage is a chain of threads, one alive at a time but for the moment of handing
// over; its blocks, its generator and its counts pass along the chain.
//
// After P. Larson and M. Krishnan, "Memory Allocation for Long-Running Server Applications" (ISMM
// 1998). Main fills an array of blocks for each lineage. A thread replaces randomly chosen blocks
// by blocks of random size, `rounds` times as many as the array holds, writing the first byte of
// each; then it starts a successor that inherits the array, and ends. So most blocks are freed by a
// thread that did not allocate them ("bleeding"), and their allocating threads are gone.
//
//     main: fill -> thread 0 -> thread 1 -> thread 2 ...   until the time is over
//
// --mode loop has long lives (100 rounds), burst short ones (1 round: thread start and end, and
// what an allocator does then, are felt). A successor joins its predecessor's predecessor, so that
// at most two threads of a lineage exist, and no thread waits for the end of the one before it.
#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

#define BATCH 64 // replacements between two looks at the crew's stop word

static const char *const band_names[] = {"tiny", "small", "mid", "13k", "large", NULL};

static const struct band {
  uint64_t min;
  uint64_t max;
  uint64_t blocks; // in an array: some 17 MiB of large blocks, 13 of middle ones
} bands[] = {{8, 64, 5000},
             {8, 1024, 5000},
             {2048, 32768, 1000},
             {13 * 1024, 15 * 1024, 1000},
             {64 * 1024, 1024 * 1024, 32}};

static const struct wl_arg arguments[] = {
    {"band", "sizes: 8-64, 8-1024, 2048-32768, 13-15 KiB, 64-1024 KiB", 0, 0, 1, band_names},
    {"threads", "lineages", 1, WL_THREADS_MAX, 16, NULL},
    {"blocks", "blocks in each array; 0: as fits the band", 0, 1 << 24, 0, NULL},
    {"rounds", "rounds of each thread; 0: as --mode says", 0, 1 << 24, 0, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { BAND, THREADS, BLOCKS, ROUNDS };
enum { KEY_MODE = 1 };

static const struct argp_option lane_options[] = {
    {"mode", KEY_MODE, "loop|burst", 0, "Long lives of threads (the default), or short ones", 2},
    {0}};

static const char *const mode_names[] = {"loop", "burst", NULL};
static const uint64_t mode_rounds[] = {100, 1};
static unsigned mode;

struct slot {
  char *block; // NULL after a failed malloc
  uint64_t bytes;
};

struct lane {
  struct wl_crew crew;
  struct wl_ledger ledger;
  uint64_t min;
  uint64_t range;
  uint64_t blocks;
  uint64_t life; // replacements of each thread
  unsigned care;
};

struct lineage {
  struct wl_lap lap; // first: wl_crew_run reads it
  struct lane *lane;
  struct slot *slots;
  struct wl_rng rng;
  struct wl_share share;
  uint64_t mallocs;
  uint64_t frees;
  uint64_t failures;
  uint64_t generations; // threads so far; the first is the crew's to join
  pthread_t elder;      // the thread before this one; set before its successor starts
  WL_OWN_LINE char padding[WL_CACHE_LINE_BYTES];
};

static void set_option(int key, const char *value) {
  (void)key;
  mode = wl_parse_word("--mode", value, mode_names);
}

static void drop(struct lineage *l, struct slot *slot) {
  if (WL_UNLIKELY(slot->block == NULL)) {
    return;
  }
  wl_share_add(&l->share, -(int64_t)slot->bytes);
  wl_block_free(slot->block, slot->bytes, l->lane->care);
  slot->block = NULL;
  l->frees++;
}

static void fill(struct lineage *l, struct slot *slot, uint64_t bytes) {
  char *block = wl_block_new(bytes, l->lane->care);
  if (WL_UNLIKELY(block == NULL)) {
    l->failures++;
    return;
  }
  if ((l->lane->care & WL_CARE_CONTENT) == 0) {
    block[0] = 1; // the published simulation writes there
  }
  *slot = (struct slot){block, bytes};
  wl_share_add(&l->share, (int64_t)bytes);
  l->mallocs++;
}

static void replace_some(struct lineage *l, uint64_t count) {
  const struct lane *lane = l->lane;
  const uint64_t min = lane->min;
  const uint64_t range = lane->range;
  const uint64_t blocks = lane->blocks;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t draw = wl_rng_next(&l->rng);
    struct slot *slot = &l->slots[wl_below(wl_high_bits(draw), blocks)];
    drop(l, slot);
    fill(l, slot, min + wl_below(wl_low_bits(draw), range));
  }
}

static void *live(void *argument) {
  struct lineage *l = argument;
  struct lane *lane = l->lane;
  const uint64_t generation = l->generations++;
  const pthread_t elder = l->elder;
  if (generation == 0) {
    wl_lap_begin(&lane->crew, &l->lap);
  }
  for (uint64_t left = lane->life; left > 0 && !wl_crew_stopped(&lane->crew);) {
    const uint64_t count = left < BATCH ? left : BATCH;
    replace_some(l, count);
    left -= count;
    wl_lap_count(&l->lap, l->mallocs + l->frees);
  }
  if (generation >= 2) {
    pthread_join(elder, NULL);
  }
  l->elder = pthread_self();
  if (wl_crew_stopped(&lane->crew)) {
    wl_lap_end(&lane->crew, &l->lap);
  } else {
    wl_thread_start(live, l);
  }
  return NULL;
}

static struct lineage *make_lineages(struct lane *lane, const struct wl_options *options,
                                     unsigned threads) {
  struct lineage *lineages = wl_harness_memory(threads * sizeof(*lineages));
  for (unsigned i = 0; i < threads; i++) {
    struct lineage *l = &lineages[i];
    l->lane = lane;
    l->slots = wl_harness_memory(lane->blocks * sizeof(*l->slots));
    l->rng = wl_rng_make(options->seed, i);
    wl_share_open(&l->share, &lane->ledger);
    for (uint64_t k = 0; k < lane->blocks; k++) {
      fill(l, &l->slots[k], lane->min + wl_below(wl_low_bits(wl_rng_next(&l->rng)), lane->range));
    }
    l->mallocs = 0; // outside the timing
  }
  return lineages;
}

// Effect: joins the last thread of the lineage, frees its blocks, adds its counts to the totals.
static void bury(struct lineage *l, struct wl_totals *totals) {
  if (l->generations > 1) {
    pthread_join(l->elder, NULL);
  }
  totals->ops += l->mallocs + l->frees;
  totals->alloc_failures += l->failures;
  for (uint64_t k = 0; k < l->lane->blocks; k++) {
    drop(l, &l->slots[k]);
  }
  wl_share_close(&l->share);
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "larson",
      .doc = "Server simulation of Larson and Krishnan: threads end and leave their blocks behind.",
      .args = arguments,
      .options = lane_options,
      .set_option = set_option,
      .defaults = {.seconds = 5},
      .timed = true,
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  const struct band *band = &bands[values[BAND]];
  const unsigned threads = (unsigned)values[THREADS];
  const uint64_t rounds = values[ROUNDS] > 0 ? values[ROUNDS] : mode_rounds[mode];

  static struct lane lane;
  wl_crew_open(&lane.crew, threads);
  wl_ledger_open(&lane.ledger, threads, band->max);
  lane.min = band->min;
  lane.range = band->max - band->min + 1;
  lane.blocks = values[BLOCKS] > 0 ? values[BLOCKS] : band->blocks;
  lane.life = rounds * lane.blocks;
  lane.care = wl_care(&options);
  struct lineage *lineages = make_lineages(&lane, &options, threads);
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  const struct wl_run run = {.body = live,
                             .workers = lineages,
                             .stride = sizeof(*lineages),
                             .seconds = options.seconds,
                             .epochs = &epochs};
  const uint64_t elapsed_ns = wl_crew_run(&lane.crew, &run);
  wl_crew_close(&lane.crew);

  struct wl_totals totals = {.elapsed_ns = elapsed_ns, .threads = threads};
  uint64_t generations = 0;
  for (unsigned i = 0; i < threads; i++) {
    bury(&lineages[i], &totals);
    generations += lineages[i].generations;
  }
  wl_ledger_require_empty(&lane.ledger);
  totals.live_high_bytes = (uint64_t)lane.ledger.high;
  totals.live_error_bytes = (uint64_t)lane.ledger.error_bytes;
  struct wl_result result;
  wl_result_begin(&result, "larson", &options, &totals);
  wl_result_word(&result, "band", band_names[values[BAND]]);
  wl_result_word(&result, "mode", mode_names[mode]);
  wl_result_count(&result, "blocks", lane.blocks);
  wl_result_count(&result, "rounds", rounds);
  wl_result_count(&result, "threads_started", generations);
  wl_result_count(&result, "harness_kib", wl_harness_kib());
  return wl_result_finish(&result, &options);
}
