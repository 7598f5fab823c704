// What of the free runs stays resident, for how long, and how the rest is given back.
//
// Owns: retention and the purging of dirty runs. Does not own: the index.
// Thread rule: lock held by the caller unless a line says otherwise, given up during system calls.
// A run that is being purged is out of the index and noted as busy.
//
//   base      = 2 * used - 8 MiB, but 1 MiB at least and 24 MiB at the most: while much is used
//               purges come in pieces, and a heap that sheds a part of itself (a collector's
//               sweep) has it again without faults; when little is used any more next to nothing
//               stays. No more than 24 MiB, since `used` may be a block that nobody touches.
//   credit    = at least used / 8 (32 MiB at most) minus what `used` has fallen from its recent
//               height: a program that frees one block of many will ask for another. Beyond that
//               what the program took out of dirty memory in this interval and the one before (an
//               interval is the purge delay), and what it took of memory that had been purged in
//               that time, which shows that the purge was wasted. A program that frees and
//               allocates large runs in turn keeps them.
//   returns   : what is used fell to a half or less and half of that came back, within a delay, or
//               twice within 5 delays each: as much as it rose in the end and a half (not every
//               free run fits the next time), 128 MiB at the most, may stay for 5 to 10 delays
//               more. A program that builds up, tears down and builds up again keeps its pages for
//               the next time; one that tears down once has no return to show. Who goes idle amid
//               such rounds keeps that much until the next call.
//   allowance = base + the larger of credit and returns
//   bounds    : what is used (and may be resident) and kept by credit stays below the recent height
//               of `used` and a quarter (32 MiB are always allowed); returns are bounded by their
//               age alone. Once `used` has fallen from
//               that height by more than credit + used / 4, the program is not coming back: the
//               credit shrinks with it.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

#define RETAIN_LEAST_BYTES HZ_MIB
#define RETAIN_MOST_BYTES (24 * HZ_MIB)
#define RETAIN_TIMES_USED 2
#define RETAIN_LESS_BYTES (8 * HZ_MIB)
#define FIRST_CREDIT_SHARE_OF_USED 8
#define CREDIT_LEAST_BYTES (32 * HZ_MIB)
#define CREDIT_SHARE_OF_USED 4
#define PERIOD_DELAYS 5
#define RETURNS_LEAST 2
#define RETURN_MOST_BYTES (128 * HZ_MIB)
// What is taken out of the index at once; the lock is given up for its purging.
#define BATCH 16
#define BATCH_MOST_BYTES (64 * HZ_MIB)
// Clean granules between dirty ones are purged with them if they are few: one call instead of two.
#define GAP_GRANULES 8
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
  S->purged[1] = old ? 0 : S->purged[0];
  S->high[1] = old ? hz_arena_filled() : S->high[0];
  S->taken[0] = S->purged[0] = 0;
  S->high[0] = hz_arena_filled();
  S->interval_start_ms = now_ms;
}

void hz_purge_note_taken(uint64_t dirty, uint64_t clean) {
  S->taken[0] += dirty;
  for (int i = 1; i >= 0; i--) {
    uint64_t wasted = hz_min(clean, S->purged[i]);
    S->purged[i] -= wasted;
    S->taken[0] += wasted;
    clean -= wasted;
  }
}

// How long a rise may take to count as a return, and how long it counts.
static uint64_t period_ms(void) {
  return (uint64_t)PERIOD_DELAYS * S->config.purge_delay_ms;
}

static void period_roll(uint64_t now_ms) {
  uint64_t passed = now_ms - S->period_start_ms;
  if (now_ms < S->period_start_ms || passed < period_ms())
    return; // a late clock of another thread
  bool old = passed >= 2 * period_ms();
  S->returned[1] = old ? 0 : S->returned[0];
  S->returns[1] = old ? 0 : S->returns[0];
  S->returned[0] = S->returns[0] = 0;
  if (S->returns[1] == 0)
    S->fallen_from = S->fallen_to = 0; // a return of long ago
  S->period_start_ms = now_ms;
}

// Effect: what was fallen from and came back counts; the next fall is measured from here.
static void crest_at(uint64_t level, uint64_t now_ms) {
  S->crest = S->trough = level;
  S->trough_ms = now_ms;
}

