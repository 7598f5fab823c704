// Free runs of granules, found by size, by neighbour and by age.
//
// Owns: the order of free runs and which of their granules are resident. No memory, no system call,
// no lock. Does not own: the nodes and bits, which lie in tables with one element per granule.
// Thread rule: the caller holds the lock of the arena.
//
//   granule      g            g+1   g+2          g+3
//   nodes    [count=4,links] [ 0 ] [ 0 ] [count=4      ]       a free run of four granules
//   dirty        1             1     0            0            of which two are resident
//
// The first and the last node of a free run hold its length; every other node, whether inside a
// free run or of granules that somebody holds, has count 0. So both neighbours of any granule are
// judged by one load each, a run may be given back in parts, and all adjacent free granules are one
// run whatever they are: a large request finds them together, though purging goes on in the middle
// of them.
//
// Warm runs hold dirty (resident) granules and are also on a list by age; cold ones hold none. The
// smallest run that fits, and the lowest of equals, is found in two steps: short runs, of which
// most are, lie in one set for each kind and length (granule_sets.h); the longer ones in a treap
// for each kind (Seidel and Aragon 1996; joined and split as zip trees are, Tarjan, Levy and Timmel
// 2019), ordered by (length, granule). Ranges that are out of the index while they are being purged
// are busy: on a list, so that a forked child finds them.
#ifndef HZ_COMMON_ARENA_FREE_INDEX_H_
#define HZ_COMMON_ARENA_FREE_INDEX_H_

#include "common/arena/granule_sets.h"
#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ_FREE_NIL UINT32_MAX

enum hz_free_kind { HZ_FREE_WARM, HZ_FREE_COLD, HZ_FREE_BUSY, HZ_FREE_KINDS };

struct hz_free_node {
  uint32_t count;        // granules; 0 unless first or last of a free run
  uint32_t dirty;        // of them resident; first node of a run. Of a busy range: its length
  uint32_t left, right;  // children; first node
  uint32_t older, newer; // list; first node of a warm run or a busy range
  uint32_t since_ms;     // low bits of the time since when it is free; first node of a warm run
  uint32_t asked;        // first granule of a huge page: it was asked for (huge_blocks.c)
};
_Static_assert(sizeof(struct hz_free_node) == 32, "two to a cache line");

// Invariants (hz_free_index_is_valid):
//   free = sum of the lengths of all runs; dirty = sum of their dirty = number of bits that are set
//   busy = sum of the lengths of busy ranges; runs[k] = number of runs or ranges of that kind
//   no two runs touch; a run is in exactly one set or tree
//   along the list of warm runs from oldest to newest, since_ms does not fall
#define HZ_FREE_SHORT (HZ_SETS / 2) // granules; runs up to it are in sets, longer ones in trees

struct hz_free_index {
  struct hz_free_node *nodes;                            // [end]
  uint64_t *bits;                                        // [end / 64 + 1]: dirty granules
  uint64_t end;                                          // nodes and bits below it may be read
  uint32_t root[2];                                      // warm, cold
  uint32_t oldest[HZ_FREE_KINDS], newest[HZ_FREE_KINDS]; // lists; cold unused
  uint64_t free, dirty, busy;
  uint64_t runs[HZ_FREE_KINDS];
  struct hz_granule_sets sets; // [kind * HZ_FREE_SHORT + length - 1]
};

struct hz_free_found {
  uint64_t run;   // first granule of the free run
  uint64_t start; // where the wanted part of it begins
};

// The tables of an index: zeroed memory, readable below `end`.
struct hz_free_tables {
  struct hz_free_node *nodes;           // one per granule
  uint64_t *bits;                       // one word per 64 granules
  struct hz_set_words *level0, *level1; // one per 64 and one per 4096 granules
};
void hz_free_index_init(struct hz_free_index *ix, const struct hz_free_tables *tables);

// Effect: makes [granule, granule+count) free, one run with its free neighbours. The run is as old
// as the largest of its dirty parts: neither does a crumb keep an old run young, nor an old crumb
// make a new run old. Requires: granule + count <= end; nobody else holds these granules.
void hz_free_put(struct hz_free_index *ix, uint64_t granule, uint64_t count, bool is_dirty,
                 uint32_t now_ms);

// Returns: whether there is a warm / cold run with `count` granules from a granule g with (g +
// phase) a multiple of `align`. Smallest run first, lowest of equals; beyond a bounded number of
// runs that are long enough but badly placed, the first that is long enough wherever it lies. Of a
// warm run the part that begins with its first dirty granule, as far as that fits.
bool hz_free_find(const struct hz_free_index *ix, enum hz_free_kind kind, uint64_t count,
                  uint64_t align, uint64_t phase, struct hz_free_found *out);

// Effect: takes [start, start+count) out of the free run that begins at `run`; what is left of it
// on either side stays free, as old as it was. Returns: how many of them were dirty.
uint64_t hz_free_take(struct hz_free_index *ix, uint64_t run, uint64_t start, uint64_t count);

// Returns: the length of the free run that begins at this granule, 0 for none.
uint64_t hz_free_run_at(const struct hz_free_index *ix, uint64_t granule);
// Returns: the length of the free run that ends just below `granule`, 0 for none.
uint64_t hz_free_run_below(const struct hz_free_index *ix, uint64_t granule);
// Returns: how many granules of a range are free and dirty.
uint64_t hz_free_dirty_in(const struct hz_free_index *ix, uint64_t granule, uint64_t count);

// What is taken out of a warm run to be purged: its highest dirty stretch,
struct hz_free_stretch {
  uint64_t gap;         // over so many clean granules in a row at most,
  uint64_t most;        // with so many dirty ones at most,
  uint64_t unit, phase; // and then some, down to a granule g with (g + phase) a multiple of `unit`,
                        // if all are dirty
};
// Effect: the stretch is taken, and noted as busy. Returns: its length; *start its first granule,
// *dirty the number of dirty ones.
uint64_t hz_free_take_dirty(struct hz_free_index *ix, uint64_t run,
                            const struct hz_free_stretch *how, uint64_t *start, uint64_t *dirty);
// Effect: a range that is nobody's is noted as busy.
void hz_free_busy_enter(struct hz_free_index *ix, uint64_t granule, uint64_t count);
// Effect: a busy range is noted no longer.
void hz_free_busy_leave(struct hz_free_index *ix, uint64_t granule);

bool hz_free_index_is_valid(const struct hz_free_index *ix);

HZ_EXTERN_C_END

#endif // HZ_COMMON_ARENA_FREE_INDEX_H_
