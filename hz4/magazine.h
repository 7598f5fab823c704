// Magazines: pieces of 512 bytes that hold the addresses of free blocks, never the blocks' memory.
//
// Owns: the pieces (of metadata, whose pages may go back while nobody uses them), their numbering,
// and the stack of those nobody uses. Does not own: which blocks lie in them; whoever holds a
// magazine does. Thread rule: get and put by any thread, lock-free; a magazine's words belong to
// its holder.
//
//   slot   0       1       2       3 ... 63-cap   64-cap ... top    ...  63
//          header  header  header  unused  NULL   addresses of blocks    free slots
//                                          ^ sentinel             ^ the last pushed
//
// A magazine that is loaded is known by one word, its `top`, the address of the last slot in use:
//   empty  <=>  *top == NULL           (the sentinel's slot)
//   full   <=>  top is slot 63         (top + 8 is a multiple of 512)
//   magazine = top rounded down to 512
// so that a pop needs no count and no bound, and a magazine of any capacity fits the same code.
// Idea: Bonwick and Adams, "Magazines and Vmem", USENIX 2001.
#ifndef HZ4_MAGAZINE_H_
#define HZ4_MAGAZINE_H_

#include "common/base/units.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

#define HZ4_MAGAZINE_BYTES 512
#define HZ4_MAGAZINE_SLOTS 64
#define HZ4_MAGAZINE_CAP_MAX 60u

struct hz4_magazine {
  union {
    struct {
      uint32_t next; // in a stack: the number of the one below (hz_idstack)
      uint32_t id;   // its own number, from 1; written once
      uint8_t cls;   // of its blocks; valid in the depot
      uint8_t cap;   // written by hz4_magazine_open
      uint8_t count; // blocks in it; valid in the depot
      // In an owner's stack of second magazines (cache.h); written before it is pushed there.
      uint16_t stacked; // blocks in it and in those below
      void **below;     // the top of the next, NULL for none
    };
    void *slot[HZ4_MAGAZINE_SLOTS];
  };
};
_Static_assert(sizeof(struct hz4_magazine) == HZ4_MAGAZINE_BYTES, "slots fill it");
_Static_assert(HZ4_MAGAZINE_SLOTS - 1 - HZ4_MAGAZINE_CAP_MAX >= 3, "the header is no block's");
_Static_assert(offsetof(struct hz4_magazine, stacked) == 12 &&
                   offsetof(struct hz4_magazine, below) == 16,
               "known to the restartable sequences");

// What a bin holds that holds nothing: empty and full at once, so that both ways end in the slow
// path.
//   nothing   no magazine is loaded; one may be installed
//   stopped   the bin is being drained by another CPU; nothing may be installed until it is done
extern HZ_HIDDEN const struct hz4_magazine hz4_magazine_nothing;
extern HZ_HIDDEN const struct hz4_magazine hz4_magazine_stopped;
#define HZ4_TOP_NOTHING ((void **)&hz4_magazine_nothing.slot[HZ4_MAGAZINE_SLOTS - 1])
#define HZ4_TOP_STOPPED ((void **)&hz4_magazine_stopped.slot[HZ4_MAGAZINE_SLOTS - 1])

HZ_INLINE struct hz4_magazine *hz4_magazine_of(void **top) {
  return (struct hz4_magazine *)((uintptr_t)top & ~(uintptr_t)(HZ4_MAGAZINE_BYTES - 1));
}
HZ_INLINE bool hz4_top_is_full(void **top) {
  return ((uintptr_t)(top + 1) & (HZ4_MAGAZINE_BYTES - 1)) == 0;
}
HZ_INLINE bool hz4_top_is_empty(void **top) {
  return *top == NULL;
}
// Whether there is a magazine behind it that somebody owns.
HZ_INLINE bool hz4_top_is_real(void **top) {
  return top != NULL && top != HZ4_TOP_NOTHING && top != HZ4_TOP_STOPPED;
}

// Effect: an empty magazine for up to cap blocks. Requires: the holder's; 1 <= cap <= CAP_MAX.
HZ_INLINE void **hz4_magazine_open(struct hz4_magazine *m, unsigned cap) {
  void **bottom = &m->slot[HZ4_MAGAZINE_SLOTS - 1 - cap];
  m->cap = (uint8_t)cap;
  *bottom = NULL;
  return bottom;
}
// Requires: the holder's, opened. Returns: blocks in it.
HZ_INLINE unsigned hz4_top_count(void **top) {
  struct hz4_magazine *m = hz4_magazine_of(top);
  return (unsigned)(top - &m->slot[HZ4_MAGAZINE_SLOTS - 1 - m->cap]);
}
// Requires: cap and count valid (left the depot just now).
HZ_INLINE void **hz4_magazine_top(struct hz4_magazine *m) {
  return &m->slot[HZ4_MAGAZINE_SLOTS - 1 - m->cap + m->count];
}

// Effect: m lies on the stack whose top one is `below` (NULL: none). Requires: top is the holder's.
HZ_INLINE void hz4_magazine_stack(void **top, void **below) {
  struct hz4_magazine *m = hz4_magazine_of(top);
  m->below = below;
  unsigned others = below ? hz_load_relaxed(&hz4_magazine_of(below)->stacked) : 0;
  // Relaxed: statistics and looks for room may read it, and believe nothing of it.
  hz_store_relaxed(&m->stacked, (uint16_t)(hz4_top_count(top) + others));
}

// Returns: an unused magazine, content undefined but for its number; NULL when the OS refuses
// metadata.
struct hz4_magazine *hz4_magazine_get(unsigned shard);
// Effect: nobody's again. Requires: the holder's, none of its blocks matter.
void hz4_magazine_put(struct hz4_magazine *m, unsigned shard);

// For stacks of magazines (hz_idstack).
uint32_t *hz4_magazine_next_of(uint32_t id);
struct hz4_magazine *hz4_magazine_by_id(uint32_t id);

// Effect: where much lies unused, pages of which every magazine does go back to the OS; they serve
// again before new ones are made. One call at a time works. No lock held. Returns: bytes.
size_t hz4_magazine_purge(void);
// A thread that purged is no more in the child: what it had in hand is lost.
void hz4_magazine_after_fork_child(void);

// Magazines ever made, and of these, how many lie in pages that were given back.
size_t hz4_magazine_made(void);
size_t hz4_magazine_cold(void);

HZ_EXTERN_C_END

#endif // HZ4_MAGAZINE_H_