void hz_purge_note_level(uint64_t now_ms) {
  uint64_t level = hz_arena_filled();
  hz_store_relaxed(&S->level, level); // a hint for hz_run_ahead
  period_roll(now_ms);
  if (level <= S->trough) {
    S->trough = level;
    S->trough_ms = now_ms;
    return;
  }
  if (S->trough_ms + period_ms() < now_ms) { // too long ago: growth like any other
    crest_at(level, now_ms);
    S->fallen_from = S->fallen_to = 0;
    return;
  }
  if (S->trough <= S->crest / 2 && level >= S->crest - (S->crest - S->trough) / 2) {
    S->returns[0] += now_ms <= S->trough_ms + S->config.purge_delay_ms ? RETURNS_LEAST : 1;
    S->fallen_from = S->crest;
    S->fallen_to = S->trough;
    crest_at(level, now_ms);
  } else if (level >= S->crest) {
    crest_at(level, now_ms);
  }
  uint64_t reached = hz_min(level, S->fallen_from);
  if (reached > S->fallen_to)
    S->returned[0] = hz_max(S->returned[0], reached - S->fallen_to);
}

void hz_purge_forget_returns(void) {
  S->returned[0] = S->returned[1] = 0;
  S->returns[0] = S->returns[1] = 0;
  S->fallen_from = S->fallen_to = 0;
  S->crest = S->trough = hz_arena_filled();
}

uint64_t hz_purge_returned(void) {
  uint64_t most = hz_max(S->returned[0], S->returned[1]);
  if (S->returns[0] + S->returns[1] < RETURNS_LEAST)
    return 0;
  return hz_min(most + most / 2, RETURN_MOST_BYTES >> HZ_GRANULE_SHIFT);
}

uint64_t hz_purge_allowance(uint64_t now_ms) {
  if (S->config.purge_delay_ms == 0)
    return 0;
  interval_roll(now_ms);
  uint64_t filled = hz_arena_filled();
  uint64_t least = RETAIN_LEAST_BYTES >> HZ_GRANULE_SHIFT;
  uint64_t twice = filled * RETAIN_TIMES_USED, less = RETAIN_LESS_BYTES >> HZ_GRANULE_SHIFT;
  uint64_t base =
      hz_clamp(twice > less ? twice - less : 0, least, RETAIN_MOST_BYTES >> HZ_GRANULE_SHIFT);
  uint64_t high = hz_max(S->high[0], S->high[1]);
  uint64_t share = filled / CREDIT_SHARE_OF_USED;
  uint64_t fallen = high > filled ? high - filled : 0;
  uint64_t most = hz_max(CREDIT_LEAST_BYTES >> HZ_GRANULE_SHIFT, share + hz_min(fallen, 2 * share));
  uint64_t first =
      hz_min(filled / FIRST_CREDIT_SHARE_OF_USED, CREDIT_LEAST_BYTES >> HZ_GRANULE_SHIFT);
  uint64_t credit =
      hz_max(hz_min(S->taken[0] + S->taken[1], most), first > fallen ? first - fallen : 0);
  uint64_t coming = hz_purge_returned();
  S->falling = fallen > hz_max(credit, coming) + share;
  if (fallen > credit + share)
    credit -= hz_min(credit, fallen - credit - share);
  return base + hz_max(credit, coming);
}

// How old dirty granules may become.
static uint64_t keep_ms(void) {
  return hz_purge_returned() != 0 ? period_ms() : S->config.purge_delay_ms;
}

void hz_purge_schedule(void) {
  uint32_t oldest = S->free.oldest[HZ_FREE_WARM];
  uint64_t due = UINT64_MAX;
  if (oldest != HZ_FREE_NIL) {
    // The node keeps the low 32 bits; the interval's start is near enough to give the rest.
    uint64_t near = S->interval_start_ms;
    uint64_t since =
        near + (uint64_t)(int64_t)(int32_t)(S->free.nodes[oldest].since_ms - (uint32_t)near);
    due = hz_max(since + keep_ms(), S->purge_again_ms);
  }
  due = hz_min(due, S->huge_due_ms);
  if (due != S->due_ms)
    hz_store_relaxed(&S->due_ms, due); // a hint for hz_runs_tick
}

struct batch {
  unsigned count;
  struct {
    uint64_t granule, count;
    bool asked; // to be huge
    bool purged;
  } range[BATCH];
};

