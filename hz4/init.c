#include "hz4/init.h"

#include "common/abi/deepbind.h"
#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "common/guard/guard.h"
#include "common/large/large.h"
#include "common/process/process.h"
#include "hz4/bound.h"
#include "hz4/front.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/magazine.h"
#include "hz4/mid.h"
#include "hz4/observe.h"
#include "hz4/options.h"
#include "hz4/slab.h"
#include "hz4/small.h"
#include "hz4/tick.h"

#define CACHED_LARGE_MAX_BYTES (64 * HZ_MIB)

static void begin(void) {
  hz_fail_set_generation("hz4");
  hz4_options_init();
  const struct hz4_options *o = &hz4_options;
  hz_fail_set_backtrace(o->on_fault == HZ4_FAULT_BACKTRACE);
  hz_deepbind_kept = o->deepbind;
  const struct hz_arena_config arena = {
      .side_bytes = HZ4_SIDE_BYTES,
      .purge_delay_ms = (uint32_t)o->purge_delay_ms,
      .huge_pages = o->huge_pages != HZ4_HUGE_OFF,
      .memory_limit_bytes = o->memory_limit,
  };
  (void)hz_arena_init(&arena); // where it fails every allocation will, and says so
  hz_guard_families_mix = o->family_check == 1;
  if (HZ_HARDENED)
    hz_guard_init(HZ4_SIDE_BYTES);
  const struct hz_large_config large = {
      .cache_max_bytes = o->cache_max,
      .cache_block_bytes = hz_min(o->cache_max, CACHED_LARGE_MAX_BYTES),
      .decay_ms = (uint32_t)o->purge_delay_ms,
  };
  hz_large_init(&large);
  hz4_span_init();
  hz4_bound_init(o->cache_max, o->magazine_max);
  hz4_tick_state.delay_ms = o->purge_delay_ms;
  hz4_front_init((enum hz4_front_mode)o->front);
}

static void thread_exit(void *cache) {
  (void)cache;
  hz4_front_leave();
}

// Calls visit for the lock of every class, in rising address.
static void centrals_each(void (*visit)(struct hz_lock *lock)) {
  struct hz4_central *small = &hz4_small_central[0][0], *mid = hz4_mid_central;
  unsigned n_small = hz4_shards * HZ4_MID_FIRST_CLASS; // the others are nobody's
  bool small_first = small < mid;
  for (unsigned i = 0; small_first && i < n_small; i++)
    visit(&small[i].lock);
  for (unsigned i = 0; i < HZ4_MID_CLASSES; i++)
    visit(&mid[i].lock);
  for (unsigned i = 0; !small_first && i < n_small; i++)
    visit(&small[i].lock);
}

static void central_acquire(struct hz_lock *lock) {
  hz_lock_acquire(lock, HZ_RANK_CENTRAL);
}
static void central_release(struct hz_lock *lock) {
  hz_lock_release(lock, HZ_RANK_CENTRAL);
}

// What a child finds of threads that are no more. fork write-protects page after page and flushes
// the other CPUs' translations before it lets them fault, so a thread goes on in memory that the
// child shares until it meets a protected page, and there it stands: the child sees each thread as
// stopped between two instructions, after all of its stores before that and none behind, and
// nothing of what others did on reading a store that is missing. Hence
//   locks, and what they guard        taken here, so nobody is inside; what a thread had taken out
//                                     (a whole span, blocks or a slab's pages that it purges) is
//                                     lost
//   bins, second magazines, spares    one store (or one sequence's commit) each; what moves is in a
//                                     hand in between, never in two places: lost, not doubled
//   stacks of depot and pool          a swap has happened or not; pushed later: lost
//   counters beside them              at most one batch off for each thread that is no more; they
//                                     steer, nothing relies on them
//   custody                           written while a batch is in a hand; of blocks in bins it is 0
// front_test looks into children for a block in two places.
//
// Locks in rising rank; of one rank in rising address.
static void before_fork(void) {
  hz4_thread_before_fork();
  centrals_each(central_acquire);
  hz4_slab_before_fork();
  if (HZ_HARDENED)
    hz_guard_before_fork();
  hz_arena_before_fork();
}

static void after_fork_parent(void) {
  hz_arena_after_fork_parent();
  if (HZ_HARDENED)
    hz_guard_after_fork_parent();
  hz4_slab_after_fork_parent();
  centrals_each(central_release);
  hz4_thread_after_fork_parent();
}

static void after_fork_child(void) {
  hz_arena_after_fork_child();
  if (HZ_HARDENED)
    hz_guard_after_fork_child();
  hz4_slab_after_fork_child();
  hz4_magazine_after_fork_child();
  centrals_each(hz_lock_reset_after_fork);
  hz4_cpu_after_fork_child();
  hz4_thread_after_fork_child(hz4_self.state == HZ4_STATE_OWN ? (struct hz4_cache *)hz4_self.cache
                                                              : NULL);
  hz4_front_after_fork_child();
}

static const struct hz_process_hooks hooks = {begin, thread_exit, before_fork, after_fork_parent,
                                              after_fork_child};

bool hz4_init(void) {
  return hz_process_ready() || hz_process_enter(&hooks);
}

__attribute__((constructor)) static void libc_is_ready(void) {
  if (hz4_init())
    hz_process_libc_ready();
}

__attribute__((destructor)) static void at_exit(void) {
  if (HZ_OBSERVE)
    hz4_observe_print();
}
