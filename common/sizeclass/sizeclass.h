// Size classes: which block size serves a request, the same for every generation.
//
// Owns: the list of block sizes and the tables from request to class. Owns no memory of blocks.
// Thread rule: everything here is constant.
//
//   request    1 ... 48       step 16, in 8 sets      classes 1..24
//             49 ... 128      step 16                 classes 25..29
//   then 8 classes per doubling up to 128 KiB:        classes 30..109
//   for aligned requests, multiples of a page:        classes 110..124
//
//   class 0 is none: the tag of memory that holds no cached block; its bin is never filled
//       1 2 3  16, 32, 48 B of set 0   4 5 6  of set 1   ...   22 23 24  of set 7
//        25  64 B       29  128 B      30  144 B      37  256 B      45  512 B      53  1 KiB
//        61  2 KiB      69  4,160 B    77  8,256 B    85  16,448 B   93  32,832 B   101  64 KiB
//       109  128 KiB   110  4 KiB     111  8 KiB ... 124  60 KiB
//
// Sets: of blocks shorter than a cache line several lie in one. Threads that hold some each wait
// for each other at every write (false sharing), and keep doing so when freed blocks stay with
// those who free them. So each thread takes such blocks of one set, by a table of its own, and
// whatever set a freed block is of, its class says; blocks of one line belong to threads of one
// set. (Berger and others, "Hoard", ASPLOS 2000, describe the effect and give blocks back to the
// heap that owns their page; here a class does that, and no path is longer for it.)
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
// The table has one byte per 16 bytes of request (8 KiB for a set, of which a program touches the
// lines of the sizes it uses): a search by leading zeros instead costs a mispredicted branch on
// mixed sizes.
#ifndef HZ_COMMON_SIZECLASS_SIZECLASS_H_
#define HZ_COMMON_SIZECLASS_SIZECLASS_H_

#include "common/base/bits.h"
#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ_CLASS_NONE 0u
#define HZ_CLASS_FIRST 1u
#define HZ_CLASS_REQUEST_LAST 109u // the last that the tables have
#define HZ_CLASS_LAST 124u
#define HZ_CLASS_COUNT 125u // including class 0
#define HZ_CLASS_SETS 8u
#define HZ_CLASS_SET_SIZE 3u // classes in each
#define HZ_CLASS_SETS_LAST (HZ_CLASS_SETS * HZ_CLASS_SET_SIZE)
#define HZ_CLASS_SIZES (HZ_CLASS_LAST - (HZ_CLASS_SETS - 1) * HZ_CLASS_SET_SIZE)
#define HZ_CLASS_MAX_BYTES ((size_t)131072)
#define HZ_CLASS_STAGGER_BYTES 64u

// Indexed by (request + 15) / 16 for request <= HZ_CLASS_MAX_BYTES; entry 0 (request 0) is
// that of 16 bytes.
extern HZ_HIDDEN const uint8_t hz_class_tables[HZ_CLASS_SETS][HZ_CLASS_MAX_BYTES / 16 + 1];
// Indexed by class; [0] is 0.
extern HZ_HIDDEN const uint32_t hz_class_bytes_table[HZ_CLASS_COUNT];

// Requires: table is one of hz_class_tables, bytes <= HZ_CLASS_MAX_BYTES. Returns: the smallest
// class up to HZ_CLASS_REQUEST_LAST that holds it, of that table's set where there are sets.
HZ_INLINE unsigned hz_class_by(const uint8_t *table, size_t bytes) {
  return table[(bytes + 15) >> 4];
}
// The same, of set 0.
HZ_INLINE unsigned hz_class_of(size_t bytes) {
  return hz_class_by(hz_class_tables[0], bytes);
}

// Returns: the block size of a class in bytes, a multiple of 16.
HZ_INLINE size_t hz_class_bytes(unsigned cls) {
  return hz_class_bytes_table[cls];
}

// Returns: whether it is a class of some set; false for every tag that is no class.
HZ_INLINE bool hz_class_has_sets(size_t cls) {
  return cls - HZ_CLASS_FIRST < HZ_CLASS_SETS_LAST;
}
// Returns: whether a and b are equal or classes of the same size in two sets.
HZ_INLINE bool hz_class_same_size(size_t a, size_t b) {
  return a == b || (hz_class_has_sets(a) && hz_class_has_sets(b) &&
                    (a + HZ_CLASS_SETS_LAST - b) % HZ_CLASS_SET_SIZE == 0);
}
// Returns: the class of the same size in a set; cls itself where there are no sets.
HZ_INLINE unsigned hz_class_in_set(unsigned cls, unsigned set) {
  return hz_class_has_sets(cls)
             ? HZ_CLASS_FIRST + set * HZ_CLASS_SET_SIZE + (cls - HZ_CLASS_FIRST) % HZ_CLASS_SET_SIZE
             : cls;
}
// Returns: which of the HZ_CLASS_SIZES block sizes a class has, from 1, rising up to
// HZ_CLASS_REQUEST_LAST.
HZ_INLINE unsigned hz_class_size_number(unsigned cls) {
  return hz_class_has_sets(cls) ? hz_class_in_set(cls, 0)
                                : cls - (HZ_CLASS_SETS - 1) * HZ_CLASS_SET_SIZE;
}

// Requires: align is a power of two. Returns: the smallest class whose blocks hold `bytes` and
// whose size is a multiple of `align` (blocks start at multiples of their size from a granule
// boundary, so they are aligned); HZ_CLASS_NONE if there is none (the request is for the large
// part).
unsigned hz_class_of_aligned(size_t bytes, size_t align);

// How a class is laid out in spans. Requires: cls is 1..124.
// span_granules: smallest run of granules whose unused tail is at most 1/8 (and which holds at
// least one block); span_blocks: blocks in it.
struct hz_class_layout {
  uint16_t span_granules;
  uint16_t span_blocks;
};
extern HZ_HIDDEN const struct hz_class_layout hz_class_layout_table[HZ_CLASS_COUNT];

HZ_EXTERN_C_END

#endif // HZ_COMMON_SIZECLASS_SIZECLASS_H_
