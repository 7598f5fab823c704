// The bound on cached bytes and ageing. See tick.h.
#include "hz3/tick.h"

#include "common/arena/arena.h"
#include "common/large/large.h"
#include "common/os/os.h"
#include "hz3/observe.h"
#include "hz3/purge.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/transfer.h"

// Eighths of the bound: bins, shelves, transfer layer.
#define BINS_PARTS 5
#define SHELVES_PARTS 2
#define TRANSFER_PARTS 1
// Where a thread could have fewer blocks than this of each class that it uses, most calls take the
// slow path whatever its bins hold: then the blocks lie better on the shelves, where they serve
// all.
#define BINS_LEAST_BLOCKS 2
#define BINS_FEW_PARTS 2
#define WAITING_MOST_BYTES HZ_MIB // of one class, or 32 batches
// Where no shelf holds more than one in so many bytes of its part, one in so many of all parts
// serves the transfer layer until the next tick.
#define LENT_WHILE_HELD 8
#define LENT_SHARE 2
// A heap that has fallen by less than this share of its peak is not looked at again.
#define RECEDES_SHARE 32
#define MISSED_MOST 8
#define LEAST_WAITING_BYTES (16 * HZ_KIB)
#define QUOTA_LEAST_BYTES (16 * HZ_KIB)
#define QUOTA_MOST_BYTES (128 * HZ_MIB)
#define TICKS_PER_SAMPLE 4 // of the resident share
#define PURGE_TICKS 4      // the purge delay

uint64_t hz3_bound_bytes;
uint64_t hz3_credit_used HZ_ALIGNED(HZ_NO_SHARE_BYTES);
uint32_t hz3_threads_alive;
uint64_t hz3_spread_most;
uint32_t hz3_tick_count;

static uint64_t least_bound_bytes; // constant after init
static uint32_t interval_ms;       // constant after init
static uint64_t last_tick_ms;
static uint32_t resident_share = HZ_RESIDENT_WHOLE; // of the memory in spans, in 4096ths
static uint32_t ticks_done;
static uint32_t bins_parts = BINS_PARTS;
static uint64_t shelves_held; // bytes, as of the last tick
static uint64_t peak_bytes;   // of blocks out of spans; forgets a 64th at each tick

static size_t quota_of(uint64_t bound, unsigned parts) {
  uint32_t threads = hz_load_relaxed(&hz3_threads_alive);
  return hz_clamp(bound / 8 * parts / (threads ? threads : 1), QUOTA_LEAST_BYTES, QUOTA_MOST_BYTES);
}

// Effect: what bins may have of the bound follows from what a thread can do with it. Measured by
// what they have now: with two eighths no thread can show a spread that five would be too few for.
// Relaxed: a thread that misses the change sees it at its next tick.
static void parts_choose(uint64_t bound) {
  uint64_t spread = hz_exchange_relaxed(&hz3_spread_most, 0u);
  bool few = quota_of(bound, hz_load_relaxed(&bins_parts)) < spread * BINS_LEAST_BLOCKS;
  hz_store_relaxed(&bins_parts, few ? BINS_FEW_PARTS : BINS_PARTS);
}

// What bins have not given back yet is not on shelves.
static uint64_t shelves_bytes(uint64_t bound) {
  uint64_t parts = BINS_PARTS + SHELVES_PARTS - hz_load_relaxed(&bins_parts);
  uint64_t both = bound / 8 * (BINS_PARTS + SHELVES_PARTS);
  uint64_t used = hz_min(hz_load_relaxed(&hz3_credit_used), both);
  return hz_max(hz_min(bound / 8 * parts, both - used), bound / 8 * SHELVES_PARTS);
}

// *lent: what shelves have no use for: where few threads move many blocks at once nothing lies
// there. Returns: how much less than `part` they may hold, since it is lent, or since what was has
// not left the transfer layer, whose own part is `own`.
static uint64_t shelves_lend(uint64_t part, uint64_t own, uint64_t *lent) {
  uint64_t most = part / LENT_SHARE, waiting = 0;
  // The first tick comes with the first slow paths, when nothing lies anywhere yet; and where
  // purges are an hour apart, the next is long in coming.
  if (hz_load_relaxed(&ticks_done) > 1 && hz3_shelf_is_idle(part / LENT_WHILE_HELD)) {
    *lent = most;
    return most;
  }
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    waiting += hz3_transfer_waiting(cls) * hz_class_bytes(cls);
  *lent = 0;
  return waiting > own ? hz_min(waiting - own, most) : 0;
}

