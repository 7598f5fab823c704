// See free_index.h.
#include "common/arena/free_index.h"

#include "common/base/bits.h"
#include "common/fail/check.h"

// Runs that are long enough but badly aligned which a search looks at before it asks for a run that
// is long enough wherever it lies.
#define ALIGNED_TRIES 16
// How far the first dirty granule of a run is looked for.
#define DIRTY_WORDS_LOOKED_AT 64

void hz_free_index_init(struct hz_free_index *ix, const struct hz_free_tables *tables) {
  // Everything else of it is zero: static memory.
  ix->nodes = tables->nodes;
  ix->bits = tables->bits;
  hz_granule_sets_init(&ix->sets, tables->level0, tables->level1);
  ix->root[HZ_FREE_WARM] = ix->root[HZ_FREE_COLD] = HZ_FREE_NIL;
  for (int k = 0; k < HZ_FREE_KINDS; k++)
    ix->oldest[k] = ix->newest[k] = HZ_FREE_NIL;
}

// ---------------------------------------------------------------- bits

// Of the word that holds granule `at`, the bits of granules in [at, end).
static uint64_t word_mask(uint64_t at, uint64_t end) {
  uint64_t mask = UINT64_MAX << (at & 63);
  uint64_t next = (at | 63) + 1;
  return end < next ? mask & ~(UINT64_MAX << (end & 63)) : mask;
}

static uint64_t next_word(uint64_t at) {
  return (at | 63) + 1;
}

static void bits_set(struct hz_free_index *ix, uint64_t from, uint64_t count) {
  for (uint64_t at = from, end = from + count; at < end; at = next_word(at))
    ix->bits[at >> 6] |= word_mask(at, end);
}

static void bits_clear(struct hz_free_index *ix, uint64_t from, uint64_t count) {
  for (uint64_t at = from, end = from + count; at < end; at = next_word(at))
    ix->bits[at >> 6] &= ~word_mask(at, end);
}

uint64_t hz_free_dirty_in(const struct hz_free_index *ix, uint64_t granule, uint64_t count) {
  uint64_t dirty = 0;
  for (uint64_t at = granule, end = granule + count; at < end; at = next_word(at))
    dirty += (uint64_t)__builtin_popcountll(ix->bits[at >> 6] & word_mask(at, end));
  return dirty;
}

static bool is_dirty_at(const struct hz_free_index *ix, uint64_t g) {
  return ix->bits[g >> 6] >> (g & 63) & 1;
}

// The lowest dirty granule in [from, end), `end` when it is not among the first words.
static uint64_t first_dirty(const struct hz_free_index *ix, uint64_t from, uint64_t end) {
  uint64_t at = from;
  for (unsigned i = 0; i < DIRTY_WORDS_LOOKED_AT && at < end; i++, at = next_word(at)) {
    uint64_t found = ix->bits[at >> 6] & word_mask(at, end);
    if (found)
      return (at & ~(uint64_t)63) + hz_lowest_bit(found);
  }
  return end;
}

// The highest dirty granule in [from, end) plus one, `from` when there is none.
static uint64_t last_dirty_end(const struct hz_free_index *ix, uint64_t from, uint64_t end) {
  while (end > from) {
    uint64_t word = (end - 1) & ~(uint64_t)63, low = hz_max(word, from);
    uint64_t found = ix->bits[word >> 6] & word_mask(low, end);
    if (found)
      return word + hz_log2_floor(found) + 1;
    end = low;
  }
  return from;
}

// ---------------------------------------------------------------- treap

// The heap order: a hash of the granule, so that it needs no room and the shape does not depend on
// history.
static uint32_t priority_of(uint32_t g) {
  uint32_t h = g * 0x9e3779b1u;
  h ^= h >> 15;
  return h * 0x85ebca6bu;
}

static bool is_above(uint32_t a, uint32_t b) {
  uint32_t pa = priority_of(a), pb = priority_of(b);
  return pa != pb ? pa > pb : a < b;
}

static uint64_t key_of(uint64_t count, uint64_t granule) {
  return count << 32 | granule;
}

static uint64_t node_key(const struct hz_free_index *ix, uint32_t g) {
  return key_of(ix->nodes[g].count, g);
}

