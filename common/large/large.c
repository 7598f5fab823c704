// Large blocks as runs of granules, with a lock-free cache sharded by size.
//
// The cache is a table of words, a line or two of them per size bin:
//
//   slot word   [ stamp:16 | count:20 | granule:28 ]     0 = empty
//
// put   finds an empty slot and swaps the word in (release: the block's content and records go with
// it) take  finds a word that fits and swaps it for 0   (acquire: partner of put's release)
//
// Nothing waits: a full bin sends the block to the runs, an empty one the request. ABA is harmless:
// the word is the whole state, and a word that left and came back means that the same block is
// cached again. Thread exit and fork leave nothing behind: a block is in one slot or in one hand.
#include "common/large/large.h"

#include <string.h>

#include "common/fail/check.h"
#include "common/os/os.h"

enum {
  // Up to 1 MiB and its stagger: a larger block is worth a lock, and among the free runs it joins
  // its neighbours and serves any size.
  COUNT_MAX = 17,
  BINS = COUNT_MAX + 1, // one for each granule count
  SLOTS = 16,
  STAMP_SHIFT_MS = 5, // a stamp is 32 ms; 16 bits of them last 35 minutes
  EVICTIONS_PER_PUT = 4,
  CACHE_LEAST_BYTES = 2 * 1024 * 1024,
  // Below this a copy is cheaper than a page-table move and the fault it leaves behind.
  MOVE_GRANULES_MIN = 8,
  // Up to this it is cheaper also where the copy's pages are there already.
  COPY_GRANULES_MOST = 128,
  // A tail of so much, and most of its block, is given back at once: who shrinks a block that far
  // means the memory.
  PURGE_TAIL_GRANULES = 128,
  // From this size on it is worth a look how much of what is to be cleared has pages.
  LOOK_BEFORE_ZERO_BYTES = 2 * 1024 * 1024,
  DENSITY_SAMPLES = 8, // granules, one in each eighth of the block
};
// hz_granule.flags: the block's pages came from elsewhere. It is a mapping of its own until it is
// given back (hz_run_free_moved); it is not cached, so that there are no more of those than blocks
// alive.
#define WAS_MOVED 0x40u

typedef uint64_t __attribute__((may_alias)) record_word;

struct bin {
  uint64_t slot[SLOTS];
} HZ_ALIGNED(HZ_LINE_BYTES);

static struct bin bins[BINS];
static struct hz_large_config limits;

// Totals; relaxed adds, nothing is ordered by them. A line of their own.
static struct {
  size_t live_bytes, live_blocks, cached_bytes, cached_blocks, hits, misses, moved;
  uint32_t hand; // the next slot that an eviction looks at
} HZ_ALIGNED(HZ_NO_SHARE_BYTES) totals;

void hz_large_init(const struct hz_large_config *config) {
  limits = *config;
}

// ---- records ----

