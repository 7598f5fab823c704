#include "hz4/tick.h"

#include "common/arena/arena.h"
#include "common/large/large.h"
#include "common/os/os.h"
#include "hz4/bound.h"
#include "hz4/depot.h"
#include "hz4/front.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/magazine.h"
#include "hz4/mid.h"
#include "hz4/observe.h"
#include "hz4/self.h"
#include "hz4/slab.h"

struct hz4_tick_state hz4_tick_state;

// Rounds are never closer than this, whatever the delay.
#define ROUND_MIN_MS 10
// What was not used for so many rounds is idle. On a crowded machine a thread may wait for a few.
#define IDLE_ROUNDS 5

void hz4_tick_run(uint64_t now_ms) {
  if (hz_arena.base == 0)
    return; // no window was to be had: nothing to give back
  uint64_t due = hz_load_relaxed(&hz4_tick_state.due_ms);
  uint64_t delay = hz4_tick_state.delay_ms;
  uint64_t round = delay > ROUND_MIN_MS ? delay : ROUND_MIN_MS;
  // Relaxed: it only elects one; what it works on has its own order.
  if (now_ms < due || !hz_cas_relaxed(&hz4_tick_state.due_ms, &due, now_ms + round))
    return;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_TRIM);
  hz4_front_tick(now_ms);
  hz4_bound_sample();
  hz4_bound_refresh();
  // Nobody came by for long: what lies in bins of CPUs and in the depot is idle, also of a class
  // whose last use was the call that brought us here.
  bool paused = due != 0 && now_ms >= due + IDLE_ROUNDS * round;
  hz4_thread_left_empty(paused ? UINT64_MAX : now_ms - HZ4_LEFT_MS);
  if (paused)
    hz4_cpu_drain_all();
  else
    hz4_cpu_drain_idle(now_ms, IDLE_ROUNDS * round);
  size_t trimmed = paused ? hz4_depot_empty() : hz4_depot_trim(now_ms, IDLE_ROUNDS * round);
  hz4_observe_add(HZ4_SEEN_TRIMS, 1);
  hz4_observe_add(HZ4_SEEN_TRIM_BYTES, trimmed);
  hz4_mid_purge(now_ms - delay);
  hz_large_tick(now_ms);
  // After a pause the rounds above free spans whose blocks nobody touched in it: what is free now
  // has been so for long, whatever the arena's clock says of it.
  if (paused) {
    hz4_magazine_purge();
    hz4_slab_purge_all();
    hz_runs_purge_all();
  } else {
    hz_runs_tick(now_ms);
  }
  hz4_timed_end(HZ4_TIMED_TRIM, began);
}

size_t hz4_trim_all(void) {
  uint64_t began = hz4_timed_begin(HZ4_TIMED_OS);
  if (hz4_self.state == HZ4_STATE_OWN)
    hz4_thread_empty((struct hz4_cache *)hz4_self.cache);
  hz4_thread_left_empty(UINT64_MAX);
  hz4_cpu_drain_all();
  hz4_depot_empty();
  size_t bytes = hz4_mid_purge(hz_os_now_ms());
  hz_large_trim();
  bytes += hz4_magazine_purge();
  bytes += hz4_slab_purge_all();
  bytes += hz_runs_purge_all();
  hz4_timed_end(HZ4_TIMED_OS, began);
  return bytes;
}
