// Runs: handing out, extending and taking back.
//
// Owns: the order of preference, the memory limit, and when a refusal is final. Does not own: the
// order of free runs (free_index.c), the frontier (grow.c), what stays resident (purge.c).
// Thread rule: any thread; one lock, given up during system calls.
//
//   alloc → warm run → cold run → frontier → [refused] wait for others' calls, again → refuse
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

// How often a refusal is looked at again because others were in the middle of a system call.
#define PATIENCE 1000

#define S (&hz_arena_state)

static void note_used(uint64_t count, uint64_t now_ms) {
  S->used += count;
  S->peak_used = hz_max(S->peak_used, S->used);
  S->high[0] = hz_max(S->high[0], hz_arena_filled());
  hz_purge_note_level(now_ms);
}

static bool others_at_work(void) {
  return S->growing || S->free.runs[HZ_FREE_BUSY] != 0;
}

// ---------------------------------------------------------------- memory limit

// How many more granules may become resident under the memory limit when `fresh` of them are beyond
// `end`.
static uint64_t room_under_limit(uint64_t fresh) {
  size_t limit = S->config.memory_limit_bytes;
  if (limit == 0)
    return UINT64_MAX;
  size_t meta = hz_meta_bytes() + hz_window_table_bytes(&S->window, S->end + S->coming + fresh);
  // The last huge page is resident beyond what is used of it, and maybe the one behind it.
  uint64_t unit = hz_huge_unit(), beyond = unit == 1 ? 0 : 2 * unit - 1;
  uint64_t resident = hz_arena_filled() + S->coming + S->free.dirty + S->free.busy + beyond;
  uint64_t most = meta >= limit ? 0 : (limit - meta) >> HZ_GRANULE_SHIFT;
  return resident >= most ? 0 : most - resident;
}

enum room { ROOM, ROOM_LOOK_AGAIN, ROOM_NONE };

// Effect: purges dirty granules so that `count` more fit under the limit; then, the lock having
// been given up, everything is to be looked at again.
static enum room make_room(uint64_t count, uint64_t fresh) {
  uint64_t room = room_under_limit(fresh);
  if (room >= count)
    return ROOM;
  uint64_t dirty = S->free.dirty, missing = count - room;
  if (dirty + S->free.busy < missing)
    return ROOM_NONE;
  if (dirty == 0) {
    hz_arena_wait(); // others are purging what is missing
    return ROOM_LOOK_AGAIN;
  }
  uint64_t keep = dirty > missing ? dirty - missing : 0;
  if (hz_purge_down_to(keep, 0, S->interval_start_ms) != 0)
    return ROOM_LOOK_AGAIN;
  return S->free.busy != 0 ? ROOM_LOOK_AGAIN : ROOM_NONE;
}

// ---------------------------------------------------------------- handing out

static bool find_free(uint64_t count, uint64_t align, struct hz_free_found *found) {
  if (count > S->free.free)
    return false;
  uint64_t phase = S->window.base >> HZ_GRANULE_SHIFT;
  return hz_free_find(&S->free, HZ_FREE_WARM, count, align, phase, found) ||
         hz_free_find(&S->free, HZ_FREE_COLD, count, align, phase, found);
}

// Returns: how many of the granules are clean.
static uint64_t take_free(const struct hz_free_found *found, uint64_t count, struct hz_run *out) {
  uint64_t dirty = hz_free_take(&S->free, found->run, found->start, count);
  hz_purge_note_taken(dirty, count - dirty);
  if (dirty != 0)
    hz_purge_schedule();
  *out = (struct hz_run){found->start, count, dirty == 0};
  return count - dirty;
}

static bool grow(uint64_t count, uint64_t align, struct hz_run *out) {
  S->coming += count;
  bool grown = hz_grow_take(count, align, out);
  S->coming -= count;
  return grown;
}

static bool alloc_locked(uint64_t count, uint64_t align, struct hz_run *out, uint64_t *clean) {
  for (int i = 0; i < PATIENCE; i++) {
    struct hz_free_found found;
    bool fits = find_free(count, align, &found);
    uint64_t cold = count;
    if (fits && S->config.memory_limit_bytes != 0)
      cold -= hz_free_dirty_in(&S->free, found.start, count);
    enum room room = make_room(cold, fits ? 0 : count);
    if (room == ROOM_LOOK_AGAIN)
      continue;
    if (room == ROOM_NONE)
      return false;
    if (fits) {
      *clean = take_free(&found, count, out);
      return true;
    }
    bool others = others_at_work();
    uint64_t free_before = S->free.free;
    if (grow(count, align, out)) {
      *clean = count; // nearly: a run that ended at the frontier may be among it
      return true;
    }
    // What others were purging may be back by now, what they are purging now will be; refused is
    // refused only when nothing of that kind was going on.
    if (others_at_work())
      hz_arena_wait();
    else if (!others && S->free.free == free_before)
      return false;
  }
  return false;
}

bool hz_run_alloc(uint64_t count, uint64_t align, struct hz_run *out) {
  HZ_ASSERT(count > 0 && hz_is_pow2(align));
  uint64_t clean = 0, now_ms = hz_os_now_ms();
  hz_arena_lock();
  bool done = (HZ_LIKELY(S->window.granules != 0) || hz_arena_window_again()) &&
              count <= S->window.granules && align <= S->window.granules &&
              alloc_locked(count, align, out, &clean);
  if (done)
    note_used(count, now_ms);
  bool ask = done && hz_huge_blocks_may_ask(count, clean);
  hz_arena_unlock();
  if (HZ_UNLIKELY(ask))
    hz_huge_block(out->granule, count);
  return done;
}