// Of what may wait in the transfer layer every class has a little; the rest is shared out among the
// classes by how often each was asked for since the last time, counted as batches.
static void limits_compute(uint64_t bound) {
  uint64_t own = bound / 8 * TRANSFER_PARTS, lent;
  uint64_t shelves = shelves_bytes(bound), less = shelves_lend(shelves, own, &lent);
  hz_store_relaxed(&shelves_held, hz3_shelf_tick(shelves - less));
  size_t left = own + lent;
  size_t least = hz_min(left / HZ_CLASS_SIZES, LEAST_WAITING_BYTES);
  uint64_t asked[HZ_CLASS_COUNT], sum = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    sum += asked[cls] =
        (uint64_t)hz3_transfer_asked(cls) * hz3_shape[cls].batch * hz_class_bytes(cls);
  left -= least * HZ_CLASS_SIZES;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    size_t bytes = hz_class_bytes(cls);
    size_t share = (size_t)((unsigned __int128)left * asked[cls] / hz_max(sum, 1));
    size_t sure = hz_class_has_sets(cls) ? least / HZ_CLASS_SETS : least;
    size_t most = hz_max(32u * hz3_shape[cls].batch, WAITING_MOST_BYTES / bytes);
    hz_store_relaxed(&hz3_transfer[cls].limit, (uint32_t)hz_min((sure + share) / bytes, most));
  }
}

void hz3_tick_init(uint64_t cache_max_bytes, uint32_t purge_delay_ms) {
  least_bound_bytes = cache_max_bytes;
  interval_ms = (uint32_t)hz_max(purge_delay_ms / 4, 10);
  hz3_bound_bytes = cache_max_bytes;
  limits_compute(cache_max_bytes);
}

uint64_t hz3_heap_recedes_by(void) {
  return hz_load_relaxed(&peak_bytes) / RECEDES_SHARE;
}

bool hz3_heap_is_receding(void) {
  uint64_t peak = hz_load_relaxed(&peak_bytes), out = hz3_span_out_bytes();
  if (out > peak) // of which no tick knows: a heap may rise and fall between two
    hz_store_relaxed(&peak_bytes, out);
  return peak >= HZ_MIB && out < peak / 8;
}

// What shelves hold beyond their part bins do not have yet.
static uint64_t credit_bound(void) {
  uint64_t part = hz_load_relaxed(&hz3_bound_bytes) / 8;
  uint64_t both = part * (BINS_PARTS + SHELVES_PARTS);
  uint64_t held = hz_min(hz_load_relaxed(&shelves_held), both);
  return hz_max(hz_min(part * hz_load_relaxed(&bins_parts), both - held), part * BINS_FEW_PARTS);
}

size_t hz3_credit_quota(void) {
  return quota_of(hz_load_relaxed(&hz3_bound_bytes), hz_load_relaxed(&bins_parts));
}

bool hz3_credit_take(size_t bytes) {
  // Looked at first: threads at the bound must not fight for the word.
  if (hz_load_relaxed(&hz3_credit_used) + bytes > credit_bound())
    return false;
  if (hz_add_relaxed(&hz3_credit_used, bytes) + bytes <= credit_bound())
    return true;
  hz_sub_relaxed(&hz3_credit_used, bytes);
  return false;
}

void hz3_credit_give(size_t bytes) {
  hz_sub_relaxed(&hz3_credit_used, bytes);
}

static void age_all(void) {
  (void)hz3_shelf_age();
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    hz3_transfer_age(cls);
}

void hz3_tick_now(uint64_t now_ms) {
  uint64_t began = hz3_time_begin(HZ3_TIMED_TICK);
  hz3_count_seen(HZ3_SEEN_TICKS);
  hz_add_relaxed(&hz3_tick_count, 1u);
  age_all();
  struct hz_large_stats large;
  hz_large_stats_read(&large);
  uint64_t out = hz3_span_out_bytes(), peak = hz_load_relaxed(&peak_bytes);
  hz_store_relaxed(&peak_bytes, hz_max(out, peak - peak / 64));
  if (hz_add_relaxed(&ticks_done, 1u) % TICKS_PER_SAMPLE == 0)
    hz_store_relaxed(&resident_share, hz_arena_resident_share());
  uint64_t resident = hz_max(least_bound_bytes, (out + large.live_bytes) / 5);
  uint64_t bound = resident / hz_load_relaxed(&resident_share) * HZ_RESIDENT_WHOLE;
  hz_store_relaxed(&hz3_bound_bytes, bound);
  parts_choose(bound);
  limits_compute(bound);
  hz_large_tick(now_ms);
  if (hz3_heap_is_receding())
    (void)hz3_purge_blocks(PURGE_TICKS);
  hz_runs_tick(now_ms);
  hz3_time_end(HZ3_TIMED_TICK, began);
}

void hz3_tick_maybe(void) {
  uint64_t now = hz_os_now_ms(), last = hz_load_relaxed(&last_tick_ms);
  if (now - last < interval_ms)
    return;
  // Relaxed: the swap only elects who ticks.
  if (!hz_cas_relaxed(&last_tick_ms, &last, now))
    return;
  // Intervals in which nobody came by are made up for, with what they would have aged.
  uint64_t missed = hz_min((now - last) / interval_ms - 1, MISSED_MOST);
  if (missed != 0) {
    hz_add_relaxed(&hz3_tick_count, (uint32_t)missed);
    age_all();
  }
  if (missed == MISSED_MOST)
    (void)hz3_purge_blocks(0); // nobody came by for long
  hz3_tick_now(now);
}
