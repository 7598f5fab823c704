// The order of beginning, thread exit and fork. See init.h.
#include "hz3/init.h"

#include "common/abi/deepbind.h"
#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "common/guard/guard.h"
#include "common/large/large.h"
#include "hz3/cache.h"
#include "hz3/options.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/tick.h"

static void init(void) {
  hz_fail_set_generation("hz3");
  hz3_options_read();
  const struct hz3_options *o = &hz3_options;
  hz_fail_set_backtrace(o->on_fault == 1);
  hz_deepbind_kept = o->deepbind;
  hz3_shape_init();
  hz_guard_families_mix = o->family_check == 1;
  if (HZ_HARDENED)
    hz_guard_init(HZ3_SIDE_BYTES);
  hz3_shelf_init();
  hz3_tick_init(o->cache_max_bytes, (uint32_t)o->purge_delay_ms);
  struct hz_arena_config arena = {
      .side_bytes = HZ3_SIDE_BYTES,
      .purge_delay_ms = (uint32_t)o->purge_delay_ms,
      .huge_pages = o->huge_pages == 0,
      .memory_limit_bytes = o->memory_limit_bytes,
  };
  (void)hz_arena_init(&arena); // without a window every allocation is refused
  struct hz_large_config large = {
      .cache_max_bytes = o->cache_max_bytes,
      .cache_block_bytes = 64 * HZ_MIB,
      .decay_ms = (uint32_t)o->purge_delay_ms,
  };
  hz_large_init(&large);
}

// In rising rank, and back.
static void before_fork(void) {
  hz3_cache_before_fork();
  hz3_span_before_fork();
  if (HZ_HARDENED)
    hz_guard_before_fork();
  hz_arena_before_fork();
}

static void after_fork_parent(void) {
  hz_arena_after_fork_parent();
  if (HZ_HARDENED)
    hz_guard_after_fork_parent();
  hz3_span_after_fork_parent();
  hz3_cache_after_fork_parent();
}

static void after_fork_child(void) {
  hz_arena_after_fork_child();
  if (HZ_HARDENED)
    hz_guard_after_fork_child();
  hz3_span_after_fork_child();
  hz3_cache_after_fork_child();
}

const struct hz_process_hooks hz3_process_hooks = {
    .init = init,
    .thread_exit = hz3_cache_retire,
    .before_fork = before_fork,
    .after_fork_parent = after_fork_parent,
    .after_fork_child = after_fork_child,
};

// Before other libraries' constructors where the loader lets us; some may have allocated already.
__attribute__((constructor(101))) static void library_loaded(void) {
  if (hz3_init_ensure())
    hz_process_libc_ready();
}
