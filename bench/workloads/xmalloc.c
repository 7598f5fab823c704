// xmalloc: some threads only allocate, others only free.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: batches pass under one lock; a batch belongs to the thread that took it.
//
// After C. Lever and D. Boreham, "malloc() Performance in a Multithreaded Linux Environment"
// (USENIX Annual Technical Conference, Freenix, 2000), in the form of xmalloc-test in B. Kuszmaul's
// SuperMalloc: producers fill batches with blocks of various sizes, consumers free them. Every
// block crosses threads, none ever comes back: caches per thread run dry on one side and over on
// the other.
//
//     producers --[ full batches, first in first out ]--> consumers
//         ^------[ empty batches ]<---------------------------'
//
// The number of batches is fixed: a producer without an empty one sleeps, a consumer without a full
// one too (condition variables). The batches are the harness's own memory, not the allocator's.
#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

static const struct wl_arg arguments[] = {
    {"producers", "threads that allocate", 1, WL_THREADS_MAX / 2, 8, NULL},
    {"consumers", "threads that free", 1, WL_THREADS_MAX / 2, 8, NULL},
    {"batch", "blocks in a batch", 1, 1 << 20, 4096, NULL},
    {"queue", "batches between the two sides", 1, 1 << 16, 32, NULL},
    {"size", "bytes of a block; 0: drawn from 8 to 3072 bytes", 0, UINT64_C(1) << 31, 0, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { PRODUCERS, CONSUMERS, BATCH, QUEUE, SIZE };

// Each power of two from 8 on and the middle to the next one, equally often.
static const uint32_t mixed_sizes[] = {8,   12,  16,  24,  32,  48,   64,   96,   128,
                                       192, 256, 384, 512, 768, 1024, 1536, 2048, 3072};
#define MIXED_SIZES (sizeof(mixed_sizes) / sizeof(mixed_sizes[0]))

struct batch {
  struct batch *next; // in a list; under the lock
  void **blocks;
  uint32_t *sizes;
  uint64_t count; // filled entries; 0 in the empty list
};

struct list { // first in, first out
  struct batch *first;
  struct batch **end; // == &first when empty
};

struct lane {
  struct wl_crew crew;
  struct wl_ledger ledger;
  pthread_mutex_t lock; // guards full and empty
  pthread_cond_t filled;
  pthread_cond_t emptied;
  struct list full;
  struct list empty;
  uint64_t batch;
  uint64_t size; // 0: mixed
  unsigned producers;
  unsigned care;
};

struct worker {
  struct wl_lap lap; // first: wl_crew_run reads it
  struct lane *lane;
  struct wl_rng rng;
  struct wl_share share;
  bool produces;
  uint64_t ops;
  uint64_t failures;
  uint64_t sleeps; // waits for a batch
  WL_OWN_LINE char padding[WL_CACHE_LINE_BYTES];
};

static void append(struct list *list, struct batch *batch) {
  batch->next = NULL;
  *list->end = batch;
  list->end = &batch->next;
}

static struct batch *remove_first(struct list *list) {
  struct batch *batch = list->first;
  if (batch != NULL && (list->first = batch->next) == NULL) {
    list->end = &list->first;
  }
  return batch;
}

// Returns: NULL once the crew was asked to stop.
static struct batch *take(struct worker *w, struct list *list, pthread_cond_t *changed) {
  struct lane *lane = w->lane;
  struct batch *batch = NULL;
  pthread_mutex_lock(&lane->lock);
  while (!wl_crew_stopped(&lane->crew) && (batch = remove_first(list)) == NULL) {
    w->sleeps++;
    pthread_cond_wait(changed, &lane->lock);
  }
  pthread_mutex_unlock(&lane->lock);
  return batch;
}

static void put(struct lane *lane, struct list *list, pthread_cond_t *changed,
                struct batch *batch) {
  pthread_mutex_lock(&lane->lock);
  append(list, batch);
  pthread_cond_signal(changed);
  pthread_mutex_unlock(&lane->lock);
}

static void wake_all(void *argument) {
  struct lane *lane = argument;
  // Under the lock: whoever looked at the stop word before it was set is waiting by now.
  pthread_mutex_lock(&lane->lock);
  pthread_cond_broadcast(&lane->filled);
  pthread_cond_broadcast(&lane->emptied);
  pthread_mutex_unlock(&lane->lock);
}

static void fill(struct worker *w, struct batch *batch) {
  const struct lane *lane = w->lane;
  uint64_t count = 0;
  for (uint64_t i = 0; i < lane->batch; i++) {
    const uint64_t bytes =
        lane->size > 0 ? lane->size
                       : mixed_sizes[wl_below(wl_high_bits(wl_rng_next(&w->rng)), MIXED_SIZES)];
    void *block = wl_block_new(bytes, lane->care);
    if (WL_UNLIKELY(block == NULL)) {
      w->failures++;
      continue;
    }
    wl_share_add(&w->share, (int64_t)bytes);
    batch->blocks[count] = block;
    batch->sizes[count++] = (uint32_t)bytes;
  }
  batch->count = count;
  w->ops += count;
}

static void empty(struct worker *w, struct batch *batch) {
  for (uint64_t i = 0; i < batch->count; i++) {
    wl_share_add(&w->share, -(int64_t)batch->sizes[i]);
    wl_block_free(batch->blocks[i], batch->sizes[i], w->lane->care);
  }
  w->ops += batch->count;
  batch->count = 0;
}

static void produce(struct worker *w) {
  struct lane *lane = w->lane;
  struct batch *batch;
  while ((batch = take(w, &lane->empty, &lane->emptied)) != NULL) {
    fill(w, batch);
    wl_lap_count(&w->lap, w->ops);
    put(lane, &lane->full, &lane->filled, batch);
  }
}

static void consume(struct worker *w) {
  struct lane *lane = w->lane;
  struct batch *batch;
  while ((batch = take(w, &lane->full, &lane->filled)) != NULL) {
    empty(w, batch);
    wl_lap_count(&w->lap, w->ops);
    put(lane, &lane->empty, &lane->emptied, batch);
  }
}

static void *work(void *argument) {
  struct worker *w = argument;
  wl_lap_begin(&w->lane->crew, &w->lap);
  if (w->produces) {
    produce(w);
  } else {
    consume(w);
  }
  wl_lap_end(&w->lane->crew, &w->lap);
  return NULL;
}

static void make_batches(struct lane *lane, uint64_t count) {
  struct batch *batches = wl_harness_memory(count * sizeof(*batches));
  for (uint64_t i = 0; i < count; i++) {
    batches[i].blocks = wl_harness_memory(lane->batch * sizeof(void *));
    batches[i].sizes = wl_harness_memory(lane->batch * sizeof(uint32_t));
    append(&lane->empty, &batches[i]);
  }
}

static int report(const struct wl_options *options, struct lane *lane, struct worker *workers,
                  uint64_t elapsed_ns) {
  const unsigned threads = lane->crew.threads;
  struct wl_totals totals = {.elapsed_ns = elapsed_ns, .threads = threads};
  uint64_t sleeps = 0;
  for (unsigned i = 0; i < threads; i++) {
    totals.ops += workers[i].ops;
    totals.alloc_failures += workers[i].failures;
    sleeps += workers[i].sleeps;
  }
  struct batch *batch;
  while ((batch = remove_first(&lane->full)) != NULL) {
    empty(&workers[0], batch); // outside the timing
  }
  for (unsigned i = 0; i < threads; i++) {
    wl_share_close(&workers[i].share);
  }
  wl_ledger_require_empty(&lane->ledger);
  totals.live_high_bytes = (uint64_t)lane->ledger.high;
  totals.live_error_bytes = (uint64_t)lane->ledger.error_bytes;
  struct wl_result result;
  wl_result_begin(&result, "xmalloc", options, &totals);
  wl_result_count(&result, "producers", lane->producers);
  wl_result_count(&result, "batch", lane->batch);
  wl_result_count(&result, "size", lane->size);
  wl_result_count(&result, "sleeps", sleeps);
  wl_result_count(&result, "harness_kib", wl_harness_kib());
  return wl_result_finish(&result, options);
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "xmalloc",
      .doc = "Producers allocate, consumers free: every block crosses threads.",
      .args = arguments,
      .defaults = {.seconds = 5},
      .timed = true,
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  const unsigned threads = (unsigned)(values[PRODUCERS] + values[CONSUMERS]);

  static struct lane lane = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .filled = PTHREAD_COND_INITIALIZER,
                             .emptied = PTHREAD_COND_INITIALIZER};
  lane.full.end = &lane.full.first;
  lane.empty.end = &lane.empty.first;
  lane.batch = values[BATCH];
  lane.size = values[SIZE];
  lane.producers = (unsigned)values[PRODUCERS];
  lane.care = wl_care(&options);
  wl_crew_open(&lane.crew, threads);
  wl_ledger_open(&lane.ledger, threads, lane.size > 0 ? lane.size : mixed_sizes[MIXED_SIZES - 1]);
  make_batches(&lane, values[QUEUE] + threads);
  struct worker *workers = wl_harness_memory(threads * sizeof(*workers));
  for (unsigned i = 0; i < threads; i++) {
    workers[i].lane = &lane;
    workers[i].produces = i < lane.producers;
    workers[i].rng = wl_rng_make(options.seed, i);
    wl_share_open(&workers[i].share, &lane.ledger);
  }
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  const struct wl_run run = {.body = work,
                             .workers = workers,
                             .stride = sizeof(*workers),
                             .seconds = options.seconds,
                             .epochs = &epochs,
                             .wake = wake_all,
                             .wake_argument = &lane};
  const uint64_t elapsed_ns = wl_crew_run(&lane.crew, &run);
  wl_crew_close(&lane.crew);
  return report(&options, &lane, workers, elapsed_ns);
}
