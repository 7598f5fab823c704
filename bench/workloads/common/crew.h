// Owns: the threads of a lane, the moment they start, the word that tells them to stop, and the
// memory the harness itself uses.
// Does not own: what they do.
// Thread rule: stated at each function.
//
// Threads outnumber cores: nobody waits by spinning. The start is a pthread barrier; main sleeps on
// a condition variable until the last worker is done or the deadline has come.
#ifndef BENCH_WORKLOADS_COMMON_CREW_H_
#define BENCH_WORKLOADS_COMMON_CREW_H_

#include "bench/workloads/common/clock.h"
#include "bench/workloads/common/epoch.h"
#include "bench/workloads/common/ledger.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WL_THREADS_MAX 4096

struct wl_crew {
  // Read by every worker every few operations, written once per phase: it has its line to itself.
  WL_OWN_LINE int stop;
  WL_OWN_LINE pthread_barrier_t start; // all workers and main
  pthread_mutex_t lock;                // guards done
  pthread_cond_t changed;              // on the monotonic clock
  unsigned done;                       // workers past wl_lap_end
  unsigned threads;                    // constant
};

// The first member of a lane's own worker structure: when that worker's timed part began and ended,
// and what it has done so far.
struct wl_lap {
  uint64_t start_ns; // by its thread
  uint64_t end_ns;   // by its thread
  uint64_t ops;      // by its thread, atomically; read by main for the epochs
};

// Main. Effect: a crew of THREADS that has not started.
void wl_crew_open(struct wl_crew *crew, unsigned threads);
void wl_crew_close(struct wl_crew *crew);

// One run of the crew: BODY(worker i) on its own thread for each of crew->threads structures of
// STRIDE bytes at WORKERS, which begin with a wl_lap.
struct wl_run {
  void *(*body)(void *);
  void *workers;
  size_t stride;
  double seconds;           // they are asked to stop so long after the start
  struct wl_epochs *epochs; // open
  void (*wake)(void *);     // called then, to rouse sleepers; may be NULL
  void *wake_argument;
};

// Main. Effect: the run; returns when all laps have ended and these threads are joined. On each
// structure wl_lap_begin must be called once, then wl_lap_end (or lap.end_ns set and wl_crew_done
// called), be it by that thread or by one it started.
// Returns: nanoseconds from the first start to the last end.
uint64_t wl_crew_run(struct wl_crew *crew, const struct wl_run *run);

// A worker. Effect: waits until all are here, then starts its clock.
void wl_lap_begin(struct wl_crew *crew, struct wl_lap *lap);
// A worker. Effect: stops its clock and counts it as done.
void wl_lap_end(struct wl_crew *crew, struct wl_lap *lap);
// A worker. Effect: counts it as done.
void wl_crew_done(struct wl_crew *crew);

// A worker. Effect: publishes how many operations it has done.
static inline void wl_lap_count(struct wl_lap *lap, uint64_t ops) {
  // Relaxed: a figure; partner is the load in wl_crew_run.
  __atomic_store_n(&lap->ops, ops, __ATOMIC_RELAXED);
}

// A worker. Returns: whether it has been asked to stop.
static inline bool wl_crew_stopped(const struct wl_crew *crew) {
  // Relaxed: only the word matters; partner is the store in wl_crew_stop.
  return __atomic_load_n(&crew->stop, __ATOMIC_RELAXED) != 0;
}

// Anyone. Effect: asks all workers to stop.
void wl_crew_stop(struct wl_crew *crew);

// Anyone. Effect: starts a thread with a small stack, or ends the program with a sentence.
pthread_t wl_thread_start(void *(*body)(void *), void *argument);

// Main. Returns: zeroed memory straight from the kernel (the allocator under test never sees it),
// or ends the program with a sentence.
void *wl_harness_memory(size_t bytes);
void wl_harness_release(void *memory, size_t bytes);

// Main. Returns: the KiB handed out by wl_harness_memory; part of the process's RSS once written.
uint64_t wl_harness_kib(void);

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_CREW_H_
