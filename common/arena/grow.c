// The frontier: fresh granules, and the steps in which they become memory.
//
// Owns: `end` and `committed`. Does not own: how addresses become memory (window.c).
// Thread rule: lock held by the caller, given up during system calls; one thread grows at a time,
// the others wait for it.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

// Commits come in steps of an eighth of the heap: rare, and yet little is committed that is not
// used (it matters where commits are counted).
#define STEP_LEAST_BYTES HZ_MIB
#define STEP_MOST_BYTES (64 * HZ_MIB)
#define STEP_SHARE 8
#define STEP_SHARE_HUGE 32 // while the frontier asks for huge pages, which is decided for each step
// Another thread may take what was just committed; then it is tried again. Far more often than that
// can happen.
#define TRIES 10000

#define S (&hz_arena_state)

static uint64_t step_granules(void) {
  uint64_t least = STEP_LEAST_BYTES >> HZ_GRANULE_SHIFT, most = STEP_MOST_BYTES >> HZ_GRANULE_SHIFT;
  return hz_clamp(S->end / (hz_huge_unit() > 1 ? STEP_SHARE_HUGE : STEP_SHARE), least, most);
}

static void end_publish(uint64_t end) {
  S->end = end;
  S->free.end = end;
  // Relaxed: whoever reads a new value came by a pointer from a thread that had it (see arena.h).
  hz_store_relaxed(&hz_arena.end, end);
}

void hz_grow_skip(uint64_t to) {
  HZ_ASSERT(to >= S->end && to <= S->committed);
  end_publish(to);
}

// What lies between here and there was committed but never used.
static void skip_to(uint64_t there) {
  uint64_t here = S->end;
  if (here == there)
    return;
  end_publish(there);
  hz_free_put(&S->free, here, there - here, false, 0);
}

// System calls only; no lock. *from and *to may be moved, see hz_window_commit.
static bool commit(uint64_t *from, uint64_t *to) {
  struct hz_window *w = &S->window;
  if (!hz_window_commit_tables(w, *to))
    return false;
  if (!hz_window_commit(w, from, to))
    return false;
  if (hz_window_commit_tables(w, *to))
    return true;
  // Only when the piece was moved.
  hz_os_release((void *)(w->base + (*from << HZ_GRANULE_SHIFT)), (*to - *from) << HZ_GRANULE_SHIFT);
  return false;
}

// Effect: commits to `need` at least. Requires: lock held, nobody grows. Gives the lock up
// meanwhile.
static bool grow(uint64_t need) {
  uint64_t before = S->committed, end = S->end, used = S->used;
  uint64_t align = hz_max(hz_huge_unit(), 2 * HZ_MIB >> HZ_GRANULE_SHIFT);
  uint64_t wish = hz_max(need, before + step_granules());
  if (wish - before >= align)
    wish = hz_align_up(wish, align);
  wish = hz_min(wish, S->window.granules);
  S->growing = true;
  hz_arena_unlock();
  uint64_t from = before, to = wish;
  bool done = commit(&from, &to);
  if (!done && need < wish) {
    from = before;
    to = need;
    done = commit(&from, &to);
  }
  if (done)
    hz_huge_on_growth(end, need, to, used);
  hz_arena_lock();
  S->growing = false;
  if (done) {
    if (from != before) {
      skip_to(before);
      S->holes += from - before;
      end_publish(from);
    }
    S->committed = to;
  }
  hz_arena_event();
  return done;
}

// Effect: takes [from, from+count) out of the free run that ends at `end`. Returns: whether every
// byte is zero.
static bool take_below(uint64_t from, uint64_t count) {
  uint64_t below = hz_free_run_below(&S->free, S->end);
  uint64_t dirty = hz_free_take(&S->free, S->end - below, from, count);
  hz_purge_note_taken(dirty, count - dirty);
  if (dirty != 0)
    hz_purge_schedule();
  return dirty == 0;
}

// Effect: takes [from, from+count), of which what lies below `end` is free; the rest is committed.
// Returns: whether every byte is zero.
static bool take(uint64_t from, uint64_t count) {
  bool zeroed = true;
  if (from < S->end)
    zeroed = take_below(from, S->end - from);
  else
    skip_to(from);
  end_publish(from + count);
  return zeroed;
}

// Returns: false when it will not do; lock given up meanwhile unless it is there already.
static bool reach(uint64_t need) {
  if (need > S->window.granules)
    return false;
  if (need <= S->committed)
    return true;
  if (!S->growing)
    return grow(need);
  hz_arena_wait();
  return true;
}

bool hz_grow_take(uint64_t count, uint64_t align, struct hz_run *out) {
  uint64_t phase = S->window.base >> HZ_GRANULE_SHIFT;
  for (int i = 0; i < TRIES; i++) {
    uint64_t from = S->end - hz_free_run_below(&S->free, S->end);
    from = hz_align_up(from + phase, align) - phase;
    if (!reach(from + count))
      return false;
    // Looked at again if the lock was given up: others may have taken what was there.
    uint64_t now = S->end - hz_free_run_below(&S->free, S->end);
    now = hz_align_up(now + phase, align) - phase;
    if (now + count > S->committed)
      continue;
    if (now + count <= S->end) { // a run grew long enough meanwhile
      *out = (struct hz_run){now, count, take_below(now, count)};
      return true;
    }
    *out = (struct hz_run){now, count, take(now, count)};
    hz_huge_on_take(now, count);
    return true;
  }
  return false;
}

bool hz_grow_take_from(uint64_t from, uint64_t count) {
  for (int i = 0; i < TRIES; i++) {
    uint64_t end = S->end;
    if (from + count <= end || from > end || hz_free_run_at(&S->free, from) != end - from)
      return false;
    if (from + count <= S->committed) {
      take(from, count);
      hz_huge_on_take(from, count);
      return true;
    }
    if (!reach(from + count))
      return false;
  }
  return false;
}