static void tree_insert(struct hz_free_index *ix, enum hz_free_kind kind, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint64_t key = node_key(ix, g);
  uint32_t *link = &ix->root[kind];
  while (*link != HZ_FREE_NIL && is_above(*link, g))
    link = key < node_key(ix, *link) ? &nodes[*link].left : &nodes[*link].right;
  uint32_t below = *link;
  *link = g;
  uint32_t *lower = &nodes[g].left, *higher = &nodes[g].right;
  while (below != HZ_FREE_NIL) {
    if (node_key(ix, below) < key) {
      *lower = below;
      lower = &nodes[below].right;
      below = *lower;
    } else {
      *higher = below;
      higher = &nodes[below].left;
      below = *higher;
    }
  }
  *lower = *higher = HZ_FREE_NIL;
}

static void tree_remove(struct hz_free_index *ix, enum hz_free_kind kind, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint64_t key = node_key(ix, g);
  uint32_t *link = &ix->root[kind];
  while (*link != g) {
    HZ_ASSERT(*link != HZ_FREE_NIL);
    link = key < node_key(ix, *link) ? &nodes[*link].left : &nodes[*link].right;
  }
  uint32_t a = nodes[g].left, b = nodes[g].right;
  while (a != HZ_FREE_NIL && b != HZ_FREE_NIL) {
    if (is_above(a, b)) {
      *link = a;
      link = &nodes[a].right;
      a = *link;
    } else {
      *link = b;
      link = &nodes[b].left;
      b = *link;
    }
  }
  *link = a != HZ_FREE_NIL ? a : b;
}

// The run with the smallest key not below `key`.
static uint32_t tree_at_least(const struct hz_free_index *ix, enum hz_free_kind kind,
                              uint64_t key) {
  uint32_t best = HZ_FREE_NIL;
  uint32_t at = ix->root[kind];
  while (at != HZ_FREE_NIL) {
    if (node_key(ix, at) >= key) {
      best = at;
      at = ix->nodes[at].left;
    } else {
      at = ix->nodes[at].right;
    }
  }
  return best;
}

// ---------------------------------------------------------------- lists

static void list_insert_after(struct hz_free_index *ix, int list, uint32_t place, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint32_t next = place == HZ_FREE_NIL ? ix->oldest[list] : nodes[place].newer;
  nodes[g].older = place;
  nodes[g].newer = next;
  *(place == HZ_FREE_NIL ? &ix->oldest[list] : &nodes[place].newer) = g;
  *(next == HZ_FREE_NIL ? &ix->newest[list] : &nodes[next].older) = g;
}

static void list_remove(struct hz_free_index *ix, int list, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint32_t older = nodes[g].older, newer = nodes[g].newer;
  *(older == HZ_FREE_NIL ? &ix->oldest[list] : &nodes[older].newer) = newer;
  *(newer == HZ_FREE_NIL ? &ix->newest[list] : &nodes[newer].older) = older;
}

// ---------------------------------------------------------------- runs

static enum hz_free_kind kind_of(const struct hz_free_index *ix, uint64_t run) {
  return ix->nodes[run].dirty != 0 ? HZ_FREE_WARM : HZ_FREE_COLD;
}

static unsigned set_of(enum hz_free_kind kind, uint64_t count) {
  return (unsigned)kind * HZ_FREE_SHORT + (unsigned)count - 1;
}

// Effect: a run enters the index; a warm one behind `place` in the list.
static void run_enter(struct hz_free_index *ix, uint64_t run, uint64_t count, uint64_t dirty,
                      uint32_t place, uint32_t since_ms) {
  struct hz_free_node *first = &ix->nodes[run];
  first->count = ix->nodes[run + count - 1].count = (uint32_t)count;
  first->dirty = (uint32_t)dirty;
  first->since_ms = since_ms;
  enum hz_free_kind kind = kind_of(ix, run);
  ix->runs[kind]++;
  ix->free += count;
  ix->dirty += dirty;
  if (HZ_LIKELY(count <= HZ_FREE_SHORT))
    hz_granule_set_add(&ix->sets, set_of(kind, count), run);
  else
    tree_insert(ix, kind, (uint32_t)run);
  if (kind == HZ_FREE_WARM)
    list_insert_after(ix, kind, place, (uint32_t)run);
}

