// Runs: handing out, extending and taking back.
//
// Owns: the order of preference, the memory limit, and when a refusal is final. Does not own: the
// order of free runs (free_index.c), the frontier (grow.c), what stays resident (purge.c). Thread
// rule: any thread; one lock, given up during system calls.
//
//   alloc → dirty run → clean run → frontier → [refused] wait for others' calls → purge, so that
//           dirty and clean neighbours become one → again → refuse
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

// How often a refusal is looked at again because others were in the middle of a system call.
#define PATIENCE 1000

#define S (&hz_arena_state)

static uint64_t phase(void) {
  return S->window.base >> HZ_GRANULE_SHIFT;
}

static void note_used(uint64_t count) {
  S->used += count;
  S->peak_used = hz_max(S->peak_used, S->used);
  S->high[0] = hz_max(S->high[0], S->used);
}

static bool take_free(uint64_t count, uint64_t align, enum hz_free_state state,
                      struct hz_run *out) {
  struct hz_free_found found;
  if (!hz_free_find(&S->free, state, count, align, phase(), &found))
    return false;
  hz_free_take(&S->free, found.run, found.start, count);
  if (state == HZ_FREE_DIRTY) {
    hz_purge_note_taken(count);
    hz_purge_schedule();
  }
  *out = (struct hz_run){found.start, count, state == HZ_FREE_CLEAN};
  return true;
}

// How many more granules may become resident under the memory limit.
static uint64_t room_under_limit(void) {
  size_t limit = S->config.memory_limit_bytes;
  if (limit == 0)
    return UINT64_MAX;
  size_t meta = hz_meta_bytes() + hz_window_table_bytes(&S->window);
  uint64_t resident =
      S->used + S->coming + S->free.granules[HZ_FREE_DIRTY] + S->free.granules[HZ_FREE_BUSY];
  uint64_t most = meta >= limit ? 0 : (limit - meta) >> HZ_GRANULE_SHIFT;
  return resident >= most ? 0 : most - resident;
}

// Effect: purges dirty runs until `count` more granules fit under the limit. Lock given up
// meanwhile.
static bool make_room_under_limit(uint64_t count) {
  for (int i = 0; i < PATIENCE; i++) {
    uint64_t room = room_under_limit();
    if (room >= count)
      return true;
    uint64_t dirty = S->free.granules[HZ_FREE_DIRTY], missing = count - room;
    if (dirty + S->free.granules[HZ_FREE_BUSY] < missing)
      return false;
    if (dirty == 0) {
      hz_arena_wait(); // others are purging what is missing
      continue;
    }
    uint64_t keep = dirty > missing ? dirty - missing : 0;
    if (hz_purge_down_to(keep, 0, S->interval_start_ms) == 0 && S->free.granules[HZ_FREE_BUSY] == 0)
      return false;
  }
  return false;
}

static bool others_at_work(void) {
  return S->growing || S->free.runs[HZ_FREE_BUSY] != 0;
}

static bool alloc_locked(uint64_t count, uint64_t align, struct hz_run *out) {
  bool purged = false;
  for (int i = 0; i < PATIENCE; i++) {
    if (take_free(count, align, HZ_FREE_DIRTY, out))
      return true;
    if (!make_room_under_limit(count))
      return false;
    if (take_free(count, align, HZ_FREE_CLEAN, out))
      return true;
    bool others = others_at_work();
    uint64_t start;
    S->coming += count;
    bool grown = hz_grow_take(count, align, &start);
    S->coming -= count;
    if (grown) {
      *out = (struct hz_run){start, count, true};
      return true;
    }
    // What others were purging then may be back by now; what they are purging now will be.
    if (others_at_work()) {
      hz_arena_wait();
    } else if (!others) {
      // Dirty and clean runs do not merge, but purged they do.
      if (purged || S->free.granules[HZ_FREE_DIRTY] == 0)
        return false;
      hz_purge_down_to(0, 0, S->interval_start_ms);
      purged = true;
    }
  }
  return false;
}

