#include "bench/workloads/common/crew.h"

#include "bench/workloads/common/latency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_BYTES (256 * 1024)

static size_t harness_bytes; // by main alone

static _Noreturn void die(const char *what, int error) {
  fprintf(stderr, "%s: %s\n", what, strerror(error));
  exit(1);
}

void *wl_harness_memory(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    die("no memory for the harness", errno);
  }
  harness_bytes += bytes;
  return memory;
}

void wl_harness_release(void *memory, size_t bytes) {
  munmap(memory, bytes);
  harness_bytes -= bytes;
}

uint64_t wl_harness_kib(void) {
  return harness_bytes / 1024;
}

pthread_t wl_thread_start(void *(*body)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, body, argument);
  if (error != 0) {
    die("cannot start a thread", error);
  }
  pthread_attr_destroy(&attributes);
  return thread;
}

void wl_crew_open(struct wl_crew *crew, unsigned threads) {
  memset(crew, 0, sizeof(*crew));
  crew->threads = threads;
  pthread_barrier_init(&crew->start, NULL, threads + 1);
  pthread_mutex_init(&crew->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&crew->changed, &attributes);
  pthread_condattr_destroy(&attributes);
}

void wl_crew_close(struct wl_crew *crew) {
  pthread_cond_destroy(&crew->changed);
  pthread_mutex_destroy(&crew->lock);
  pthread_barrier_destroy(&crew->start);
}

void wl_crew_stop(struct wl_crew *crew) {
  // Relaxed: see wl_crew_stopped, its partner.
  __atomic_store_n(&crew->stop, 1, __ATOMIC_RELAXED);
}

void wl_lap_begin(struct wl_crew *crew, struct wl_lap *lap) {
  pthread_barrier_wait(&crew->start);
  lap->start_ns = wl_now_ns();
}

void wl_lap_end(struct wl_crew *crew, struct wl_lap *lap) {
  lap->end_ns = wl_now_ns();
  wl_crew_done(crew);
}

void wl_crew_done(struct wl_crew *crew) {
  pthread_mutex_lock(&crew->lock);
  crew->done++;
  pthread_cond_signal(&crew->changed);
  pthread_mutex_unlock(&crew->lock);
}

static struct wl_lap *lap_of(const struct wl_run *run, unsigned i) {
  return (struct wl_lap *)((char *)run->workers + i * run->stride);
}

static uint64_t sum_ops(const struct wl_crew *crew, const struct wl_run *run) {
  uint64_t ops = 0;
  for (unsigned i = 0; i < crew->threads; i++) {
    // Relaxed: a figure; partner is the store in wl_lap_count.
    ops += __atomic_load_n(&lap_of(run, i)->ops, __ATOMIC_RELAXED);
  }
  return ops;
}

// Returns: whether all workers are done; false when the moment came first.
static bool done_before(struct wl_crew *crew, uint64_t moment_ns) {
  const struct timespec until = {(time_t)(moment_ns / WL_NS_PER_S),
                                 (long)(moment_ns % WL_NS_PER_S)};
  pthread_mutex_lock(&crew->lock);
  int error = 0;
  while (crew->done < crew->threads && error != ETIMEDOUT) {
    error = pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
  }
  const bool all = crew->done == crew->threads;
  pthread_mutex_unlock(&crew->lock);
  return all;
}

static void wait_until_done(struct wl_crew *crew) {
  pthread_mutex_lock(&crew->lock);
  while (crew->done < crew->threads) {
    pthread_cond_wait(&crew->changed, &crew->lock);
  }
  pthread_mutex_unlock(&crew->lock);
}

// Effect: prints the epochs until all are done or the time is over, then has the crew end.
static void watch(struct wl_crew *crew, const struct wl_run *run) {
  const uint64_t deadline_ns = wl_deadline_ns(run->seconds);
  struct wl_epochs *epochs = run->epochs;
  wl_latency_record(1);
  wl_epochs_begin(epochs, wl_now_ns());
  for (;;) {
    const bool epoch_first = epochs->next_ns < deadline_ns;
    if (done_before(crew, epoch_first ? epochs->next_ns : deadline_ns)) {
      return;
    }
    if (!epoch_first) {
      break;
    }
    wl_epochs_mark(epochs, wl_now_ns(), sum_ops(crew, run));
  }
  wl_crew_stop(crew);
  if (run->wake != NULL) {
    run->wake(run->wake_argument);
  }
  wait_until_done(crew);
}

uint64_t wl_crew_run(struct wl_crew *crew, const struct wl_run *run) {
  const size_t list_bytes = crew->threads * sizeof(pthread_t);
  pthread_t *threads = wl_harness_memory(list_bytes);
  for (unsigned i = 0; i < crew->threads; i++) {
    threads[i] = wl_thread_start(run->body, lap_of(run, i));
  }
  pthread_barrier_wait(&crew->start);
  watch(crew, run);
  wl_latency_record(0);
  uint64_t first = UINT64_MAX;
  uint64_t last = 0;
  for (unsigned i = 0; i < crew->threads; i++) {
    pthread_join(threads[i], NULL);
    const struct wl_lap *lap = lap_of(run, i);
    first = lap->start_ns < first ? lap->start_ns : first;
    last = lap->end_ns > last ? lap->end_ns : last;
  }
  wl_harness_release(threads, list_bytes);
  return last - first;
}
