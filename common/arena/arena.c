// The arena as a whole: start, waiting, statistics, fork, invariants. See arena.h.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"
#include "common/os/syscall.h"

#include <linux/futex.h>

struct hz_arena hz_arena HZ_ALIGNED(HZ_LINE_BYTES);
unsigned char *hz_arena_side;
struct hz_arena_state hz_arena_state HZ_ALIGNED(HZ_NO_SHARE_BYTES);

#define S (&hz_arena_state)

// Requires: lock held, or nobody else yet.
static void window_take(const struct hz_window *window) {
  S->window = *window;
  const struct hz_free_tables tables = {
      .nodes = (struct hz_free_node *)window->table[HZ_TABLE_NODES].at,
      .bits = (uint64_t *)window->table[HZ_TABLE_DIRTY].at,
      .level0 = (struct hz_set_words *)window->table[HZ_TABLE_SETS0].at,
      .level1 = (struct hz_set_words *)window->table[HZ_TABLE_SETS1].at,
  };
  hz_free_index_init(&S->free, &tables);
  hz_arena.granules = (struct hz_granule *)window->table[HZ_TABLE_RECORDS].at;
  hz_arena_side = window->table[HZ_TABLE_SIDE].at;
  // Relaxed: nothing is below `end` yet, so an address is foreign by either base; who is given a
  // block is given all of this with it.
  hz_store_relaxed(&hz_arena.base, window->base);
}

bool hz_arena_init(const struct hz_arena_config *config) {
  S->config = *config;
  S->huge_first = S->huge_from = UINT64_MAX;
  S->due_ms = S->huge_due_ms = UINT64_MAX;
  S->interval_start_ms = hz_os_now_ms();
  struct hz_window window = {0};
  bool found = hz_window_open(&window, config->side_bytes);
  if (!found)
    window = (struct hz_window){0}; // no granules: hz_run_alloc looks again
  window_take(&window);
  return found;
}

bool hz_arena_window_again(void) {
  struct hz_window window = {0};
  while (S->growing && S->window.granules == 0)
    hz_arena_wait(); // another thread is looking
  if (S->window.granules != 0)
    return true;
  S->growing = true;
  hz_arena_unlock();
  bool found = hz_window_open(&window, S->config.side_bytes);
  hz_arena_lock();
  S->growing = false;
  if (found)
    window_take(&window);
  hz_arena_event();
  return found;
}

// ---------------------------------------------------------------- waiting

static void futex(uint32_t *word, int op, uint32_t value) {
  hz_syscall6(SYS_futex, (long)word, op | FUTEX_PRIVATE_FLAG, value, 0, 0, 0);
}

void hz_arena_wait(void) {
  HZ_ASSERT(S->growing || S->free.runs[HZ_FREE_BUSY] != 0);
  // Read under the lock that the event is raised under: it cannot be missed between here and the
  // wait.
  uint32_t seen = hz_load_relaxed(&S->event);
  S->waiting++;
  hz_arena_unlock();
  futex(&S->event, FUTEX_WAIT, seen);
  hz_arena_lock();
  S->waiting--;
}

void hz_arena_event(void) {
  hz_store_relaxed(&S->event, S->event + 1); // ordered by the lock; the futex compares only
  if (HZ_UNLIKELY(S->waiting != 0)) {
    hz_arena_unlock();
    futex(&S->event, FUTEX_WAKE, INT32_MAX);
    hz_arena_lock();
  }
}

// ---------------------------------------------------------------- statistics

void hz_arena_stats_read(struct hz_arena_stats *out) {
  hz_arena_lock();
  const struct hz_free_index *free = &S->free;
  *out = (struct hz_arena_stats){
      .window_bytes = S->window.granules << HZ_GRANULE_SHIFT,
      .grown_bytes = S->end << HZ_GRANULE_SHIFT,
      .used_bytes = S->used << HZ_GRANULE_SHIFT,
      .peak_used_bytes = S->peak_used << HZ_GRANULE_SHIFT,
      .free_dirty_bytes = (free->dirty + free->busy) << HZ_GRANULE_SHIFT,
      .free_clean_bytes = (free->free - free->dirty) << HZ_GRANULE_SHIFT,
      .meta_bytes = hz_meta_bytes() + hz_window_table_bytes(&S->window, 0),
      .huge_bytes = hz_huge_granules() << HZ_GRANULE_SHIFT,
      .mapped_as_needed = S->window.mapped_as_needed,
  };
  hz_arena_unlock();
}

// ---------------------------------------------------------------- fork

void hz_arena_before_fork(void) {
  hz_arena_lock();
  hz_meta_before_fork();
}

void hz_arena_after_fork_parent(void) {
  hz_meta_after_fork_parent();
  hz_arena_unlock();
}

void hz_arena_after_fork_child(void) {
  hz_meta_after_fork_child();
  // The threads that were in a system call are not here. What they were purging is dirty or clean,
  // nobody knows; what the grower committed is committed again when it is needed.
  S->growing = false;
  S->waiting = 0;
  S->coming = 0;
  while (S->free.oldest[HZ_FREE_BUSY] != HZ_FREE_NIL) {
    uint32_t g = S->free.oldest[HZ_FREE_BUSY];
    uint64_t count = S->free.nodes[g].dirty;
    hz_free_busy_leave(&S->free, g);
    hz_free_put(&S->free, g, count, true, (uint32_t)S->interval_start_ms);
  }
  hz_purge_schedule();
  hz_arena_unlock();
}

// ---------------------------------------------------------------- invariants

static bool records_are_valid(void) {
  const struct hz_free_index *free = &S->free;
  for (uint64_t g = 0; g < S->end; g++) {
    uint64_t count = free->nodes[g].count;
    if (count == 0)
      continue;
    for (uint64_t i = g; i < g + count; i++)
      if (hz_load_relaxed(&hz_arena.granules[i].tag) != HZ_TAG_NONE)
        return false;
    g += count - 1;
  }
  return true;
}

bool hz_arena_is_valid(void) {
  hz_arena_lock();
  const struct hz_free_index *free = &S->free;
  bool valid = S->end <= S->committed && S->committed <= S->window.granules &&
               S->end == hz_arena.end && S->end == free->end &&
               S->end == S->used + free->free + free->busy + S->holes && S->used <= S->peak_used &&
               S->empty <= S->used && hz_huge_blocks_are_valid() && hz_free_index_is_valid(free) &&
               records_are_valid();
  hz_arena_unlock();
  return valid;
}