static uint64_t record_of(uint32_t count, uint16_t lines, uint8_t tag, uint8_t flags) {
  return (uint64_t)count | (uint64_t)lines << 32 | (uint64_t)tag << 48 | (uint64_t)flags << 56;
}
static uint32_t record_count(uint64_t r) {
  return (uint32_t)r;
}
static uint16_t record_lines(uint64_t r) {
  return (uint16_t)(r >> 32);
}
static uint8_t record_tag(uint64_t r) {
  return (uint8_t)(r >> 48);
}
static uint8_t record_flags(uint64_t r) {
  return (uint8_t)(r >> 56);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are read as little-endian words"
#endif
_Static_assert(offsetof(struct hz_granule, index) == 4 && offsetof(struct hz_granule, tag) == 6 &&
                   offsetof(struct hz_granule, flags) == 7,
               "record_of's layout");

// Returns: how far into its run a block begins.
static size_t offset_of(uint16_t lines) {
  return (size_t)lines * HZ_LINE_BYTES;
}
static size_t record_usable(uint64_t r) {
  return (size_t)record_count(r) * HZ_GRANULE_BYTES - offset_of(record_lines(r));
}
static bool is_start(const void *p, uint64_t r) {
  return ((uintptr_t)p & (HZ_GRANULE_BYTES - 1)) == offset_of(record_lines(r));
}

static record_word *record_at(uint64_t granule) {
  return (record_word *)&hz_arena.granules[granule];
}

// Relaxed throughout: whoever learns the block's address learns it from the program (or from a
// cache slot, with acquire), and that orders the record.
static void records_set(uint64_t granule, uint64_t count, uint16_t lines, uint8_t flags) {
  for (uint64_t i = 1; i < count; i++)
    hz_store_relaxed(record_at(granule + i), record_of(0, 0, HZ_TAG_LARGE_INSIDE, 0));
  hz_store_relaxed(record_at(granule), record_of((uint32_t)count, lines, HZ_TAG_LARGE, flags));
}

// Returns: the size of the live large block around p, 0 when there is none. Slow.
static size_t block_around(const void *p) {
  uint64_t granule = hz_granule_of(p), at = granule;
  while (at > 0 && record_tag(hz_load_relaxed(record_at(at))) == HZ_TAG_LARGE_INSIDE)
    at--;
  uint64_t record = hz_load_relaxed(record_at(at));
  bool around = record_tag(record) == HZ_TAG_LARGE && granule - at < record_count(record);
  return around ? record_usable(record) : 0;
}

_Noreturn static void fault(const void *p, uint64_t record, enum hz_api api) {
  if (record_tag(record) == HZ_TAG_NONE && (record_flags(record) & HZ_LARGE_WAS_FREED) &&
      is_start(p, record))
    hz_fail_double_free(p, record_usable(record), api);
  hz_fail_invalid_free(p, block_around(p), api);
}

// Returns: the record of the live large block that starts at p; ends the process when there is
// none.
static uint64_t record_checked(const void *p, enum hz_api api) {
  uint64_t record = hz_load_relaxed(record_at(hz_granule_of(p)));
  if (HZ_UNLIKELY(record_tag(record) != HZ_TAG_LARGE || !is_start(p, record)))
    fault(p, record, api);
  return record;
}

// Effect: the block is nobody's; of two threads that free it at once one wins and the other faults.
// Returns: its record as it was.
static uint64_t record_claim(void *p, enum hz_api api) {
  uint64_t record = record_checked(p, api);
  uint64_t freed =
      record_of(record_count(record), record_lines(record), HZ_TAG_NONE, HZ_LARGE_WAS_FREED);
  if (!hz_cas_relaxed(record_at(hz_granule_of(p)), &record, freed))
    fault(p, record, api);
  return record;
}

// ---- the cache ----

static uint16_t stamp_of(uint64_t now_ms) {
  return (uint16_t)(now_ms >> STAMP_SHIFT_MS);
}
static uint64_t word_of(uint64_t granule, uint64_t count, uint16_t stamp) {
  return (uint64_t)stamp << 48 | count << 28 | granule;
}
static uint64_t word_granule(uint64_t w) {
  return w & (((uint64_t)1 << 28) - 1);
}
static uint64_t word_count(uint64_t w) {
  return (w >> 28) & (((uint64_t)1 << 20) - 1);
}
static uint16_t word_stamp(uint64_t w) {
  return (uint16_t)(w >> 48);
}

// Effect: takes the block of `seen` out of its slot. Returns: false when somebody was faster.
static bool slot_take(uint64_t *slot, uint64_t seen) {
  // Acquire: the records and the content as the thread that put it left them; partner: cache_put.
  if (!hz_cas_acquire(slot, &seen, 0))
    return false;
  hz_sub_relaxed(&totals.cached_bytes, word_count(seen) * HZ_GRANULE_BYTES);
  hz_sub_relaxed(&totals.cached_blocks, 1);
  return true;
}

// Effect: one cached block, whichever the hand meets first, goes back to the runs by `release`.
// Returns: its granules, 0 when there was none.
static uint64_t cache_evict_one(void (*release)(uint64_t granule, uint64_t count)) {
  for (unsigned tries = 0; tries < BINS * SLOTS; tries++) {
    uint32_t at = hz_add_relaxed(&totals.hand, 1) % (BINS * SLOTS);
    uint64_t *slot = &bins[at / SLOTS].slot[at % SLOTS];
    uint64_t seen = hz_load_relaxed(slot);
    if (seen == 0 || !slot_take(slot, seen))
      continue;
    release(word_granule(seen), word_count(seen));
    return word_count(seen);
  }
  return 0;
}

// Effect: what is cached joins the free runs until so much of it has, or nothing is left.
static void cache_give_way(uint64_t count) {
  for (uint64_t given = 0, more; given < count; given += more) {
    more = cache_evict_one(hz_run_free_for_next);
    if (more == 0)
      return;
  }
}

// As much as is live, for a program with few large blocks; a quarter where that is more than the
// limit.
static size_t cache_bound(void) {
  size_t live = hz_load_relaxed(&totals.live_bytes);
  return hz_max(live / 4, hz_min(hz_max(live, CACHE_LEAST_BYTES), limits.cache_max_bytes));
}

static bool cache_put(uint64_t granule, uint64_t count) {
  size_t bytes = count * HZ_GRANULE_BYTES;
  if (bytes > limits.cache_block_bytes || count > COUNT_MAX)
    return false;
  for (unsigned i = 0; hz_load_relaxed(&totals.cached_bytes) + bytes > cache_bound(); i++)
    if (i == EVICTIONS_PER_PUT || cache_evict_one(hz_run_free) == 0)
      return false;
  uint64_t word = word_of(granule, count, stamp_of(hz_os_now_ms()));
  struct bin *bin = &bins[count];
  for (unsigned i = 0; i < SLOTS; i++) {
    uint64_t seen = hz_load_relaxed(&bin->slot[i]);
    // Counted before it can be taken, so that the totals never fall below zero.
    if (seen != 0)
      continue;
    hz_add_relaxed(&totals.cached_bytes, bytes);
    hz_add_relaxed(&totals.cached_blocks, 1);
    if (hz_cas_release(&bin->slot[i], &seen, word))
      return true; // partner: slot_take
    hz_sub_relaxed(&totals.cached_bytes, bytes);
    hz_sub_relaxed(&totals.cached_blocks, 1);
  }
  return false;
}

// Returns: granule of a cached block of count..count*5/4 granules, *got its size; false when none.
static bool cache_take(uint64_t count, uint64_t *granule, uint64_t *got) {
  uint64_t most = count + count / 4;
  if (count > COUNT_MAX || hz_load_relaxed(&totals.cached_blocks) == 0)
    return false;
  for (uint64_t b = count; b <= hz_min(most, COUNT_MAX); b++) {
    for (unsigned i = 0; i < SLOTS; i++) {
      uint64_t seen = hz_load_relaxed(&bins[b].slot[i]);
      if (seen == 0 || !slot_take(&bins[b].slot[i], seen))
        continue;
      *granule = word_granule(seen);
      *got = word_count(seen);
      return true;
    }
  }
  return false;
}

// ---- blocks ----

// Whether three quarters of a block have pages: who had the memory last used all of it.
static bool is_dense(char *p, size_t bytes) {
  size_t step = hz_align_down(bytes / DENSITY_SAMPLES, HZ_GRANULE_BYTES), resident = 0;
  // Not at equal distances, which a regular use of part of the memory would meet or miss each time.
  for (unsigned i = 0; i < DENSITY_SAMPLES; i++) {
    size_t inside =
        hz_align_down(step / DENSITY_SAMPLES * (i * 5 % DENSITY_SAMPLES), HZ_GRANULE_BYTES);
    resident += hz_os_resident_pages(p + i * step + inside, HZ_GRANULE_BYTES);
  }
  return resident * hz_os_page_bytes() >= DENSITY_SAMPLES * HZ_GRANULE_BYTES / 4 * 3;
}

// To clear pages takes a third of the time of giving them back and faulting in new ones, where all
// are used; where few are, new ones are faster and less memory. The next owner is taken to be like
// the last.
static void zero_block(void *p, size_t bytes) {
  if (bytes >= LOOK_BEFORE_ZERO_BYTES && !is_dense(p, bytes) && hz_os_purge(p, bytes))
    return;
  memset(p, 0, bytes);
}

// Effect: the run is a block that begins so many lines into it.
static void *block_out(uint64_t granule, uint64_t count, uint16_t lines) {
  records_set(granule, count, lines, 0);
  hz_add_relaxed(&totals.live_bytes, count * HZ_GRANULE_BYTES);
  hz_add_relaxed(&totals.live_blocks, 1);
  return (char *)hz_granule_address(granule) + offset_of(lines);
}

static void block_uncount(uint64_t count) {
  hz_sub_relaxed(&totals.live_bytes, count * HZ_GRANULE_BYTES);
  hz_sub_relaxed(&totals.live_blocks, 1);
}

static uint64_t count_of(size_t bytes) {
  return hz_div_up(bytes, HZ_GRANULE_BYTES);
}

// Blocks of whole pages would all begin in the same sets of the first cache, and a program that
// fills many by turns has but those (bench/records/stagger_large): each begins some lines into its
// run, which ones is a matter of where the run lies (Knuth's multiplicative hash, which spreads
// neighbours), so that memory that is used again has its old address. Whoever wants the page's
// beginning asks for it. Variant hardened guards large blocks by pages.
#define STAGGER_BITS 6
_Static_assert(HZ_LINE_BYTES << STAGGER_BITS == 4096, "within a page: one more is touched at most");
static size_t stagger_most(size_t align) {
  return HZ_HARDENED || align > HZ_LINE_BYTES ? 0 : (HZ_LINE_BYTES << STAGGER_BITS) - HZ_LINE_BYTES;
}
static uint16_t stagger_at(uint64_t granule, size_t align) {
  return stagger_most(align) == 0
             ? 0
             : (uint16_t)((uint32_t)granule * 2654435761u >> (32 - STAGGER_BITS));
}

static void *block_of_run(const struct hz_run *run, uint16_t lines, bool zero) {
  void *p = block_out(run->granule, run->count, lines);
  if (zero && !run->zeroed)
    zero_block(hz_granule_address(run->granule), run->count * HZ_GRANULE_BYTES);
  return p;
}

// Effect: before pages are touched that nobody had, what is resident serves, also where cached
// blocks must join for it.
static bool run_resident(uint64_t count, uint64_t filled, struct hz_run *run) {
  if (hz_run_alloc_filled(count, filled, run))
    return true;
  if (hz_load_relaxed(&totals.cached_blocks) == 0)
    return false;
  cache_give_way(count);
  return hz_run_alloc_filled(count, filled, run);
}

// Returns: false when memory is exhausted even after the cache has given back what it held.
static bool run_alloc(uint64_t count, uint64_t align, struct hz_run *run) {
  return hz_run_alloc(count, align, run) ||
         (hz_large_trim() != 0 && hz_run_alloc(count, align, run));
}

void *hz_large_alloc(size_t bytes, size_t align, bool zero) {
  if (bytes > PTRDIFF_MAX - HZ_GRANULE_BYTES || align > HZ_GIB)
    return NULL;
  uint64_t count = count_of(hz_max(bytes, 1) + stagger_most(align));
  struct hz_run run = {.zeroed = false};
  if (align > HZ_GRANULE_BYTES) {
    if (!run_alloc(count, align >> HZ_GRANULE_SHIFT, &run))
      return NULL;
  } else if (cache_take(count, &run.granule, &run.count)) {
    hz_add_relaxed(&totals.hits, 1);
  } else {
    hz_add_relaxed(&totals.misses, 1);
    bool resident = hz_load_relaxed(&totals.cached_blocks) != 0 && run_resident(count, count, &run);
    if (!resident && !run_alloc(count, 1, &run))
      return NULL;
  }
  return block_of_run(&run, stagger_at(run.granule, align), zero);
}

void hz_large_free(void *p, enum hz_api api) {
  uint64_t record = record_claim(p, api), granule = hz_granule_of(p);
  uint32_t count = record_count(record);
  block_uncount(count);
  if (record_flags(record) & WAS_MOVED)
    hz_run_free_moved(granule, count);
  else if (!cache_put(granule, count))
    hz_run_free(granule, count);
}

size_t hz_large_usable(const void *p, enum hz_api api) {
  return record_usable(record_checked(p, api));
}

static void resize_counted(void *p, uint64_t old_count, uint64_t new_count) {
  uint64_t record = hz_load_relaxed(record_at(hz_granule_of(p)));
  records_set(hz_granule_of(p), new_count, record_lines(record), record_flags(record));
  hz_add_relaxed(&totals.live_bytes, (new_count - old_count) * HZ_GRANULE_BYTES);
}

// Variant hardened: what lay in memory that goes back is not to be read after it.
static void forget(void *p, size_t bytes) {
  if (HZ_HARDENED && !hz_os_purge(p, bytes))
    memset(p, 0, bytes);
}

static void purge_and_free(uint64_t granule, uint64_t count) {
  hz_run_unify(granule, count); // nobody shall fill it up again as huge pages
  if (hz_os_purge(hz_granule_address(granule), count * HZ_GRANULE_BYTES))
    hz_run_free_purged(granule, count);
  else
    hz_run_free(granule, count);
}

static void shrink(void *p, uint64_t old_count, uint64_t new_count) {
  uint64_t granule = hz_granule_of(p), tail = granule + new_count, count = old_count - new_count;
  forget(hz_granule_address(tail), count * HZ_GRANULE_BYTES);
  resize_counted(p, old_count, new_count);
  if (record_flags(hz_load_relaxed(record_at(granule))) & WAS_MOVED)
    hz_run_free_moved(tail, count);
  else if (count >= PURGE_TAIL_GRANULES && count > new_count)
    purge_and_free(tail, count);
  else
    hz_run_free(tail, count);
}

static void *copy_to(void *q, void *p, uint64_t record, enum hz_api api) {
  memcpy(q, p, record_usable(record));
  forget(hz_granule_address(hz_granule_of(p)), record_count(record) * HZ_GRANULE_BYTES);
  hz_large_free(p, api);
  return q;
}

// Requires: both begin at the same place in their runs.
static void *move_to(void *q, void *p, uint64_t record, uint64_t new_count, enum hz_api api) {
  uint64_t from = hz_granule_of(p), to = hz_granule_of(q), count = record_count(record);
  hz_run_unify(from, count);
  if (!hz_os_move_pages(hz_granule_address(from), hz_granule_address(to), count * HZ_GRANULE_BYTES))
    return copy_to(q, p, record, api);
  hz_add_relaxed(&totals.moved, 1);
  records_set(to, new_count, record_lines(record), WAS_MOVED);
  record = record_claim(p, api);
  count = record_count(record);
  block_uncount(count);
  if (record_flags(record) & WAS_MOVED)
    hz_run_free_moved(from, count);
  else
    hz_run_free_purged(from, count);
  return q;
}

// Returns: the block at its new place, or NULL when there is no memory; the old one is then
// untouched.
static void *grow_elsewhere(void *p, uint64_t record, size_t bytes, enum hz_api api) {
  uint64_t old_count = record_count(record);
  uint16_t lines = record_lines(record);
  if (old_count < MOVE_GRANULES_MIN) {
    void *q = hz_large_alloc(bytes, HZ_MIN_ALIGN_BYTES, false);
    return q ? copy_to(q, p, record, api) : NULL;
  }
  uint64_t new_count = count_of(bytes + offset_of(lines));
  struct hz_run run;
  // Moved pages are a mapping of their own, which is given up when the block is freed: who comes
  // next finds no page there, and a program that keeps coming back for so much comes next.
  if (old_count <= COPY_GRANULES_MOST &&
      (run_resident(new_count, old_count, &run) ||
       (hz_runs_returned() >= new_count && hz_run_alloc(new_count, 1, &run))))
    return copy_to(block_of_run(&run, lines, false), p, record, api);
  // Not from the cache: its pages would be thrown away by the move.
  if (!run_alloc(new_count, 1, &run))
    return NULL;
  return move_to(block_of_run(&run, lines, false), p, record, new_count, api);
}

void *hz_large_realloc(void *p, size_t bytes, enum hz_api api) {
  uint64_t record = record_checked(p, api), old_count = record_count(record);
  if (bytes > PTRDIFF_MAX - HZ_GRANULE_BYTES)
    return NULL;
  uint64_t new_count = count_of(hz_max(bytes, 1) + offset_of(record_lines(record)));
  if (new_count == old_count)
    return p;
  if (new_count < old_count) {
    shrink(p, old_count, new_count);
    return p;
  }
  if (hz_run_extend(hz_granule_of(p), old_count, new_count)) {
    resize_counted(p, old_count, new_count);
    return p;
  }
  return grow_elsewhere(p, record, bytes, api);
}

// ---- giving back ----

static size_t sweep(bool all, uint16_t now) {
  size_t bytes = 0;
  uint16_t decay = (uint16_t)(limits.decay_ms >> STAMP_SHIFT_MS);
  if (hz_load_relaxed(&totals.cached_blocks) == 0)
    return 0;
  for (unsigned i = 0; i < BINS * SLOTS; i++) {
    uint64_t *slot = &bins[i / SLOTS].slot[i % SLOTS];
    uint64_t seen = hz_load_relaxed(slot);
    if (seen == 0 || (!all && (uint16_t)(now - word_stamp(seen)) <= decay))
      continue;
    if (!slot_take(slot, seen))
      continue;
    hz_run_free(word_granule(seen), word_count(seen));
    bytes += word_count(seen) * HZ_GRANULE_BYTES;
  }
  return bytes;
}

void hz_large_tick(uint64_t now_ms) {
  sweep(false, stamp_of(now_ms));
}

size_t hz_large_trim(void) {
  return sweep(true, 0);
}

void hz_large_stats_read(struct hz_large_stats *out) {
  out->live_bytes = hz_load_relaxed(&totals.live_bytes);
  out->live_blocks = hz_load_relaxed(&totals.live_blocks);
  out->cached_bytes = hz_load_relaxed(&totals.cached_bytes);
  out->cached_blocks = hz_load_relaxed(&totals.cached_blocks);
  out->hits = hz_load_relaxed(&totals.hits);
  out->misses = hz_load_relaxed(&totals.misses);
  out->moved = hz_load_relaxed(&totals.moved);
}
