// Custody: which blocks are shared, that is in the depot or free in a span, and in nobody's hands.
// A block that becomes shared twice was freed twice, whoever freed it and whatever came between; it
// is named when its batch leaves the owner.
//
// Owns: a byte for each block, out of line. Thread rule: a block's byte is written by whoever has
// the block: relaxed, since the depot and the spans' locks order one holder after the other.
// Variant `fast` leaves all of it out.
//
//   0  with an owner's bins, or with the program        leave ──> 1    (1 already: a double free)
//   1  in the depot, or free in its span                enter ──> 0
//
// Where the byte is, by arithmetic alone (no span is looked up):
//   Small, above 64 blocks a span    descriptor.array + block's number; the array is part of the
//                                    span's piece (slab.h) and goes with it
//   Small, up to 64                  side of the granule + 64 + block's number
//   Mid                              side of the granule + 64 + (offset in granule) / 1024
#ifndef HZ4_CUSTODY_H_
#define HZ4_CUSTODY_H_

#include "common/arena/arena.h"
#include "common/base/bits.h"
#include "common/sizeclass/sizeclass.h"
#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// From this class on the bytes lie in the side of the granule itself.
#define HZ4_CUSTODY_INSIDE_CLASS 53u

// Returns: what the offset of a block in its granule is multiplied by; the high word of the product
// is the number of its byte there. Of Small, whose spans are one granule each: the block's number.
HZ_INLINE uint64_t hz4_custody_factor(unsigned cls) {
  return cls < HZ4_MID_FIRST_CLASS ? hz4_reciprocals[HZ4_NO_BINS + cls] : UINT64_MAX / 1024 + 1;
}
// Returns: the bytes of a granule of that class.
HZ_INLINE uint8_t *hz4_custody_bytes(unsigned cls, uint64_t granule) {
  struct hz4_span *d = hz4_span_at(granule);
  return cls >= HZ4_CUSTODY_INSIDE_CLASS ? (uint8_t *)(d + 1) : d->array;
}

// Effect: the blocks leave their owner. Faults (double free) end the process.
void hz4_custody_leave_checked(unsigned cls, void *const *blocks, unsigned n);
// Effect: the blocks are an owner's.
void hz4_custody_enter_checked(unsigned cls, void *const *blocks, unsigned n);
// Effect: the granules' own bytes, where the class has them there, are 0. Requires: the run is the
// caller's.
void hz4_custody_open_checked(unsigned cls, uint64_t granule, unsigned count);

// The array of a granule whose span is gone: each block is shared already. Never written.
extern HZ_HIDDEN const uint8_t hz4_custody_gone[HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES];

// Returns: how many bytes of an array a span of the class needs.
HZ_INLINE size_t hz4_custody_array_bytes(unsigned cls) {
  return HZ_FAST || cls >= HZ4_CUSTODY_INSIDE_CLASS ? 0 : hz_class_layout_table[cls].span_blocks;
}

HZ_INLINE void hz4_custody_leave(unsigned cls, void *const *blocks, unsigned n) {
  if (!HZ_FAST)
    hz4_custody_leave_checked(cls, blocks, n);
}
HZ_INLINE void hz4_custody_enter(unsigned cls, void *const *blocks, unsigned n) {
  if (!HZ_FAST)
    hz4_custody_enter_checked(cls, blocks, n);
}
HZ_INLINE void hz4_custody_open(unsigned cls, uint64_t granule, unsigned count) {
  if (!HZ_FAST)
    hz4_custody_open_checked(cls, granule, count);
}

HZ_EXTERN_C_END

#endif // HZ4_CUSTODY_H_
