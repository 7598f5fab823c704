// Spans: runs of granules cut into blocks of one class, and for each class the one place that knows
// which of them have room.
//
// Owns: the records of its granules (common/arena), a descriptor per span in the arena's side
// array, a bit per block that is free in its span. Does not own blocks that are out: in a program's
// hands, in a thread's bin or on their way in a batch all count as out. Thread rule: one lock per
// class and heap (HZ_RANK_CENTRAL), held for one batch and never across a system call.
//
// Heaps (Berger and others, "Hoard", 2000): threads that allocate in bulk must not meet at one
// lock, nor mix their blocks in one span. Each thread takes from the spans of its own heap, which
// up to 32 threads have for themselves, and a block goes back to the span it lies in, whosever that
// is. Classes above 2 KiB, of which few blocks fill a span, have one heap for all. Before a heap
// opens a span it adopts the emptiest of another heap that has plenty free: so the memory of a
// thread that sleeps or has ended serves the others. Where a heap's own threads free what they
// allocate, and go on doing so, only a span that is free for the most part is adopted: what two
// threads build in turns in one span lies scattered for both, for as long as they live. Adoption
// takes both locks, by tries alone, so nobody waits with a lock in hand; who has acquired the lock
// of a block's heap looks whether it still is.
//
//   span of 16 blocks     | out | free | out | ... | carved-1 | never handed out ... | tail |
//   bits                     0     1      0           0/1        0                0
//                          0 <= index < carved: free <=> its bit is set
//   invariants            free == number of bits set <= carved <= blocks
//                         out  == carved - free;  out == 0 <=> the span goes back to the arena
//                         records: tag == cls, flags == heap, index counts granules,
//                         limit16 == carved * bytes / 16
//
// Blocks are carved by arithmetic: memory that a program has not asked for yet is never touched,
// but by a few pages ahead of one that writes what it gets (hz_run_ahead).
// Which span serves is a question of memory: the fullest first, so that the others run empty.
#ifndef HZ3_SPAN_H_
#define HZ3_SPAN_H_

#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "common/guard/guard.h"
#include "common/sync/lock.h"
#include "hz3/batch.h"

HZ_EXTERN_C_BEGIN

#define HZ3_HEAPS 32u
#define HZ3_HEAP_BYTES_MOST ((size_t)2 * HZ_KIB)
#define HZ3_SPAN_LISTS 4u       // by quarters of the blocks that are out; 0 = the fullest
#define HZ3_LIST_NONE 0xffu     // full: on no list
#define HZ3_SPAN_BITS_WORDS 13u // 832 bits; a span with more blocks keeps its bits in a batch

struct hz3_span {        // 128 bytes per granule; all fields under the class's lock
  uint32_t next, prev;   // neighbours on the list: granule + 1, 0 at its ends
  uint16_t carved, free; // blocks
  uint16_t first_word;   // no bit is set in a word below
  uint8_t cls, list;
  uint32_t bits_batch; // 0: `bits` serve
  bool zeroed;         // what is not carved yet reads as zero
  uint16_t put_tick;   // hz3_tick_count when a block last came back; of classes with pages
  uint64_t bits[HZ3_SPAN_BITS_WORDS]; // of these, bits[1]: free, and purged (purge.h)
};
_Static_assert(sizeof(struct hz3_span) == 128, "two lines");
// Of the side array, for each granule: the descriptor, and what the guard keeps.
#define HZ3_SIDE_BYTES (sizeof(struct hz3_span) + HZ_GUARD_SIDE_BYTES)

HZ_INLINE struct hz3_span *hz3_span_of(uint64_t granule) {
  return (struct hz3_span *)(void *)(hz_arena_side + granule * HZ3_SIDE_BYTES);
}

