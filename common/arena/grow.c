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
// Another thread may take what was just committed; then it is tried again. Far more often than that
// can happen.
#define TRIES 10000

#define S (&hz_arena_state)

static uint64_t step_granules(void) {
  uint64_t least = STEP_LEAST_BYTES >> HZ_GRANULE_SHIFT, most = STEP_MOST_BYTES >> HZ_GRANULE_SHIFT;
  return hz_clamp(S->end / STEP_SHARE, least, most);
}

static void end_publish(uint64_t end) {
  S->end = end;
  S->free.end = end;
  // Relaxed: whoever reads a new value came by a pointer from a thread that had it (see arena.h).
  hz_store_relaxed(&hz_arena.end, end);
}

// What lies between here and there was committed but never used.
static void skip_to(uint64_t there) {
  uint64_t here = S->end;
  if (here == there)
    return;
  end_publish(there);
  hz_free_put(&S->free, here, there - here, HZ_FREE_CLEAN, 0);
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
  uint64_t before = S->committed, used = S->used, align = 2 * HZ_MIB >> HZ_GRANULE_SHIFT;
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
    hz_huge_consider(from, to, used);
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

static bool take(uint64_t only_at, uint64_t count, uint64_t align, uint64_t *start) {
  uint64_t phase = S->window.base >> HZ_GRANULE_SHIFT;
  if (count > S->window.granules || align > S->window.granules)
    return false;
  for (int i = 0; i < TRIES; i++) {
    if (only_at != UINT64_MAX && S->end != only_at)
      return false;
    uint64_t first = hz_align_up(S->end + phase, align) - phase;
    if (first + count > S->window.granules)
      return false;
    if (first + count <= S->committed) {
      skip_to(first);
      end_publish(first + count);
      *start = first;
      return true;
    }
    if (S->growing)
      hz_arena_wait();
    else if (!grow(first + count))
      return false;
  }
  return false;
}

bool hz_grow_take(uint64_t count, uint64_t align, uint64_t *start) {
  return take(UINT64_MAX, count, align, start);
}

bool hz_grow_take_at(uint64_t end, uint64_t count) {
  uint64_t start;
  return take(end, count, 1, &start);
}