bool hz_run_alloc(uint64_t count, uint64_t align, struct hz_run *out) {
  HZ_ASSERT(count > 0 && hz_is_pow2(align));
  if (count > S->window.granules || align > S->window.granules)
    return false;
  hz_arena_lock();
  bool done = alloc_locked(count, align, out);
  if (done)
    note_used(count);
  hz_arena_unlock();
  return done;
}

static void records_clear(uint64_t granule, uint64_t count) {
  // The tag alone: the holder's flags stay until the granule is used again, so that a second free
  // can be told from a wild one. Relaxed: a racing free of a stale pointer reads either the old tag
  // or none.
  for (uint64_t g = granule; g < granule + count; g++)
    hz_store_relaxed(&hz_arena.granules[g].tag, (uint8_t)HZ_TAG_NONE);
}

void hz_run_free(uint64_t granule, uint64_t count) {
  HZ_ASSERT(count > 0 && granule + count <= hz_load_relaxed(&hz_arena.end));
  records_clear(granule, count);
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  S->used -= count;
  hz_free_put(&S->free, granule, count, HZ_FREE_DIRTY, (uint32_t)now_ms);
  uint64_t allowed = hz_purge_allowance(now_ms);
  if (S->free.granules[HZ_FREE_DIRTY] > allowed && now_ms >= S->purge_again_ms)
    hz_purge_down_to(allowed - allowed / 4, 0,
                     now_ms); // a quarter less, so that the next frees need no call
  else
    hz_purge_schedule();
  hz_arena_unlock();
}

void hz_run_free_purged(uint64_t granule, uint64_t count) {
  HZ_ASSERT(count > 0 && granule + count <= hz_load_relaxed(&hz_arena.end));
  records_clear(granule, count);
  hz_arena_lock();
  S->used -= count;
  hz_free_put(&S->free, granule, count, HZ_FREE_CLEAN, 0);
  hz_arena_unlock();
}

// Returns: how many granules are free, or can be had at the frontier, from `from` on, up to `want`;
// how many of them are not resident yet in *fresh.
static uint64_t free_behind(uint64_t from, uint64_t want, uint64_t *fresh) {
  uint64_t have = 0;
  *fresh = 0;
  while (have < want) {
    enum hz_free_state state;
    uint64_t length = hz_free_run_at(&S->free, from + have, &state);
    if (length == 0)
      break;
    length = hz_min(length, want - have);
    if (state == HZ_FREE_CLEAN)
      *fresh += length;
    have += length;
  }
  if (have < want && from + have == S->end) {
    *fresh += want - have;
    have = want;
  }
  return have;
}

// Requires: the granules are free, and none of them beyond `end`.
static void take_behind(uint64_t from, uint64_t want) {
  while (want > 0) {
    enum hz_free_state state;
    uint64_t length = hz_min(hz_free_run_at(&S->free, from, &state), want);
    HZ_ASSERT(length > 0);
    hz_free_take(&S->free, from, from, length);
    if (state == HZ_FREE_DIRTY)
      hz_purge_note_taken(length);
    from += length;
    want -= length;
  }
  hz_purge_schedule();
}

bool hz_run_extend(uint64_t granule, uint64_t count, uint64_t new_count) {
  HZ_ASSERT(new_count >= count);
  uint64_t from = granule + count, want = new_count - count, fresh;
  if (want > S->window.granules || from + want > S->window.granules)
    return false;
  hz_arena_lock();
  bool done = false;
  if (free_behind(from, want, &fresh) == want && room_under_limit() >= fresh) {
    uint64_t end = S->end;
    // The part beyond `end` first: it may be refused, and the lock may be given up for it.
    bool grown = false;
    S->coming += want;
    if (from + want > end)
      grown = hz_grow_take_at(end, from + want - end);
    S->coming -= want;
    if (grown) {
      if (free_behind(from, end - from, &fresh) == end - from) {
        take_behind(from, end - from);
        done = true;
      } else {
        hz_free_put(&S->free, end, from + want - end, HZ_FREE_CLEAN, 0);
      }
    } else if (from + want <= end) {
      take_behind(from, want);
      done = true;
    }
  }
  if (done)
    note_used(want);
  hz_arena_unlock();
  return done;
}
