// Sets of granules that know their lowest member: bits, and above them bits that say which words
// have any.
//
// Owns: nothing but the order; the words lie in tables and in the struct. No lock, no system call.
// Thread rule: the caller holds the lock of the arena.
//
//   level 4                            one word              2^28 granules: the largest window
//   level 3                            16 words
//   level 2                            1024 words
//   level 1   [ . 1 . . 1 ... ]        a bit per word below
//   level 0   [ 1 . . ][ ... ][ . 1 ]  a bit per granule
//
// Adding, removing and finding the lowest touch one word per level, mostly of level 0 alone. All
// sets lie side by side, so that a run that moves from one set to another stays on the same lines.
// (A search tree costs a mispredicted branch per level, 17 of them for 2,500 runs.)
#ifndef HZ_COMMON_ARENA_GRANULE_SETS_H_
#define HZ_COMMON_ARENA_GRANULE_SETS_H_

#include "common/base/bits.h"
#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ_SETS 16
#define HZ_SET_LEVELS 5

struct hz_set_words {
  uint64_t of[HZ_SETS];
};

struct hz_granule_sets {
  struct hz_set_words *level[HZ_SET_LEVELS]; // 0 and 1: tables; the others: below
  struct hz_set_words level4[1], level3[16], level2[1024];
};

HZ_INLINE void hz_granule_sets_init(struct hz_granule_sets *sets, struct hz_set_words *level0,
                                    struct hz_set_words *level1) {
  sets->level[0] = level0;
  sets->level[1] = level1;
  sets->level[2] = sets->level2;
  sets->level[3] = sets->level3;
  sets->level[4] = sets->level4;
}

HZ_INLINE void hz_granule_set_add(struct hz_granule_sets *sets, unsigned set, uint64_t granule) {
  for (unsigned level = 0; level < HZ_SET_LEVELS; level++, granule >>= 6) {
    uint64_t *word = &sets->level[level][granule >> 6].of[set], before = *word;
    *word = before | (uint64_t)1 << (granule & 63);
    if (before != 0)
      return; // the levels above know
  }
}

HZ_INLINE void hz_granule_set_remove(struct hz_granule_sets *sets, unsigned set, uint64_t granule) {
  for (unsigned level = 0; level < HZ_SET_LEVELS; level++, granule >>= 6) {
    uint64_t *word = &sets->level[level][granule >> 6].of[set];
    *word &= ~((uint64_t)1 << (granule & 63));
    if (*word != 0)
      return;
  }
}

HZ_INLINE bool hz_granule_set_is_empty(const struct hz_granule_sets *sets, unsigned set) {
  return sets->level4[0].of[set] == 0;
}

HZ_INLINE bool hz_granule_set_has(const struct hz_granule_sets *sets, unsigned set,
                                  uint64_t granule) {
  return sets->level[0][granule >> 6].of[set] >> (granule & 63) & 1;
}

// Requires: the set is not empty.
HZ_INLINE uint64_t hz_granule_set_lowest(const struct hz_granule_sets *sets, unsigned set) {
  uint64_t at = 0;
  for (int level = HZ_SET_LEVELS - 1; level >= 0; level--)
    at = at << 6 | hz_lowest_bit(sets->level[level][at].of[set]);
  return at;
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_ARENA_GRANULE_SETS_H_
