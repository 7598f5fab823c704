// Huge pages for large blocks that are really written.
//
// Owns: which huge pages inside large blocks are asked for, and the evidence that large blocks are
// dense. Does not own: the frontier's (huge.c). Thread rule: as the functions say.
//
//   block            |   [  unit  ][  unit  ][  unit  ]  |      only units wholly inside it
//   node of a unit's first granule   asked = 1
//
// A program that fills images, matrices or buffers touches every page of them, and faults decide
// how fast it is; one that allocates far more than it writes must not pay for it. Nobody can tell
// from outside what a huge page holds, therefore:
//   - The first large blocks, and of the later ones every eighth, have small pages: witnesses.
//   - Of the huge pages' worth of a witness that the program has touched at all nearly every page
//   must be resident. A block that is filled only up to some point is dense by this measure, and
//   costs no more in huge pages than half of one.
//   - Before something there is purged the request is withdrawn, so that nobody (khugepaged) fills
//   it up again, and who uses the place next gets small pages.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

#define WITNESS_EVERY 8
// Dense: of the sampled pages so many parts of 100 are resident.
#define DENSE_PARTS 95
#define UNITS_PER_WITNESS 4
#define TOUCHED_UNITS_LEAST 2
// When to look: often at first, then when the block behind a witness comes; a look takes some 20
// us.
#define LOOKS_AT_FIRST 16
// When the first huge page of a block was dear so many blocks go without, then twice as many, ...
#define PAUSE_FIRST 8
#define PAUSE_MOST 64
// Each piece that is asked for is a mapping, and mappings are few (vm.max_map_count).
#define PIECES_MOST 8192

#define S (&hz_arena_state)

static struct hz_free_node *node_of(uint64_t unit_start) {
  return &S->free.nodes[unit_start];
}

static bool is_asked_at(uint64_t unit_start) {
  return node_of(unit_start)->asked != 0;
}

// Effect: notes for the units in [from, to) whether they are asked for, and how many pieces there
// are. Requires: lock held.
static void note(uint64_t from, uint64_t to, bool asked) {
  uint64_t unit = hz_huge_page_granules();
  for (uint64_t at = from; at < to; at += unit) {
    if (is_asked_at(at) == asked)
      continue;
    node_of(at)->asked = asked;
    bool before = at >= unit && is_asked_at(at - unit);
    bool after = at + unit < S->committed && is_asked_at(at + unit);
    int more = asked ? 1 - before - after : before + after - 1;
    S->asked_pieces += (uint64_t)(int64_t)more;
    S->asked_units += asked ? 1 : (uint64_t)-1;
  }
}

bool hz_huge_blocks_may_ask(uint64_t count, uint64_t clean) {
  if (HZ_LIKELY(count < HZ_HUGE_LEAST_GRANULES))
    return false;
  return clean >= hz_huge_page_granules() && hz_huge_may_ask(S->used);
}

// ---- evidence

// Effect: counts pages and resident pages of the touched ones among some units of a block. No lock:
// a granule that changes hands meanwhile is one wrong answer among many. Returns: touched units.
static unsigned sample(const struct hz_huge_witness *w, size_t *pages, size_t *resident) {
  uint64_t unit = hz_huge_page_granules(), from = hz_huge_unit_up(w->granule);
  uint64_t units = (hz_huge_unit_down(w->granule + w->count) - from) / unit;
  uint64_t stride = hz_max(units / UNITS_PER_WITNESS, 1) * unit;
  unsigned touched = 0;
  for (uint64_t at = from; at < from + units * unit; at += stride) {
    uint8_t tag = hz_load_relaxed(&hz_arena.granules[at].tag);
    if (tag != HZ_TAG_LARGE && tag != HZ_TAG_LARGE_INSIDE)
      continue;
    size_t bytes = hz_min(unit << HZ_GRANULE_SHIFT, HZ_OS_RESIDENT_MOST * hz_os_page_bytes());
    size_t found = hz_os_resident_pages(hz_granule_address(at), bytes);
    if (found == 0)
      continue;
    touched++;
    *pages += bytes / hz_os_page_bytes();
    *resident += found;
  }
  return touched;
}