// Effect: takes the oldest dirty granules out of the index, `most` at the most; of each run the
// highest, so that the lower ones, which are taken first, stay longest. Returns: how many.
static uint64_t batch_fill(struct batch *b, uint64_t most, uint64_t min_age_ms, uint64_t now_ms) {
  uint64_t taken = 0, phase = S->window.base >> HZ_GRANULE_SHIFT;
  b->count = 0;
  while (b->count < BATCH && taken < most) {
    uint32_t run = S->free.oldest[HZ_FREE_WARM];
    if (run == HZ_FREE_NIL)
      break;
    int32_t age = (int32_t)((uint32_t)now_ms - S->free.nodes[run].since_ms);
    if (min_age_ms != 0 && age < (int64_t)min_age_ms)
      break;
    struct hz_free_stretch how = {
        .gap = GAP_GRANULES, .most = most - taken, .unit = hz_huge_unit(), .phase = phase};
    uint64_t start, dirty;
    uint64_t length = hz_free_take_dirty(&S->free, run, &how, &start, &dirty);
    b->range[b->count].granule = start;
    b->range[b->count].count = length;
    b->range[b->count].asked = hz_huge_blocks_forget(start, start + length);
    b->count++;
    taken += dirty;
  }
  return taken;
}

static void batch_purge(struct batch *b) {
  for (unsigned i = 0; i < b->count; i++) {
    uint64_t from = b->range[i].granule, count = b->range[i].count;
    if (b->range[i].asked)
      hz_huge_blocks_withdraw(from, from + count);
    b->range[i].purged = hz_os_purge(hz_granule_address(from), count << HZ_GRANULE_SHIFT);
  }
}

static uint64_t batch_top(const struct batch *b) {
  uint64_t top = 0;
  for (unsigned i = 0; i < b->count; i++)
    top = hz_max(top, b->range[i].granule + b->range[i].count);
  return top;
}

// Returns: whether all were purged.
static bool batch_return(struct batch *b, uint64_t now_ms) {
  bool all = true;
  for (unsigned i = 0; i < b->count; i++) {
    bool purged = b->range[i].purged;
    hz_free_busy_leave(&S->free, b->range[i].granule);
    hz_free_put(&S->free, b->range[i].granule, b->range[i].count, !purged, (uint32_t)now_ms);
    all &= purged;
  }
  if (!all)
    S->purge_again_ms = now_ms + REFUSED_PAUSE_MS;
  return all;
}

uint64_t hz_purge_down_to(uint64_t keep, uint64_t min_age_ms, uint64_t now_ms) {
  uint64_t total = 0;
  // Bounded: as much as is dirty now is purged at most.
  uint64_t left = S->free.dirty;
  while (S->free.dirty > keep && left > 0) {
    struct batch b;
    uint64_t most =
        hz_min(hz_min(S->free.dirty - keep, left), BATCH_MOST_BYTES >> HZ_GRANULE_SHIFT);
    uint64_t taken = batch_fill(&b, most, min_age_ms, now_ms);
    if (taken == 0)
      break;
    bool passing = hz_huge_pass_begin(batch_top(&b));
    hz_arena_unlock();
    if (passing)
      hz_huge_pass();
    batch_purge(&b);
    hz_arena_lock();
    if (passing)
      hz_huge_pass_end();
    bool all = batch_return(&b, now_ms);
    hz_arena_event();
    if (!all)
      break;
    total += taken;
    S->purged[0] += taken;
    left -= hz_min(left, taken);
  }
  hz_purge_schedule();
  return total;
}

void hz_runs_tick(uint64_t now_ms) {
  // A hint; looked at again under the lock.
  if (HZ_LIKELY(now_ms < hz_load_relaxed(&S->due_ms)))
    return;
  if (!hz_lock_try(&S->lock, HZ_RANK_RUNS))
    return; // somebody is at it, or will tick
  interval_roll(now_ms);
  period_roll(now_ms);
  hz_huge_tick(now_ms, false);
  uint64_t dirty = S->free.dirty, most = TICK_MOST_BYTES >> HZ_GRANULE_SHIFT;
  if (now_ms >= S->purge_again_ms)
    hz_purge_down_to(dirty > most ? dirty - most : 0, keep_ms(), now_ms);
  hz_purge_schedule();
  hz_arena_unlock();
}

size_t hz_runs_purge_all(void) {
  uint64_t now_ms = hz_os_now_ms();
  hz_arena_lock();
  hz_purge_forget_returns();
  hz_huge_tick(now_ms, true);
  uint64_t purged = hz_purge_down_to(0, 0, now_ms);
  hz_arena_unlock();
  return purged << HZ_GRANULE_SHIFT;
}
