#include "hz4/front.h"

#include "common/os/os.h"
#include "common/process/process.h"
#include "hz4/bound.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/shard.h"
#include "hz4/tick.h"

struct hz4_front hz4_front;

// Its initial image is copied for every thread: no thread ever sees a null pointer here.
__thread struct hz4_self hz4_self = {(uintptr_t)&hz4_cache_none, hz_class_tables[0], HZ4_STATE_NEW,
                                     HZ_API_FREE};

void hz4_front_init(enum hz4_front_mode mode) {
  unsigned cpus = hz_os_cpus_allowed();
  hz4_front.limit = cpus + 1;
  hz4_shard_init(cpus);
  hz4_front.mode = (uint32_t)(mode != HZ4_FRONT_THREAD && hz4_cpu_init() ? mode : HZ4_FRONT_THREAD);
  if (hz4_front.mode == HZ4_FRONT_CPU)
    hz4_front.crowded = 1;
}

static void count_in(void) {
  // Acquire and release: partner in hz4_front_tick.
  uint32_t threads = hz_add_acq_rel(&hz4_front.threads, 1u) + 1;
  if (hz4_front.mode == HZ4_FRONT_AUTO && threads > hz4_front.limit)
    hz_store_relaxed(&hz4_front.crowded, 1u);
}

// What a crowd leaves in the CPUs' bins goes to the spans as soon as it is gone, but not for each
// of many short ones; and so long threads that begin use these bins still: one that comes and goes
// finds its blocks where it left them.
#define DISPERSED_MS 500

static void crowd_is_gone(uint64_t now_ms) {
  static uint64_t again_ms;
  uint64_t due = hz_load_relaxed(&again_ms);
  // Relaxed: it only elects one.
  if (now_ms >= due && hz_cas_relaxed(&again_ms, &due, now_ms + DISPERSED_MS))
    hz4_cpu_drain_all();
}

// Returns: threads that are left.
static uint32_t count_out(void) {
  uint64_t now_ms = 0;
  bool crowd =
      hz4_front.mode == HZ4_FRONT_AUTO && hz_load_relaxed(&hz4_front.threads) > hz4_front.limit;
  if (crowd) { // before the count falls, by which a tick judges
    now_ms = hz_os_now_ms();
    hz_store_relaxed(&hz4_front.crowd_ms, now_ms);
  }
  uint32_t left = hz_sub_relaxed(&hz4_front.threads, 1u) - 1;
  if (crowd && left == hz4_front.limit) {
    crowd_is_gone(now_ms);
    hz4_tick_by(now_ms + DISPERSED_MS);
  }
  return left;
}

void hz4_front_tick(uint64_t now_ms) {
  if (hz4_front.mode == HZ4_FRONT_AUTO && hz_load_relaxed(&hz4_front.crowded) &&
      hz_load_relaxed(&hz4_front.threads) <= hz4_front.limit &&
      now_ms >= hz_load_relaxed(&hz4_front.crowd_ms) + DISPERSED_MS) {
    hz_store_relaxed(&hz4_front.crowded, 0u);
    // One that comes now is counted here, or counts itself after this and so stores its 1 after the
    // 0. Acquire and release, by an addition: it is in the order of all that count.
    if (hz_add_acq_rel(&hz4_front.threads, 0u) > hz4_front.limit)
      hz_store_relaxed(&hz4_front.crowded, 1u);
  }
}

// Effect: the CPUs count as owners from their first use on.
static void count_cpus(void) {
  static uint32_t counted;
  uint32_t no = 0;
  if (hz_load_relaxed(&counted) == 0 && hz_cas_relaxed(&counted, &no, 1u))
    hz4_bound_owners_add((int)hz4_front.limit - 1);
}

static bool use_cpus(void) {
  if (!hz4_cpus.tagged || !hz4_cpu_thread_is_registered())
    return false;
  count_cpus();
  hz4_self.state = HZ4_STATE_CPU;
  hz_signal_fence(); // the slow paths go by the state, the hot ones by the address: either does
  hz4_self.cache = hz4_cpus.tagged;
  return true;
}

// Effect: the thread has a cache of its own; where there is no memory for one it keeps what it has.
static void use_own(void) {
  uint8_t before = hz4_self.state;
  hz4_self.state = HZ4_STATE_BARE; // a handler that allocates amid this is served by the spans
  hz_signal_fence();
  struct hz4_cache *c = hz4_thread_cache_get();
  if (!c) {
    hz4_self.state = before;
    return;
  }
  hz4_self.cache = (uintptr_t)c;
  hz4_self.classes = hz_class_tables[c->set];
  hz_signal_fence();
  hz4_self.state = HZ4_STATE_OWN;
}

void hz4_front_enter(void) {
  count_in();
  hz4_self.state = HZ4_STATE_BARE;
  if (!hz_load_relaxed(&hz4_front.crowded) || !use_cpus())
    use_own();
  // After the state is set: arming may allocate. The value only says that there is something to do.
  (void)hz_thread_arm(&hz4_self);
}

void hz4_front_change_over(void) {
  if (hz4_self.state == HZ4_STATE_CPU) {
    use_own();
    return;
  }
  struct hz4_cache *own = (struct hz4_cache *)hz4_self.cache;
  if (use_cpus())
    hz4_thread_cache_put(own);
}

void hz4_front_leave(void) {
  if (HZ_HARDENED)
    hz_guard_thread_leave();
  struct hz4_cache *own =
      hz4_self.state == HZ4_STATE_OWN ? (struct hz4_cache *)hz4_self.cache : NULL;
  hz4_self.api = HZ_API_THREAD_EXIT;
  hz4_self.state = HZ4_STATE_BARE;
  hz4_self.cache = (uintptr_t)&hz4_cache_none;
  // With two others alive one may be starting a successor. The last leaves to nobody, whoever of
  // those that end together is the last.
  uint32_t others = count_out();
  if (own && (others <= 1 || hz_load_relaxed(&hz4_front.crowded) ||
              !hz4_thread_cache_leave(own, hz4_front.limit - 1)))
    hz4_thread_cache_put(own);
  if (hz_load_relaxed(&hz4_front.threads) <= 1)
    hz4_thread_left_empty(UINT64_MAX);
}

void hz4_front_spares_put(void) {
  if (hz4_self.state == HZ4_STATE_OWN)
    hz4_thread_spares_put((struct hz4_cache *)hz4_self.cache);
  else if (hz4_self.state == HZ4_STATE_CPU)
    hz4_cpu_spares_put();
}

void hz4_front_after_fork_child(void) {
  bool counted = hz4_self.state != HZ4_STATE_NEW;
  hz_store_relaxed(&hz4_front.threads, (uint32_t)counted);
  hz_store_relaxed(&hz4_front.crowded, (uint32_t)(hz4_front.mode == HZ4_FRONT_CPU));
}
