// Pages made resident a few at once, just before a program writes there.
//
// Owns: the evidence that small blocks are written, and nothing else.
// Thread rule: any thread, no lock held; everything here is a hint.
//
//   span      | handed out before           | now | never handed out ...          |
//   pieces    |    witness    |     piece     |     piece     |     piece         |
//                                             ^ entered now: its pages, in one call
//
// A fault costs a third more than its page in a call for several. But blocks that a program only
// holds, and never writes, should cost addresses and not memory. Therefore the first piece of each
// span is left alone. It is a witness: after some more pieces it is looked whether the program has
// made the pages of the latest witnesses resident; who fills his small blocks fills nearly all of
// them. And a class of which less is used costs no more than it did. Where the system brings more
// than the page that is written (huge pages for everybody, large folios) witnesses say nothing, and
// nothing is left to win: then a page that was not handed out is resident already, or becomes so
// with its neighbours. (MADV_POPULATE_WRITE, Linux 5.14; where there is none each look costs a call
// in vain.)
#include "common/arena/state.h"
#include "common/os/os.h"

#define PIECE_PAGES 4
// Blocks above this may be written in part.
#define BLOCK_MOST_PAGES 2
#define WITNESSES 32
#define WITNESSES_LEAST 4
// Of the pages of witnesses so many parts of 16 must be resident.
#define DENSE_PARTS 15
// Evidence is as old as this many pieces at the most, or as an eighth of the heap; and it is of a
// heap that is at least half there.
#define LOOK_LEAST 64
#define LOOK_SHARE 8
#define FALLEN_SHARE 2

// Relaxed throughout: a number that is lost is one wrong answer among many.
static struct {
  int64_t left;                // pieces until the next look
  uint64_t level;              // granules that were used at the last
  bool dense;                  // what it said
  uint32_t noted;              // witnesses, ever
  uint64_t witness[WITNESSES]; // offset of the piece from the arena's base, + 1; 0: none
} ahead HZ_ALIGNED(HZ_NO_SHARE_BYTES) = {.left = LOOK_LEAST};

static size_t piece_bytes(void) {
  return PIECE_PAGES * hz_os_page_bytes();
}

// Whether the piece was handed out as a whole, in blocks of one class.
static bool is_carved(uint64_t offset) {
  const struct hz_granule *g = &hz_arena.granules[offset >> HZ_GRANULE_SHIFT];
  uint8_t tag = hz_load_relaxed(&g->tag);
  uint64_t in_span = ((uint64_t)hz_load_relaxed(&g->index) << HZ_GRANULE_SHIFT) +
                     (offset & (HZ_GRANULE_BYTES - 1));
  return tag != HZ_TAG_NONE && tag < HZ_TAG_LARGE_INSIDE &&
         in_span + piece_bytes() <= (uint64_t)hz_load_relaxed(&g->limit16) * 16;
}

static bool witnesses_are_dense(void) {
  size_t pages = 0, resident = 0;
  for (unsigned i = 0; i < WITNESSES; i++) {
    uint64_t offset = hz_load_relaxed(&ahead.witness[i]) - 1;
    if (offset == UINT64_MAX || !is_carved(offset))
      continue;
    pages += PIECE_PAGES;
    resident += hz_os_resident_pages((char *)hz_arena.base + offset, piece_bytes());
  }
  return pages >= (size_t)WITNESSES_LEAST * PIECE_PAGES && resident * 16 >= pages * DENSE_PARTS;
}

static bool page_is_there(uint64_t offset) {
  return hz_os_resident_pages((char *)hz_arena.base + offset, hz_os_page_bytes()) != 0;
}

// Effect: judges anew. from: offset of a page that nobody was handed yet.
static void look(uint64_t from) {
  uint64_t level = hz_load_relaxed(&hz_arena_state.level);
  uint64_t pieces = level * (HZ_GRANULE_BYTES / piece_bytes());
  hz_store_relaxed(&ahead.level, level);
  hz_store_relaxed(&ahead.left, (int64_t)hz_max(pieces / LOOK_SHARE, LOOK_LEAST));
  if (!page_is_there(from))
    hz_store_relaxed(&ahead.dense, witnesses_are_dense());
  else if (from >> HZ_GRANULE_SHIFT < hz_load_relaxed(&hz_arena_state.huge_first))
    hz_store_relaxed(&ahead.dense, false);
  // else it lies in a huge page that was asked for
}

void hz_run_ahead(const void *block, unsigned count, size_t block_bytes) {
  size_t piece = piece_bytes();
  uint64_t start = (uintptr_t)block - hz_arena.base;
  uint64_t from = hz_align_up(start, piece), to = hz_align_up(start + count * block_bytes, piece);
  if (HZ_LIKELY(from == to))
    return;
  if (piece > HZ_GRANULE_BYTES || block_bytes > BLOCK_MOST_PAGES * hz_os_page_bytes() ||
      hz_arena_state.config.purge_delay_ms == 0 || to > hz_arena_end() << HZ_GRANULE_SHIFT)
    return;
  if (from >> HZ_GRANULE_SHIFT >= hz_load_relaxed(&hz_arena_state.huge_from))
    return; // the first write brings a huge page
  const struct hz_granule *g = &hz_arena.granules[from >> HZ_GRANULE_SHIFT];
  bool first = (from & (HZ_GRANULE_BYTES - 1)) == 0 && hz_load_relaxed(&g->index) == 0;
  int64_t pieces = (int64_t)((to - from) / piece);
  bool due = hz_sub_relaxed(&ahead.left, pieces) <= 0 ||
             hz_load_relaxed(&hz_arena_state.level) < hz_load_relaxed(&ahead.level) / FALLEN_SHARE;
  // Of a span's first piece alone nothing can be told.
  bool looks = due && !(first && pieces == 1);
  if (looks)
    look(from);
  if (first) {
    uint32_t at = hz_add_relaxed(&ahead.noted, 1u);
    hz_store_relaxed(&ahead.witness[at % WITNESSES], from + 1);
    from += piece;
  }
  if (from == to || !hz_load_relaxed(&ahead.dense))
    return;
  bool entered = hz_os_populate((char *)hz_arena.base + from, to - from);
  if (!entered || (looks && first && page_is_there(from - piece)))
    hz_store_relaxed(&ahead.dense, false);
}
