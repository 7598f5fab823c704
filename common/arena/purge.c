// What of the free runs stays resident, for how long, and how the rest is given back.
//
// Owns: retention and the purging of dirty runs. Does not own: the index.
// Thread rule: lock held by the caller unless a line says otherwise, given up during system calls.
// A run that is being purged is out of the index and noted as busy.
//
//   allowance = max(1 MiB, peak / 64) + credit
//   credit    = what the program took out of dirty runs in this interval and the one before (an
//   interval is the
//               purge delay): a program that frees and allocates large runs in turn keeps them. At
//               most max(32 MiB, used / 4). It is for programs that go up and down: once `used` has
//               fallen from its recent height by more than the credit, the program is not coming
//               back, and the credit shrinks as it falls on.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

#define RETAIN_LEAST_BYTES HZ_MIB
#define RETAIN_SHARE_OF_PEAK 64
#define CREDIT_LEAST_BYTES (32 * HZ_MIB)
#define CREDIT_SHARE_OF_USED 4
// Runs taken out of the index at once; the lock is given up for their purging.
#define BATCH 16
// After the kernel refused (locked memory), it is not asked again for this long.
#define REFUSED_PAUSE_MS 1000
// One tick purges no more than this: a bound on its time.
#define TICK_MOST_BYTES (64 * HZ_MIB)

#define S (&hz_arena_state)

static void interval_roll(uint64_t now_ms) {
  uint64_t delay = S->config.purge_delay_ms, passed = now_ms - S->interval_start_ms;
  if (now_ms < S->interval_start_ms || passed < delay)
    return; // a late clock of another thread
  bool old = passed >= 2 * delay;
  S->taken[1] = old ? 0 : S->taken[0];
  S->high[1] = old ? S->used : S->high[0];
  S->taken[0] = 0;
  S->high[0] = S->used;
  S->interval_start_ms = now_ms;
}

void hz_purge_note_taken(uint64_t granules) {
  S->taken[0] += granules;
}

uint64_t hz_purge_allowance(uint64_t now_ms) {
  if (S->config.purge_delay_ms == 0)
    return 0;
  interval_roll(now_ms);
  uint64_t base =
      hz_max(RETAIN_LEAST_BYTES >> HZ_GRANULE_SHIFT, S->peak_used / RETAIN_SHARE_OF_PEAK);
  uint64_t most = hz_max(CREDIT_LEAST_BYTES >> HZ_GRANULE_SHIFT, S->used / CREDIT_SHARE_OF_USED);
  uint64_t credit = hz_min(S->taken[0] + S->taken[1], most);
  uint64_t fallen = hz_max(S->high[0], S->high[1]) - S->used;
  if (fallen > credit)
    credit = fallen >= 2 * credit ? 0 : 2 * credit - fallen;
  return base + credit;
}

void hz_purge_schedule(void) {
  uint32_t oldest = S->free.oldest[HZ_FREE_DIRTY];
  uint64_t due = UINT64_MAX;
  if (oldest != HZ_FREE_NIL) {
    // The node keeps the low 32 bits; the interval's start is near enough to give the rest.
    uint64_t near = S->interval_start_ms;
    uint64_t since =
        near + (uint64_t)(int64_t)(int32_t)(S->free.nodes[oldest].since_ms - (uint32_t)near);
    due = hz_max(since + S->config.purge_delay_ms, S->purge_again_ms);
  }
  if (due != S->due_ms)
    hz_store_relaxed(&S->due_ms, due); // a hint for hz_runs_tick
}

struct batch {
  unsigned count;
  struct {
    uint64_t granule, count;
    bool purged;
  } run[BATCH];
};

// Effect: takes the oldest runs out of the index. The last one in part: the lower addresses stay.
static uint64_t batch_fill(struct batch *b, uint64_t most, uint64_t min_age_ms, uint64_t now_ms) {
  uint64_t taken = 0;
  b->count = 0;
  while (b->count < BATCH && taken < most) {
    uint32_t g = S->free.oldest[HZ_FREE_DIRTY];
    if (g == HZ_FREE_NIL)
      break;
    const struct hz_free_node *n = &S->free.nodes[g];
    if (min_age_ms != 0 && (int32_t)((uint32_t)now_ms - n->since_ms) < (int64_t)min_age_ms)
      break;
    uint64_t length = n->count, part = hz_min(length, most - taken);
    uint64_t start = g + length - part;
    hz_free_take(&S->free, g, start, part);
    hz_free_busy_enter(&S->free, start, part);
    b->run[b->count].granule = start;
    b->run[b->count].count = part;
    b->count++;
    taken += part;
  }
  return taken;
}

static void batch_purge(struct batch *b) {
  for (unsigned i = 0; i < b->count; i++)
    b->run[i].purged =
        hz_os_purge(hz_granule_address(b->run[i].granule), b->run[i].count << HZ_GRANULE_SHIFT);
}

static uint64_t batch_return(struct batch *b, uint64_t now_ms) {
  uint64_t purged = 0;
  for (unsigned i = 0; i < b->count; i++) {
    uint64_t g = b->run[i].granule, count = b->run[i].count;
    hz_free_busy_leave(&S->free, g);
    hz_free_put(&S->free, g, count, b->run[i].purged ? HZ_FREE_CLEAN : HZ_FREE_DIRTY,
                (uint32_t)now_ms);
    if (b->run[i].purged)
      purged += count;
    else
      S->purge_again_ms = now_ms + REFUSED_PAUSE_MS;
  }
  return purged;
}

uint64_t hz_purge_down_to(uint64_t keep, uint64_t min_age_ms, uint64_t now_ms) {
  uint64_t total = 0;
  // Bounded: what is dirty now is purged at most once.
  uint64_t left = S->free.granules[HZ_FREE_DIRTY];
  while (S->free.granules[HZ_FREE_DIRTY] > keep && left > 0) {
    struct batch b;
    uint64_t most = hz_min(S->free.granules[HZ_FREE_DIRTY] - keep, left);
    uint64_t taken = batch_fill(&b, most, min_age_ms, now_ms);
    if (taken == 0)
      break;
    hz_arena_unlock();
    batch_purge(&b);
    hz_arena_lock();
    uint64_t purged = batch_return(&b, now_ms);
    hz_arena_event();
    total += purged;
    if (purged < taken)
      break; // refused: not again now
    left -= hz_min(left, taken);
  }
  hz_purge_schedule();
  return total;
}

void hz_runs_tick(uint64_t now_ms) {
  if (HZ_LIKELY(now_ms < hz_load_relaxed(&S->due_ms)))
    return; // a hint; looked at again under the lock
  if (!hz_lock_try(&S->lock, HZ_RANK_RUNS))
    return; // somebody is at it, or will tick
  interval_roll(now_ms);
  uint64_t dirty = S->free.granules[HZ_FREE_DIRTY], most = TICK_MOST_BYTES >> HZ_GRANULE_SHIFT;
  if (now_ms >= S->due_ms)
    hz_purge_down_to(dirty > most ? dirty - most : 0, S->config.purge_delay_ms, now_ms);
  hz_arena_unlock();
}

size_t hz_runs_purge_all(void) {
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  uint64_t purged = hz_purge_down_to(0, 0, now_ms);
  hz_arena_unlock();
  return purged << HZ_GRANULE_SHIFT;
}
