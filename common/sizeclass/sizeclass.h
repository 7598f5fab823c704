// Size classes: which block size serves a request, the same for every generation.
//
// Owns: the list of block sizes and the table from request to class. Owns no memory of blocks.
// Thread rule: everything here is constant.
//
//   request    1 ... 128      step 16              classes 1..8
//   then 8 classes per doubling up to 128 KiB:     classes 9..88
//   for aligned requests, multiples of a page:     classes 89..103
//
//   class 0 is none: the tag of memory that holds no cached block; its bin is never filled
//         1  16 B        8  128 B       9  144 B      16  256 B      24  512 B      32  1 KiB
//        40  2 KiB      48  4,160 B    56  8,256 B    64  16,448 B   72  32,832 B   80  64 KiB
//        88  128 KiB    89  4 KiB      90  8 KiB ... 103  60 KiB
//
// Staggered: a block between 4 and 64 KiB whose size would be a multiple of 4 KiB is a cache line
// longer. Else all such blocks would begin in the same few sets of the first cache, and a program
// that works on many buffers at once would have but a part of it (bench/records/stagger). Whoever
// wants the page's beginning asks for it, and gets a block of the classes from 89 on. (jemalloc's
// cache_oblivious moves large blocks by a random number of lines for the same reason.)
//
// Eight per doubling wastes at most 1/9 of a block above 128 bytes, or these 64 bytes more.
// Measured against four and sixteen in docs/; snmalloc and jemalloc use four, gperftools about
// eight.
//
// The table has one byte per 16 bytes of request (8 KiB, of which a program touches the lines of
// the sizes it uses): a search by leading zeros instead costs a mispredicted branch on mixed sizes.
#ifndef HZ_COMMON_SIZECLASS_SIZECLASS_H_
#define HZ_COMMON_SIZECLASS_SIZECLASS_H_

#include "common/base/bits.h"
#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ_CLASS_NONE 0u
#define HZ_CLASS_FIRST 1u
#define HZ_CLASS_REQUEST_LAST 88u // the last that the table has
#define HZ_CLASS_LAST 103u
#define HZ_CLASS_COUNT 104u // including class 0
#define HZ_CLASS_MAX_BYTES ((size_t)131072)
#define HZ_CLASS_STAGGER_BYTES 64u

// Indexed by (request + 15) / 16 for request <= HZ_CLASS_MAX_BYTES; entry 0 (request 0) is class 1.
extern HZ_HIDDEN const uint8_t hz_class_table[HZ_CLASS_MAX_BYTES / 16 + 1];
// Indexed by class; [0] is 0.
extern HZ_HIDDEN const uint32_t hz_class_bytes_table[HZ_CLASS_COUNT];

// Effect: none. Requires: bytes <= HZ_CLASS_MAX_BYTES. Returns: the smallest class up to
// HZ_CLASS_REQUEST_LAST that holds it.
HZ_INLINE unsigned hz_class_of(size_t bytes) {
  return hz_class_table[(bytes + 15) >> 4];
}

// Returns: the block size of a class in bytes, a multiple of 16.
HZ_INLINE size_t hz_class_bytes(unsigned cls) {
  return hz_class_bytes_table[cls];
}

// Requires: align is a power of two. Returns: the smallest class whose blocks hold `bytes` and
// whose size is a multiple of `align` (blocks start at multiples of their size from a granule
// boundary, so they are aligned); HZ_CLASS_NONE if there is none (the request is for the large
// part).
unsigned hz_class_of_aligned(size_t bytes, size_t align);

// How a class is laid out in spans. Requires: cls is 1..103.
// span_granules: smallest run of granules whose unused tail is at most 1/8 (and which holds at
// least one block); span_blocks: blocks in it.
struct hz_class_layout {
  uint16_t span_granules;
  uint16_t span_blocks;
};
extern HZ_HIDDEN const struct hz_class_layout hz_class_layout_table[HZ_CLASS_COUNT];

HZ_EXTERN_C_END

#endif // HZ_COMMON_SIZECLASS_SIZECLASS_H_