// Effect: a run leaves the index; its fields but the lengths at its ends stay as they were.
static void run_leave(struct hz_free_index *ix, uint64_t run) {
  struct hz_free_node *first = &ix->nodes[run];
  enum hz_free_kind kind = kind_of(ix, run);
  if (HZ_LIKELY(first->count <= HZ_FREE_SHORT))
    hz_granule_set_remove(&ix->sets, set_of(kind, first->count), run);
  else
    tree_remove(ix, kind, (uint32_t)run);
  if (kind == HZ_FREE_WARM)
    list_remove(ix, kind, (uint32_t)run);
  ix->runs[kind]--;
  ix->free -= first->count;
  ix->dirty -= first->dirty;
  ix->nodes[run + first->count - 1].count = 0;
  first->count = 0;
}

void hz_free_put(struct hz_free_index *ix, uint64_t granule, uint64_t count, bool is_dirty,
                 uint32_t now_ms) {
  HZ_ASSERT(count > 0 && granule + count <= ix->end);
  uint64_t below = hz_free_run_below(ix, granule), above = hz_free_run_at(ix, granule + count);
  HZ_ASSERT(ix->nodes[granule].count == 0 && ix->nodes[granule + count - 1].count == 0);
  uint64_t dirty = is_dirty ? count : 0, largest = dirty;
  if (is_dirty)
    bits_set(ix, granule, count);
  // Where in the list the run belongs: behind `place`, the newest unless an older part is larger.
  uint32_t since = now_ms, place = ix->newest[HZ_FREE_WARM];
  const uint64_t side[2] = {granule - below, granule + count}, length[2] = {below, above};
  for (int i = 0; i < 2; i++) {
    if (length[i] == 0)
      continue;
    const struct hz_free_node *n = &ix->nodes[side[i]];
    uint64_t part = n->dirty;
    uint32_t older = n->older;
    run_leave(ix, side[i]);
    if (part == 0)
      continue;
    if (place == side[i])
      place = older;
    if (part > largest) {
      largest = part;
      since = n->since_ms;
      place = older;
    }
    dirty += part;
  }
  // Callers read the clock before they take the lock: one may come late.
  if (dirty != 0 && place != HZ_FREE_NIL && (int32_t)(since - ix->nodes[place].since_ms) < 0)
    since = ix->nodes[place].since_ms;
  run_enter(ix, granule - below, below + count + above, dirty, place, since);
}

// The first granule >= g at which a run of this alignment may begin.
static uint64_t aligned_from(uint64_t g, uint64_t align, uint64_t phase) {
  return hz_align_up(g + phase, align) - phase;
}

// Where in a run that is long enough the wanted part should begin. Returns: false when alignment
// leaves no room.
static bool place_in_run(const struct hz_free_index *ix, uint64_t run, uint64_t count,
                         uint64_t align, uint64_t phase, uint64_t *start) {
  uint64_t end = run + ix->nodes[run].count;
  *start = run;
  if (end - run > count && ix->nodes[run].dirty != 0 && !is_dirty_at(ix, run)) {
    uint64_t dirty = first_dirty(ix, run, end);
    if (dirty < end)
      *start = hz_min(dirty, end - count);
  }
  if (align == 1)
    return true;
  *start = aligned_from(*start, align, phase);
  if (*start + count > end)
    *start = aligned_from(run, align, phase);
  return *start + count <= end;
}

// Of the short runs the lowest of each length.
static bool find_short(const struct hz_free_index *ix, enum hz_free_kind kind, uint64_t count,
                       uint64_t align, uint64_t phase, struct hz_free_found *out) {
  for (uint64_t length = count; length <= HZ_FREE_SHORT; length++) {
    unsigned set = set_of(kind, length);
    if (hz_granule_set_is_empty(&ix->sets, set))
      continue;
    out->run = hz_granule_set_lowest(&ix->sets, set);
    if (place_in_run(ix, out->run, count, align, phase, &out->start))
      return true;
  }
  return false;
}

