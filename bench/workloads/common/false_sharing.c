#include "bench/workloads/common/false_sharing.h"

#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"

static const struct wl_arg arguments[] = {
    {"threads", "threads", 1, WL_THREADS_MAX, 16, NULL},
    {"iters", "objects of each thread, one after the other", 1, UINT64_C(1) << 40, 1000, NULL},
    {"size", "bytes of an object", 1, 1 << 20, 8, NULL},
    {"repetitions", "writes to each byte of an object, divided by threads", 1, UINT64_C(1) << 40,
     200000, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { THREADS, ITERS, SIZE, REPETITIONS };

struct lane {
  struct wl_crew crew;
  uint64_t iterations;
  uint64_t bytes;
  uint64_t repetitions; // of each thread
  unsigned care;
};

struct worker {
  struct wl_lap lap; // first: wl_crew_run reads it
  struct lane *lane;
  char *given; // by main; NULL for active false sharing
  unsigned char value;
  uint64_t ops;
  uint64_t writes;
  uint64_t failures;
  WL_OWN_LINE char padding[WL_CACHE_LINE_BYTES];
};

// Volatile: every write and read is to reach the cache line.
static void scribble(volatile char *object, uint64_t bytes, uint64_t repetitions, char value) {
  for (uint64_t r = 0; r < repetitions; r++) {
    for (uint64_t k = 0; k < bytes; k++) {
      object[k] = value;
      (void)object[k];
    }
  }
}

static void use_one(struct worker *w) {
  const struct lane *lane = w->lane;
  char *object = wl_malloc(lane->bytes, lane->care);
  if (object == NULL) {
    w->failures++;
    return;
  }
  scribble(object, lane->bytes, lane->repetitions, (char)w->value);
  if ((lane->care & WL_CARE_CHECK) != 0) {
    // Threads write different values: memory given to two of them at once shows.
    wl_block_verify_alignment(object, lane->bytes);
    wl_bytes_verify(object, lane->bytes, w->value);
  }
  wl_free(object, lane->care);
  w->ops += 2;
  w->writes += lane->repetitions * lane->bytes;
}

static void *work(void *argument) {
  struct worker *w = argument;
  struct lane *lane = w->lane;
  wl_lap_begin(&lane->crew, &w->lap);
  if (w->given != NULL) {
    wl_free(w->given, lane->care);
    w->ops++;
  }
  for (uint64_t i = 0; i < lane->iterations && !wl_crew_stopped(&lane->crew); i++) {
    use_one(w);
    wl_lap_count(&w->lap, w->ops);
  }
  wl_lap_end(&lane->crew, &w->lap);
  return NULL;
}

static int report(const char *name, const struct wl_options *options, const struct lane *lane,
                  const struct worker *workers, unsigned threads, uint64_t elapsed_ns) {
  struct wl_totals totals = {
      .live_high_bytes = threads * lane->bytes,
      .elapsed_ns = elapsed_ns,
      .threads = threads,
  };
  uint64_t writes = 0;
  for (unsigned i = 0; i < threads; i++) {
    totals.ops += workers[i].ops;
    totals.alloc_failures += workers[i].failures;
    writes += workers[i].writes;
  }
  struct wl_result result;
  wl_result_begin(&result, name, options, &totals);
  wl_result_count(&result, "size", lane->bytes);
  wl_result_count(&result, "repetitions", lane->repetitions);
  wl_result_count(&result, "writes", writes);
  wl_result_number(&result, "writes_per_s",
                   elapsed_ns > 0 ? (double)writes / wl_seconds(elapsed_ns) : 0);
  return wl_result_finish(&result, options);
}

int wl_false_sharing_main(const char *name, const char *doc, bool passive, int argc, char **argv) {
  const struct wl_lane description = {.name = name, .doc = doc, .args = arguments};
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  const unsigned threads = (unsigned)values[THREADS];

  static struct lane lane;
  wl_crew_open(&lane.crew, threads);
  lane.iterations = wl_scaled(&options, values[ITERS]);
  lane.bytes = values[SIZE];
  lane.repetitions = values[REPETITIONS] >= threads ? values[REPETITIONS] / threads : 1;
  lane.care = wl_care(&options);
  struct worker *workers = wl_harness_memory(threads * sizeof(*workers));
  uint64_t failures = 0;
  for (unsigned i = 0; i < threads; i++) {
    workers[i].lane = &lane;
    workers[i].value = (unsigned char)(i + 1);
    workers[i].given = passive ? malloc(lane.bytes) : NULL;
    failures += passive && workers[i].given == NULL;
  }
  workers[0].failures = failures;
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  const struct wl_run run = {.body = work,
                             .workers = workers,
                             .stride = sizeof(*workers),
                             .seconds = options.seconds,
                             .epochs = &epochs};
  const uint64_t elapsed_ns = wl_crew_run(&lane.crew, &run);
  wl_crew_close(&lane.crew);
  return report(name, &options, &lane, workers, threads, elapsed_ns);
}
