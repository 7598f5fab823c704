// Slabs: metadata of a span that comes with it and goes when it is whole: bits and custody bytes.
//
// Owns: slabs of 64 KiB, out of the blocks' reach (hz_meta_alloc), and who has which of their
// lines. Does not own: what lies in a piece; who took it does. Thread rule: any thread; one futex
// lock (HZ_RANK_SLAB), never held across a system call.
//
//   slab    | page 0           | page 1           | ...  page 15 |        a page: 64 lines of 64
//   bytes used    | word 0: 1101..00 | word 1: 0000..00 | ...          |        a bit a line: set =
//   taken
//
//   take   the first run of lines that is long enough, in the slab that serves; where it has none
//   the
//          next of the list serves, then a new one
//   give   the lines are free; a slab of which a quarter is free serves again
//   purge  pages of which no line is taken go back to the OS, when these are a quarter of those in
//          use, and more than a few. While that goes on all their lines count as taken
//
// Pieces of all sizes lie in one slab, so that a small heap has few pages of them. (A piece is a
// line or more, and neighbours begin and end at about the same time: little is lost between them.)
#ifndef HZ4_SLAB_H_
#define HZ4_SLAB_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ4_SLAB_BYTES ((size_t)64 * HZ_KIB)
#define HZ4_PIECE_MOST_BYTES ((size_t)8 * HZ_KIB)

// Effect: memory for `bytes` (1 to HZ4_PIECE_MOST_BYTES), all zero, beginning with a cache line.
// *slab: what give wants to know. Returns: NULL when the OS refuses metadata.
void *hz4_slab_take(size_t bytes, uint32_t *slab);
// Effect: the piece is nobody's. Requires: as it was taken. No lock held.
void hz4_slab_give(void *piece, size_t bytes, uint32_t slab);

// Effect: all pages without a piece go back to the OS. No lock held. Returns: bytes.
size_t hz4_slab_purge_all(void);

struct hz4_slab_stats {
  size_t slabs, used_pages, idle_pages; // idle: resident, without a piece
  size_t used_lines;
};
void hz4_slab_stats_read(struct hz4_slab_stats *out);
// Returns: whether the counters agree with the bits (takes the lock).
bool hz4_slab_is_valid(void);

void hz4_slab_before_fork(void);
void hz4_slab_after_fork_parent(void);
void hz4_slab_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ4_SLAB_H_