bool hz_free_find(const struct hz_free_index *ix, enum hz_free_kind kind, uint64_t count,
                  uint64_t align, uint64_t phase, struct hz_free_found *out) {
  if (find_short(ix, kind, count, align, phase, out))
    return true;
  uint64_t key = key_of(count, 0);
  for (unsigned i = 0; i <= ALIGNED_TRIES; i++) {
    if (i == ALIGNED_TRIES)
      key = hz_max(key, key_of(count + align - 1, 0));
    uint32_t run = tree_at_least(ix, kind, key);
    if (run == HZ_FREE_NIL)
      return false;
    out->run = run;
    if (place_in_run(ix, run, count, align, phase, &out->start))
      return true;
    key = node_key(ix, run) + 1;
  }
  return false;
}

// Of the dirty granules of a run that is cut in three, how many are in the first part.
static uint64_t dirty_before(const struct hz_free_index *ix, uint64_t run, uint64_t length,
                             uint64_t dirty, uint64_t start, uint64_t end, uint64_t middle) {
  if (dirty == middle)
    return 0;
  if (dirty == length)
    return start - run;
  if (start - run <= run + length - end)
    return hz_free_dirty_in(ix, run, start - run);
  return dirty - middle - hz_free_dirty_in(ix, end, run + length - end);
}

uint64_t hz_free_take(struct hz_free_index *ix, uint64_t run, uint64_t start, uint64_t count) {
  const struct hz_free_node *n = &ix->nodes[run];
  uint64_t length = n->count, dirty = n->dirty, end = start + count;
  uint32_t since = n->since_ms, place = n->older;
  HZ_ASSERT(length != 0 && start >= run && end <= run + length);
  uint64_t taken = dirty == 0 ? 0 : dirty == length ? count : hz_free_dirty_in(ix, start, count);
  uint64_t before = dirty_before(ix, run, length, dirty, start, end, taken);
  uint64_t after = dirty - taken - before;
  run_leave(ix, run);
  if (taken != 0)
    bits_clear(ix, start, count);
  if (start > run) {
    run_enter(ix, run, start - run, before, place, since);
    if (before != 0)
      place = (uint32_t)run;
  }
  if (end < run + length)
    run_enter(ix, end, run + length - end, after, place, since);
  return taken;
}

uint64_t hz_free_run_at(const struct hz_free_index *ix, uint64_t granule) {
  return granule < ix->end ? ix->nodes[granule].count : 0;
}

uint64_t hz_free_run_below(const struct hz_free_index *ix, uint64_t granule) {
  return granule > 0 ? ix->nodes[granule - 1].count : 0;
}

uint64_t hz_free_take_dirty(struct hz_free_index *ix, uint64_t run,
                            const struct hz_free_stretch *how, uint64_t *start, uint64_t *dirty) {
  HZ_ASSERT(ix->nodes[run].dirty != 0 && how->most > 0);
  uint64_t end = last_dirty_end(ix, run, run + ix->nodes[run].count), at = end, taken = 0;
  while (taken < how->most) {
    // Looked for one granule further than the gap: found there, it is too far away.
    uint64_t next = last_dirty_end(ix, at - run > how->gap + 1 ? at - how->gap - 1 : run, at);
    if (next == run || (at != end && at - next > how->gap))
      break;
    at = next - 1;
    taken++;
  }
  // A huge page is not split for the sake of what happens to be asked.
  uint64_t whole = hz_align_down(at + how->phase, how->unit);
  whole = whole < how->phase ? 0 : whole - how->phase;
  if (whole >= run && whole < at && hz_free_dirty_in(ix, whole, at - whole) == at - whole) {
    taken += at - whole;
    at = whole;
  }
  *start = at;
  *dirty = taken;
  hz_free_take(ix, run, at, end - at);
  hz_free_busy_enter(ix, at, end - at);
  return end - at;
}

void hz_free_busy_enter(struct hz_free_index *ix, uint64_t granule, uint64_t count) {
  ix->nodes[granule].dirty = (uint32_t)count;
  ix->busy += count;
  ix->runs[HZ_FREE_BUSY]++;
  list_insert_after(ix, HZ_FREE_BUSY, ix->newest[HZ_FREE_BUSY], (uint32_t)granule);
}

void hz_free_busy_leave(struct hz_free_index *ix, uint64_t granule) {
  list_remove(ix, HZ_FREE_BUSY, (uint32_t)granule);
  ix->busy -= ix->nodes[granule].dirty;
  ix->runs[HZ_FREE_BUSY]--;
}