bool hz_run_alloc_filled(uint64_t count, uint64_t filled, struct hz_run *out) {
  HZ_ASSERT(count >= filled && filled > 0);
  struct hz_free_found found;
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  bool done = filled <= S->free.dirty && count <= S->free.free &&
              hz_free_find(&S->free, HZ_FREE_WARM, count, 1, 0, &found) &&
              hz_free_dirty_in(&S->free, found.start, filled) == filled &&
              room_under_limit(0) >= count - filled;
  if (done) {
    take_free(&found, count, out);
    note_used(count, now_ms);
  }
  hz_arena_unlock();
  return done;
}

uint64_t hz_runs_returned(void) {
  hz_arena_lock();
  uint64_t granules = hz_purge_returned();
  hz_arena_unlock();
  return granules;
}

static void records_clear(uint64_t granule, uint64_t count) {
  // The tag alone: the holder's flags stay until the granule is used again, so that a second free
  // can be told from a wild one. Relaxed: a racing free of a stale pointer reads either the old tag
  // or none.
  for (uint64_t g = granule; g < granule + count; g++)
    hz_store_relaxed(&hz_arena.granules[g].tag, (uint8_t)HZ_TAG_NONE);
}

// Effect: a resident run is free. Requires: lock held, records cleared.
static void put_dirty(uint64_t granule, uint64_t count, uint64_t now_ms) {
  S->used -= count;
  hz_purge_note_level(now_ms);
  hz_free_put(&S->free, granule, count, true, (uint32_t)now_ms);
}

void hz_run_free_for_next(uint64_t granule, uint64_t count) {
  HZ_ASSERT(count > 0 && granule + count <= hz_load_relaxed(&hz_arena.end));
  records_clear(granule, count);
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  put_dirty(granule, count, now_ms);
  hz_purge_schedule();
  hz_arena_unlock();
}

void hz_runs_free(const uint64_t *granules, unsigned n, uint64_t count) {
  for (unsigned i = 0; i < n; i++) {
    HZ_ASSERT(count > 0 && granules[i] + count <= hz_load_relaxed(&hz_arena.end));
    records_clear(granules[i], count);
  }
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  for (unsigned i = 0; i < n; i++)
    put_dirty(granules[i], count, now_ms);
  uint64_t allowed = hz_purge_allowance(now_ms);
  if (S->falling)
    hz_huge_tick(now_ms, true);
  if (S->free.dirty > allowed && now_ms >= S->purge_again_ms)
    hz_purge_down_to(allowed - allowed / 4, 0, now_ms); // the next frees shall need no call
  else
    hz_purge_schedule();
  hz_arena_unlock();
}

void hz_run_free(uint64_t granule, uint64_t count) {
  hz_runs_free(&granule, 1, count);
}

void hz_run_free_purged(uint64_t granule, uint64_t count) {
  HZ_ASSERT(count > 0 && granule + count <= hz_load_relaxed(&hz_arena.end));
  records_clear(granule, count);
  hz_arena_lock();
  if (HZ_UNLIKELY(hz_huge_blocks_forget(granule, granule + count))) {
    hz_arena_unlock();
    hz_huge_blocks_withdraw(granule, granule + count);
    hz_arena_lock();
  }
  S->used -= count;
  hz_free_put(&S->free, granule, count, false, 0);
  hz_arena_unlock();
}

void hz_run_free_moved(uint64_t granule, uint64_t count) {
  HZ_ASSERT(count > 0 && granule + count <= hz_load_relaxed(&hz_arena.end));
  enum hz_refreshed refreshed = hz_window_refresh(&S->window, granule, granule + count);
  if (refreshed == HZ_UNCHANGED) {
    hz_run_free(granule, count);
  } else if (refreshed == HZ_REFRESHED) {
    hz_huge_restore(granule, granule + count);
    hz_run_free_purged(granule, count);
  } else {
    records_clear(granule, count);
    hz_arena_lock();
    S->used -= count;
    S->holes += count;
    hz_arena_unlock();
  }
}

void hz_runs_note_empty(int64_t granules) {
  hz_arena_lock();
  S->empty += (uint64_t)granules;
  HZ_ASSERT(S->empty <= S->used);
  hz_purge_forget_returns();
  hz_arena_unlock();
}

void hz_run_unify(uint64_t granule, uint64_t count) {
  hz_arena_lock();
  bool asked = hz_huge_blocks_forget(granule, granule + count);
  hz_arena_unlock();
  if (asked)
    hz_huge_blocks_withdraw(granule, granule + count);
}

bool hz_run_extend(uint64_t granule, uint64_t count, uint64_t new_count) {
  HZ_ASSERT(new_count >= count);
  uint64_t from = granule + count, want = new_count - count;
  if (want > S->window.granules || from + want > S->window.granules)
    return false;
  if (want == 0)
    return true;
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  bool done = false;
  uint64_t clean = want;
  enum room room = make_room(want, want);
  for (int i = 0; i < PATIENCE && room == ROOM_LOOK_AGAIN; i++)
    room = make_room(want, want);
  uint64_t free = hz_free_run_at(&S->free, from);
  if (room != ROOM) {
    // Refused.
  } else if (free >= want) {
    struct hz_run ignored;
    clean = take_free(&(struct hz_free_found){from, from}, want, &ignored);
    done = true;
  } else if (from + free == S->end) {
    S->coming += want;
    done = hz_grow_take_from(from, want);
    S->coming -= want;
  }
  if (done)
    note_used(want, now_ms);
  bool ask = done && hz_huge_blocks_may_ask(want, clean);
  hz_arena_unlock();
  if (HZ_UNLIKELY(ask))
    hz_huge_block(from, want);
  return done;
}
