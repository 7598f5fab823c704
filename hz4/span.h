// Spans: runs of granules cut into blocks of one class. What Small and Mid have in common: the
// shape of a descriptor, where it lies, and the lists that keep the fullest spans in front.
//
// Owns: the layout of a descriptor and its list links. Does not own: bitmaps' meaning (small.c,
// mid.c). Thread rule: a descriptor's fields are guarded by the lock of its class, but `cls`,
// `index` and `large_start`, which are written while nobody else holds the granule, and read
// (relaxed) to word faults.
//
//   span start                                                              start + granules * 64
//   KiB
//    | block 0 | block 1 | ... | block carved-1 |  never handed out yet  | tail |
//      out or free (its bit is set)
//
// Invariants, held between batches:
//   free   == number of set bits        blocks out == carved - free
//   free   <= carved <= blocks          free == carved  =>  the span is given back, not kept
//   bucket == bucket of (free + blocks - carved), and the span is in that list; NONE when that is 0
#ifndef HZ4_SPAN_H_
#define HZ4_SPAN_H_

#include "common/arena/arena.h"
#include "common/guard/guard.h"
#include "common/sizeclass/sizeclass.h"
#include "common/sync/lock.h"

HZ_EXTERN_C_BEGIN

// Mid begins here: 2 KiB. Up to 32 blocks in a span, so that a word has a bit for each.
#define HZ4_MID_FIRST_CLASS 61u

#define HZ4_BUCKETS 8u
#define HZ4_BUCKET_NONE 8u
#define HZ4_SPAN_INLINE_WORDS 2u

struct hz4_span {
  uint32_t next, prev;           // in its list: granule + 1; 0 = none
  uint16_t blocks, carved, free; // see above
  uint8_t cls;                   // also of the other granules of the span; kept when it is gone
  uint8_t bucket;
  uint32_t freed_ms;   // Mid: when a block last came back
  uint16_t hint;       // Small: no bit is set in words below
  uint8_t index;       // of this granule in its span
  uint8_t large_start; // a large block was freed here last: 1 + lines before it; else 0
  uint64_t *bits;      // Small: set = free; word[] below where it fits
  uint64_t word[HZ4_SPAN_INLINE_WORDS]; // Mid: [0] set = free, [1] set = free and purged
  uint8_t *array;                       // Small: custody bytes (custody.h), or hz4_custody_gone
  uint32_t slab;                        // Small: where its piece lies
  uint8_t shard; // Small: whose lock guards it; written when it is made, read without a lock
  bool zeroed;   // what is not carved yet reads as zero; likewise
};
#define HZ4_SPAN_BYTES sizeof(struct hz4_span)
// Behind the descriptor a line of custody bytes, where the variant has them.
#define HZ4_SIDE_BYTES ((HZ_FAST ? HZ4_SPAN_BYTES : 2 * HZ4_SPAN_BYTES) + HZ_GUARD_SIDE_BYTES)
_Static_assert(sizeof(struct hz4_span) == 64, "one line per granule");

HZ_INLINE struct hz4_span *hz4_span_at(uint64_t granule) {
  return (struct hz4_span *)(void *)(hz_arena_side + granule * HZ4_SIDE_BYTES);
}
HZ_INLINE uint64_t hz4_span_granule(const struct hz4_span *s) {
  return (uint64_t)((const unsigned char *)s - hz_arena_side) / HZ4_SIDE_BYTES;
}
HZ_INLINE unsigned hz4_span_available(const struct hz4_span *s) {
  return (unsigned)s->free + s->blocks - s->carved;
}
HZ_INLINE bool hz4_span_is_whole(const struct hz4_span *s) {
  return s->free == s->carved;
}

// ceil(2^64 / bytes): an offset n < 2^32 is a multiple of bytes iff n * r < r (modulo 2^64),
// and n / bytes == high word of n * r (Lemire, Kaser and Kurz, "Faster remainder by direct
// computation", 2019).
// By bin: that of class 0 and those of tags that are no class (-1, -2) are 0, of which nothing is a
// multiple.
#define HZ4_NO_BINS 2
extern HZ_HIDDEN uint64_t hz4_reciprocals[HZ4_NO_BINS + HZ_CLASS_COUNT];
void hz4_span_init(void);

HZ_INLINE bool hz4_is_block_start(intptr_t bin, uint32_t offset) {
  uint64_t r = hz4_reciprocals[HZ4_NO_BINS + bin];
  return offset * r < r;
}
HZ_INLINE unsigned hz4_block_index(unsigned cls, uint32_t offset) {
  return (unsigned)((unsigned __int128)hz4_reciprocals[HZ4_NO_BINS + cls] * offset >> 64);
}

// The spans of one class.
struct hz4_central {
  struct hz_lock lock;        // HZ_RANK_CENTRAL; guards all below and the descriptors in the lists
  uint32_t list[HZ4_BUCKETS]; // by how much is available: 0 = an eighth or less
  uint32_t taking;            // Small: of these the span that served last: granule + 1; 0 = none
  uint32_t spans;
  uint64_t free_blocks;     // set bits of all its spans
  uint64_t carved_blocks;   // of all its spans: free ones and those that are out
  uint64_t unpurged_blocks; // Mid: of these, with pages that may be resident
  uint64_t takes, gives;    // batches, for statistics
  uint64_t taken_at;        // what `gives` was at the last take
  uint64_t spans_made;
  uint64_t used_ms; // Small: when the round was due before which its own threads last came
  uint32_t loyal;   // Small: of the blocks that came back of late, the share its own shard brought
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);

// Effect: puts the span into the list where it belongs now, or into none. Requires: lock held.
void hz4_central_relist(struct hz4_central *c, struct hz4_span *s);
// Effect: takes it out of its list. Requires: lock held.
void hz4_central_unlist(struct hz4_central *c, struct hz4_span *s);
// Returns: the span that served last, to its end, so that blocks handed out one after the other are
// neighbours; else of the spans with more than an eighth available the fullest (near enough), else
// one with less; NULL when nothing is.
struct hz4_span *hz4_central_best(struct hz4_central *c);
// Effect: says that s serves, and puts it where it belongs now. Lock held.
void hz4_central_served(struct hz4_central *c, struct hz4_span *s);

// Effect: says that a batch was taken. Requires: lock held.
HZ_INLINE void hz4_central_taken(struct hz4_central *c) {
  c->takes++;
  hz_store_relaxed(&c->taken_at, c->gives);
}

// Effect: a run of granules becomes a span, in no list yet, nothing carved. Lock not held. Returns:
// NULL when memory is exhausted.
struct hz4_span *hz4_span_make(unsigned cls);
// Effect: everything up to `carved` may be handed out: the records say so from now on. Lock held.
void hz4_span_raise_limit(struct hz4_span *s, unsigned cls);

// Returns: the number of p's granule in its span; names the fault when that is none of the class.
unsigned hz4_span_index(unsigned cls, const void *p);

struct hz4_place {
  struct hz4_span *span;
  unsigned index;
};
// Returns: where a free block belongs; names the fault when it belongs nowhere in this class.
struct hz4_place hz4_span_find(unsigned cls, void *p);

// Of a span in a list: something of it is out, or it would have gone back.
bool hz4_span_is_valid(const struct hz4_span *s, uint64_t set_bits);

HZ_EXTERN_C_END

#endif // HZ4_SPAN_H_