// ---------------------------------------------------------------- invariants

static bool run_is_whole(const struct hz_free_index *ix, uint64_t run, uint64_t count) {
  const struct hz_free_node *n = ix->nodes;
  uint64_t next = run + count;
  if (next > ix->end || n[next - 1].count != count)
    return false;
  for (uint64_t i = run + 1; i + 1 < next; i++)
    if (n[i].count != 0)
      return false;
  if (n[run].dirty != hz_free_dirty_in(ix, run, count))
    return false;
  return next == ix->end || n[next].count == 0; // else they should be one
}

static bool index_holds(const struct hz_free_index *ix, enum hz_free_kind kind, uint32_t run) {
  if (ix->nodes[run].count <= HZ_FREE_SHORT)
    return hz_granule_set_has(&ix->sets, set_of(kind, ix->nodes[run].count), run);
  uint64_t key = node_key(ix, run);
  uint32_t at = ix->root[kind], above = HZ_FREE_NIL;
  while (at != HZ_FREE_NIL) {
    if (above != HZ_FREE_NIL && !is_above(above, at))
      return false;
    if (at == run)
      return true;
    above = at;
    at = key < node_key(ix, at) ? ix->nodes[at].left : ix->nodes[at].right;
  }
  return false;
}

// Every bit of a higher level says that the word below has any; returns the members of all sets in
// *members.
static bool sets_are_valid(const struct hz_free_index *ix, uint64_t *members) {
  *members = 0;
  uint64_t words = hz_div_up(ix->end, 64);
  for (unsigned level = 0; level < HZ_SET_LEVELS; level++, words = hz_div_up(words, 64))
    for (uint64_t w = 0; w < words; w++)
      for (unsigned set = 0; set < HZ_SETS; set++) {
        uint64_t word = ix->sets.level[level][w].of[set];
        if (level == 0)
          *members += (uint64_t)__builtin_popcountll(word);
        if (level + 1 == HZ_SET_LEVELS)
          continue;
        uint64_t above = ix->sets.level[level + 1][w >> 6].of[set] >> (w & 63) & 1;
        if (above != (word != 0))
          return false;
      }
  return true;
}

static bool list_is_valid(const struct hz_free_index *ix, enum hz_free_kind kind) {
  uint32_t older = HZ_FREE_NIL;
  uint64_t seen = 0, busy = 0;
  for (uint32_t g = ix->oldest[kind]; g != HZ_FREE_NIL; g = ix->nodes[g].newer) {
    const struct hz_free_node *n = &ix->nodes[g];
    if (++seen > ix->runs[kind] || g >= ix->end || n->older != older)
      return false;
    if (kind == HZ_FREE_BUSY) {
      busy += n->dirty;
    } else {
      if (n->count == 0 || n->dirty == 0)
        return false;
      if (older != HZ_FREE_NIL && (int32_t)(n->since_ms - ix->nodes[older].since_ms) < 0)
        return false;
    }
    older = g;
  }
  return seen == ix->runs[kind] && ix->newest[kind] == older &&
         (kind != HZ_FREE_BUSY || busy == ix->busy);
}

bool hz_free_index_is_valid(const struct hz_free_index *ix) {
  uint64_t free = 0, dirty = 0, runs[2] = {0}, shorts = 0, members;
  for (uint64_t g = 0; g < ix->end;) {
    uint64_t count = ix->nodes[g].count;
    if (count == 0) {
      g++;
      continue;
    }
    enum hz_free_kind kind = kind_of(ix, g);
    if (!run_is_whole(ix, g, count) || !index_holds(ix, kind, (uint32_t)g))
      return false;
    free += count;
    dirty += ix->nodes[g].dirty;
    runs[kind]++;
    shorts += count <= HZ_FREE_SHORT;
    g += count;
  }
  return sets_are_valid(ix, &members) && members == shorts && free == ix->free &&
         dirty == ix->dirty && runs[0] == ix->runs[0] && runs[1] == ix->runs[1] &&
         hz_free_dirty_in(ix, 0, ix->end) == dirty && list_is_valid(ix, HZ_FREE_WARM) &&
         list_is_valid(ix, HZ_FREE_BUSY);
}
