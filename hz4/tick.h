// Giving back with time: who is in a slow path and finds it is time does it for everybody. There is
// no thread for it; a process that allocates nothing keeps what it has until its next exchange.
//
//   every PURGE_DELAY_MS   caches that threads left → idle CPUs' caches → depot surplus → pages of
//   Mid's free blocks → large → runs
//
// Owns: the time of the last round. Thread rule: any thread, no lock held; one does the work, the
// others go on.
#ifndef HZ4_TICK_H_
#define HZ4_TICK_H_

#include "common/base/units.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

struct hz4_tick_state {
  uint64_t due_ms; // time of the next round
  uint64_t delay_ms;
};
extern HZ_HIDDEN struct hz4_tick_state hz4_tick_state;

void hz4_tick_run(uint64_t now_ms);

HZ_INLINE void hz4_tick(uint64_t now_ms) {
  if (HZ_UNLIKELY(now_ms >= hz_load_relaxed(&hz4_tick_state.due_ms)))
    hz4_tick_run(now_ms);
}

// Effect: the next round comes by then. For what may not wait as long as a round takes.
HZ_INLINE void hz4_tick_by(uint64_t ms) {
  // Relaxed, and not in one step: of two who want it sooner one may lose by as much as they differ.
  if (ms < hz_load_relaxed(&hz4_tick_state.due_ms))
    hz_store_relaxed(&hz4_tick_state.due_ms, ms);
}

// Effect: gives back all that is not in use: caches of CPUs and of the caller, depot, large, runs.
// Returns: bytes of pages that went back.
size_t hz4_trim_all(void);

HZ_EXTERN_C_END

#endif // HZ4_TICK_H_