static bool are_dense(const struct hz_huge_witness *witness, bool before) {
  size_t pages = 0, resident = 0;
  unsigned touched = 0;
  for (unsigned i = 0; i < HZ_HUGE_WITNESSES; i++)
    if (witness[i].count != 0)
      touched += sample(&witness[i], &pages, &resident);
  return touched < TOUCHED_UNITS_LEAST ? before : resident * 100 >= pages * DENSE_PARTS;
}

// ---- asking and withdrawing

// Whether a place in the block that was timed last has been written, or the block is gone. Until
// then no other is timed: what is made resident for that is a huge page nobody may ever touch.
static bool is_written(uint64_t granule) {
  uint8_t tag = hz_load_relaxed(&hz_arena.granules[granule].tag);
  if (granule == 0 || (tag != HZ_TAG_LARGE && tag != HZ_TAG_LARGE_INSIDE))
    return true;
  return hz_os_resident_pages(hz_granule_address(granule), hz_os_page_bytes()) != 0;
}

// Effect: asks for the units in [from, to), which were noted. Requires: no lock.
static void ask_for(uint64_t from, uint64_t to, uint64_t timed_before) {
  hz_os_huge(hz_granule_address(from), (to - from) << HZ_GRANULE_SHIFT, true);
  uint64_t second = from + hz_huge_page_granules();
  if (second >= to || !is_written(timed_before))
    return;
  bool cheap = hz_huge_is_cheap(from);
  if (!cheap)
    hz_os_huge(hz_granule_address(second), (to - second) << HZ_GRANULE_SHIFT, false);
  hz_arena_lock();
  S->blocks_pause = cheap ? 0 : (uint32_t)hz_clamp(2 * S->blocks_pause, PAUSE_FIRST, PAUSE_MOST);
  S->blocks_skip = S->blocks_pause;
  S->blocks_timed = second;
  hz_arena_unlock();
}

void hz_huge_block(uint64_t granule, uint64_t count) {
  uint64_t from = hz_huge_unit_up(granule), to = hz_huge_unit_down(granule + count);
  if (to <= from)
    return;
  struct hz_huge_witness witness[HZ_HUGE_WITNESSES];
  hz_arena_lock();
  uint32_t number = S->blocks_seen++;
  bool dense = S->blocks_dense;
  for (unsigned i = 0; i < HZ_HUGE_WITNESSES; i++)
    witness[i] = S->witness[i];
  hz_arena_unlock();
  if (number < LOOKS_AT_FIRST || number % WITNESS_EVERY == 1)
    dense = are_dense(witness, dense);

  hz_arena_lock();
  S->blocks_dense = dense;
  bool asked = is_asked_at(from) && is_asked_at(to - hz_huge_page_granules());
  bool ask = !asked && dense && number % WITNESS_EVERY != 0 && S->asked_pieces < PIECES_MOST;
  if (ask && S->blocks_skip != 0) {
    S->blocks_skip--;
    ask = false;
  }
  if (ask)
    note(from, to, true);
  else if (!asked)
    S->witness[S->witness_next++ % HZ_HUGE_WITNESSES] = (struct hz_huge_witness){granule, count};
  uint64_t timed_before = S->blocks_timed;
  hz_arena_unlock();
  if (ask)
    ask_for(from, to, timed_before);
}

bool hz_huge_blocks_forget(uint64_t from, uint64_t to) {
  if (HZ_LIKELY(S->asked_units == 0))
    return false;
  uint64_t before = S->asked_units;
  note(hz_huge_unit_down(from), hz_min(hz_huge_unit_up(to), S->committed), false);
  return S->asked_units != before;
}

void hz_huge_blocks_withdraw(uint64_t from, uint64_t to) {
  from = hz_huge_unit_down(from);
  to = hz_min(hz_huge_unit_up(to), S->window.granules);
  hz_os_huge(hz_granule_address(from), (to - from) << HZ_GRANULE_SHIFT, false);
}

bool hz_huge_blocks_are_valid(void) {
  uint64_t unit = hz_huge_page_granules(), units = 0, pieces = 0;
  if (unit == 0)
    return S->asked_units == 0;
  bool before = false;
  for (uint64_t at = hz_huge_unit_up(0); at < S->committed; at += unit) {
    bool asked = is_asked_at(at);
    units += asked;
    pieces += asked && !before;
    before = asked;
  }
  return units == S->asked_units && pieces == S->asked_pieces;
}
