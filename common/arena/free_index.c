// See free_index.h.
#include "common/arena/free_index.h"

#include "common/base/bits.h"
#include "common/fail/check.h"

// Runs that are long enough but badly aligned which a search looks at before it asks for a run that
// is long enough wherever it lies.
#define ALIGNED_TRIES 16

void hz_free_index_init(struct hz_free_index *ix, struct hz_free_node *nodes) {
  *ix = (struct hz_free_index){.nodes = nodes};
  ix->root[HZ_FREE_DIRTY] = ix->root[HZ_FREE_CLEAN] = HZ_FREE_NIL;
  for (int s = 0; s < HZ_FREE_STATES; s++)
    ix->oldest[s] = ix->newest[s] = HZ_FREE_NIL;
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

static void tree_insert(struct hz_free_index *ix, enum hz_free_state state, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint64_t key = node_key(ix, g);
  uint32_t *link = &ix->root[state];
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

static void tree_remove(struct hz_free_index *ix, enum hz_free_state state, uint32_t g) {
  struct hz_free_node *nodes = ix->nodes;
  uint64_t key = node_key(ix, g);
  uint32_t *link = &ix->root[state];
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
static uint32_t tree_at_least(const struct hz_free_index *ix, enum hz_free_state state,
                              uint64_t key) {
  uint32_t best = HZ_FREE_NIL;
  uint32_t at = ix->root[state];
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

static void ends_write(struct hz_free_index *ix, uint64_t g, uint64_t count,
                       enum hz_free_state state) {
  struct hz_free_node *first = &ix->nodes[g], *last = &ix->nodes[g + count - 1];
  first->count = last->count = (uint32_t)count;
  first->state = last->state = (uint8_t)state;
  ix->granules[state] += count;
  ix->runs[state]++;
}

static void ends_clear(struct hz_free_index *ix, uint64_t g) {
  uint64_t count = ix->nodes[g].count;
  enum hz_free_state state = (enum hz_free_state)ix->nodes[g].state;
  ix->granules[state] -= count;
  ix->runs[state]--;
  ix->nodes[g + count - 1].count = 0;
  ix->nodes[g].count = 0;
}

static bool is_free_in(const struct hz_free_index *ix, uint64_t g, enum hz_free_state state) {
  return ix->nodes[g].count != 0 && ix->nodes[g].state == state;
}

void hz_free_put(struct hz_free_index *ix, uint64_t granule, uint64_t count,
                 enum hz_free_state state, uint32_t now_ms) {
  HZ_ASSERT(count > 0 && granule + count <= ix->end);
  HZ_ASSERT(ix->nodes[granule].count == 0 && ix->nodes[granule + count - 1].count == 0);
  uint64_t first = granule, total = count, largest = count;
  // Where in the list the merged run belongs: `place` is its older neighbour, newest unless a part
  // is larger.
  uint32_t since = now_ms, place = ix->newest[state];
  uint64_t side[2];
  unsigned sides = 0;
  if (granule > 0 && is_free_in(ix, granule - 1, state)) {
    first = granule - ix->nodes[granule - 1].count;
    side[sides++] = first;
  }
  if (granule + count < ix->end && is_free_in(ix, granule + count, state))
    side[sides++] = granule + count;
  for (unsigned i = 0; i < sides; i++) {
    uint32_t g = (uint32_t)side[i];
    uint64_t part = ix->nodes[g].count;
    tree_remove(ix, state, g);
    if (state == HZ_FREE_DIRTY) {
      uint32_t older = ix->nodes[g].older;
      list_remove(ix, state, g);
      if (place == g)
        place = older;
      if (part > largest) {
        largest = part;
        since = ix->nodes[g].since_ms;
        place = older;
      }
    }
    ends_clear(ix, g);
    total += part;
  }
  ends_write(ix, first, total, state);
  tree_insert(ix, state, (uint32_t)first);
  if (state == HZ_FREE_DIRTY) {
    // Callers read the clock before they take the lock: one may come late.
    if (place != HZ_FREE_NIL && (int32_t)(since - ix->nodes[place].since_ms) < 0)
      since = ix->nodes[place].since_ms;
    ix->nodes[first].since_ms = since;
    list_insert_after(ix, state, place, (uint32_t)first);
  }
}

// The first granule >= g at which a run of this alignment may begin.
static uint64_t aligned_from(uint64_t g, uint64_t align, uint64_t phase) {
  return hz_align_up(g + phase, align) - phase;
}

bool hz_free_find(const struct hz_free_index *ix, enum hz_free_state state, uint64_t count,
                  uint64_t align, uint64_t phase, struct hz_free_found *out) {
  if (count > ix->granules[state])
    return false;
  uint64_t key = key_of(count, 0);
  for (unsigned i = 0; i <= ALIGNED_TRIES; i++) {
    if (i == ALIGNED_TRIES)
      key = key_of(count + align - 1, 0);
    uint32_t g = tree_at_least(ix, state, key);
    if (g == HZ_FREE_NIL)
      return false;
    uint64_t start = align == 1 ? g : aligned_from(g, align, phase);
    if (start + count <= g + (uint64_t)ix->nodes[g].count) {
      *out = (struct hz_free_found){g, start};
      return true;
    }
    key = node_key(ix, g) + 1;
  }
  return false;
}

void hz_free_take(struct hz_free_index *ix, uint64_t run, uint64_t start, uint64_t count) {
  enum hz_free_state state = (enum hz_free_state)ix->nodes[run].state;
  uint64_t length = ix->nodes[run].count;
  HZ_ASSERT(length != 0 && start >= run && start + count <= run + length);
  uint32_t since = ix->nodes[run].since_ms, place = HZ_FREE_NIL;
  tree_remove(ix, state, (uint32_t)run);
  if (state == HZ_FREE_DIRTY) {
    place = ix->nodes[run].older;
    list_remove(ix, state, (uint32_t)run);
  }
  ends_clear(ix, run);
  const uint64_t rest[2][2] = {{run, start - run}, {start + count, run + length - start - count}};
  for (int i = 0; i < 2; i++) {
    if (rest[i][1] == 0)
      continue;
    uint32_t g = (uint32_t)rest[i][0];
    ends_write(ix, g, rest[i][1], state);
    tree_insert(ix, state, g);
    if (state != HZ_FREE_DIRTY)
      continue;
    ix->nodes[g].since_ms = since;
    list_insert_after(ix, state, place, g);
    place = g;
  }
}

uint64_t hz_free_run_at(const struct hz_free_index *ix, uint64_t granule,
                        enum hz_free_state *state) {
  if (granule >= ix->end || ix->nodes[granule].count == 0)
    return 0;
  if (ix->nodes[granule].state == HZ_FREE_BUSY)
    return 0;
  *state = (enum hz_free_state)ix->nodes[granule].state;
  return ix->nodes[granule].count;
}

void hz_free_busy_enter(struct hz_free_index *ix, uint64_t granule, uint64_t count) {
  ends_write(ix, granule, count, HZ_FREE_BUSY);
  list_insert_after(ix, HZ_FREE_BUSY, ix->newest[HZ_FREE_BUSY], (uint32_t)granule);
}

void hz_free_busy_leave(struct hz_free_index *ix, uint64_t granule) {
  HZ_ASSERT(is_free_in(ix, granule, HZ_FREE_BUSY));
  list_remove(ix, HZ_FREE_BUSY, (uint32_t)granule);
  ends_clear(ix, granule);
}

// ---------------------------------------------------------------- invariants

static bool run_is_whole(const struct hz_free_index *ix, uint64_t g, uint64_t count) {
  const struct hz_free_node *n = ix->nodes;
  if (g + count > ix->end)
    return false;
  if (n[g + count - 1].count != count || n[g + count - 1].state != n[g].state)
    return false;
  for (uint64_t i = g + 1; i + 1 < g + count; i++)
    if (n[i].count != 0)
      return false;
  uint64_t next = g + count;
  if (n[g].state == HZ_FREE_BUSY || next == ix->end || n[next].count == 0)
    return true;
  return n[next].state != n[g].state; // else they should have merged
}

static bool tree_finds(const struct hz_free_index *ix, enum hz_free_state state, uint32_t g) {
  uint64_t key = node_key(ix, g);
  uint32_t at = ix->root[state], above = HZ_FREE_NIL;
  while (at != HZ_FREE_NIL) {
    if (above != HZ_FREE_NIL && !is_above(above, at))
      return false;
    if (at == g)
      return true;
    above = at;
    at = key < node_key(ix, at) ? ix->nodes[at].left : ix->nodes[at].right;
  }
  return false;
}

static bool list_is_valid(const struct hz_free_index *ix, enum hz_free_state state) {
  uint32_t older = HZ_FREE_NIL;
  uint64_t seen = 0;
  for (uint32_t g = ix->oldest[state]; g != HZ_FREE_NIL; g = ix->nodes[g].newer) {
    const struct hz_free_node *n = &ix->nodes[g];
    if (g >= ix->end || !is_free_in(ix, g, state) || n->older != older)
      return false;
    if (state == HZ_FREE_DIRTY && older != HZ_FREE_NIL &&
        (int32_t)(n->since_ms - ix->nodes[older].since_ms) < 0)
      return false;
    older = g;
    if (++seen > ix->runs[state])
      return false;
  }
  return seen == ix->runs[state] && ix->newest[state] == older;
}

bool hz_free_index_is_valid(const struct hz_free_index *ix) {
  uint64_t granules[HZ_FREE_STATES] = {0}, runs[HZ_FREE_STATES] = {0};
  for (uint64_t g = 0; g < ix->end;) {
    uint64_t count = ix->nodes[g].count;
    if (count == 0) {
      g++;
      continue;
    }
    enum hz_free_state state = (enum hz_free_state)ix->nodes[g].state;
    if (state >= HZ_FREE_STATES || !run_is_whole(ix, g, count))
      return false;
    if (state != HZ_FREE_BUSY && !tree_finds(ix, state, (uint32_t)g))
      return false;
    granules[state] += count;
    runs[state]++;
    g += count;
  }
  for (int s = 0; s < HZ_FREE_STATES; s++)
    if (granules[s] != ix->granules[s] || runs[s] != ix->runs[s])
      return false;
  return list_is_valid(ix, HZ_FREE_DIRTY) && list_is_valid(ix, HZ_FREE_BUSY);
}
