// Free runs of granules, found by size, by neighbour and by age.
//
// Owns: the order of free runs, nothing else: no memory, no system call, no lock.
// Does not own: the nodes, which lie in an array with one node per granule.
// Thread rule: the caller holds the lock of the arena.
//
//   granule      g            g+1   g+2          g+3
//   nodes    [count=4,links] [ 0 ] [ 0 ] [count=4, state]        a free run of four granules
//
// The first and the last node of a free run hold its length; every other node, whether inside a
// free run or of granules that somebody holds, has count 0. So both neighbours of any granule are
// judged by one load each, and a run may be given back in parts.
//
// Dirty runs (resident) and clean ones (purged or never touched) merge only with their like. Each
// kind is a treap (Seidel and Aragon 1996; joined and split as zip trees are, Tarjan, Levy and
// Timmel 2019) ordered by (length, granule), so that the smallest that fits and the lowest of
// equals is one descent. Runs that are out of the index while their pages are being purged are
// busy; they are on a list so that a forked child finds them. Dirty runs are also on a list by age.
#ifndef HZ_COMMON_ARENA_FREE_INDEX_H_
#define HZ_COMMON_ARENA_FREE_INDEX_H_

#include "common/base/units.h"

#define HZ_FREE_NIL UINT32_MAX

enum hz_free_state { HZ_FREE_DIRTY, HZ_FREE_CLEAN, HZ_FREE_BUSY, HZ_FREE_STATES };

struct hz_free_node {
  uint32_t count;        // granules; 0 unless first or last of a free run
  uint32_t left, right;  // children, first node only; dirty and clean
  uint32_t older, newer; // list, first node only; dirty and busy
  uint32_t since_ms;     // low bits of the time it became free, first node only; dirty
  uint8_t state;         // enum hz_free_state, first and last node
  uint8_t unused[7];
};
_Static_assert(sizeof(struct hz_free_node) == 32, "two to a cache line");

// Invariants (hz_free_index_is_valid):
//   for each state: granules[s] = sum of the lengths of its runs, runs[s] = their number
//   no dirty run touches a dirty one, no clean one a clean one
//   along the list of dirty runs from oldest to newest, since_ms does not fall
struct hz_free_index {
  struct hz_free_node *nodes;                              // [end]
  uint64_t end;                                            // nodes below it may be read
  uint32_t root[2];                                        // dirty, clean
  uint32_t oldest[HZ_FREE_STATES], newest[HZ_FREE_STATES]; // lists; clean unused
  uint64_t granules[HZ_FREE_STATES];
  uint64_t runs[HZ_FREE_STATES];
};

struct hz_free_found {
  uint64_t run;   // first granule of the free run
  uint64_t start; // where the wanted part of it begins
};

void hz_free_index_init(struct hz_free_index *ix, struct hz_free_node *nodes);

// Effect: makes [granule, granule+count) a free run, merged with its like on both sides. A merged
// dirty run keeps the age of its largest part: neither does a crumb keep an old run young, nor an
// old crumb make a new run old. Requires: state dirty or clean; granule + count <= end; nobody else
// holds these granules.
void hz_free_put(struct hz_free_index *ix, uint64_t granule, uint64_t count,
                 enum hz_free_state state, uint32_t now_ms);

// Returns: whether there is a run of this state with `count` granules from a granule g with
// (g + phase) a multiple of `align`. Smallest first, lowest of equals; beyond a bounded number of
// runs that are long enough but badly placed, the first that is long enough wherever it lies.
bool hz_free_find(const struct hz_free_index *ix, enum hz_free_state state, uint64_t count,
                  uint64_t align, uint64_t phase, struct hz_free_found *out);

// Effect: takes [start, start+count) out of the free run that begins at `run`; what is left of it
// on either side stays free, as old as it was.
void hz_free_take(struct hz_free_index *ix, uint64_t run, uint64_t start, uint64_t count);

// The free run that begins at this granule / ends just below it. Returns: its length, 0 for none.
// Busy ones are not found.
uint64_t hz_free_run_at(const struct hz_free_index *ix, uint64_t granule,
                        enum hz_free_state *state);

// Effect: a range that was taken is noted as busy / no longer busy.
void hz_free_busy_enter(struct hz_free_index *ix, uint64_t granule, uint64_t count);
void hz_free_busy_leave(struct hz_free_index *ix, uint64_t granule);

bool hz_free_index_is_valid(const struct hz_free_index *ix);

#endif // HZ_COMMON_ARENA_FREE_INDEX_H_