struct hz3_central {
  struct hz_lock lock;
  uint32_t lists[HZ3_SPAN_LISTS]; // the first span: granule + 1; 0 = empty
  uint32_t spans;
  uint32_t carving;                 // the span last opened: granule + 1; 0 = none; it may be full
  uint64_t blocks_out, blocks_free; // sums over spans; free: carved, and not out. Read without the
                                    // lock by statistics and by heaps that adopt
  uint64_t blocks_unpurged;         // of the free, of classes with pages; a hint without the lock
  uint32_t loyal;     // of the blocks that came back of late, the share its own threads brought
  uint32_t tick_used; // hz3_tick_count when its own threads last came
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);
extern HZ_HIDDEN struct hz3_central hz3_central[HZ3_HEAPS][HZ_CLASS_COUNT];

HZ_INLINE uint64_t hz3_granule_of_span(const struct hz3_span *s) {
  return (uint64_t)((const unsigned char *)s - hz_arena_side) / HZ3_SIDE_BYTES;
}

// Effect: the heap is in use. Requires: calls overlap neither each other nor fork.
void hz3_span_heap_use(unsigned heap);

// Effect: writes up to `want` (> 0) addresses of blocks to out; opens a span only when there would
// be none. Returns: how many; 0 when memory is exhausted. Keeps errno.
unsigned hz3_span_take(unsigned heap, unsigned cls, void **out, unsigned want);

// Returns: one block that was never used, *zeroed: whether it reads as zero for that reason. NULL
// where blocks that were used lie free in these spans, and when memory is exhausted.
void *hz3_span_take_fresh(unsigned heap, unsigned cls, bool *zeroed);

// Effect: gives blocks back; spans that run empty return to the arena. A block that is free in its
// span already, or whose span is no more, is a double free, named with `api`. Requires: no lock
// held. Units: count in blocks, any number.
void hz3_span_put(unsigned cls, void *const *blocks, unsigned count, enum hz_api api);

// Effect: of these blocks those whose spans belong to `heap` go back to them, as above; the others
// move to the front of the array. Returns: how many those are.
unsigned hz3_span_put_own(unsigned heap, unsigned cls, void **blocks, unsigned count,
                          enum hz_api api);

struct hz3_span_stats {
  size_t spans, span_bytes, blocks_out, blocks_free; // free: in spans, carved or not
};
void hz3_span_stats_read(unsigned cls, struct hz3_span_stats *out);
// Returns: bytes of blocks that are out, over all classes; a sum without locks.
size_t hz3_span_out_bytes(void);

// Returns: blocks of the class that are out of the heap from which a thread of `heap` has them.
size_t hz3_span_heap_out(unsigned heap, unsigned cls);
// Returns: whether most of that heap's spans is free, and enough of it to matter. A look without
// locks.
bool hz3_span_is_sparse(unsigned heap, unsigned cls);

// Returns: whether the class has a heap for each thread.
HZ_INLINE bool hz3_span_has_heaps(unsigned cls) {
  return hz_class_bytes(cls) <= HZ3_HEAP_BYTES_MOST;
}

// Whether a few of the class's blocks fill a page, so that these are purged while their span goes
// on. A span has up to 64 of them, and the class one heap.
HZ_INLINE bool hz3_span_has_pages(unsigned cls) {
  return !hz3_span_has_heaps(cls);
}
struct hz3_claim {
  uint32_t name;   // of a span
  uint64_t blocks; // bits; they count as out while they are claimed
};
// Effect: free blocks that are not purged, of up to `most` spans to which none came back for
// `ticks`, are the caller's. Returns: how many spans. Requires: the class has pages.
unsigned hz3_span_claim(unsigned cls, uint32_t ticks, struct hz3_claim *claims, unsigned most);
// Effect: they are free again, and count as purged; spans that are empty now return to the arena.
void hz3_span_unclaim(unsigned cls, const struct hz3_claim *claims, unsigned n);

// Effect: none. Returns: whether every invariant above holds for every span of the class (takes its
// lock).
bool hz3_span_is_valid(unsigned cls);

// fork: every class's lock.
void hz3_span_before_fork(void);
void hz3_span_after_fork_parent(void);
void hz3_span_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ3_SPAN_H_
