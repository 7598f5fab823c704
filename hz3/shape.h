// What each class looks like to hz3: how many blocks move at once, how many a thread may keep, and
// the constant by which an offset in a span is divided by the block size.
//
// Owns: the table. Thread rule: written once by hz3_shape_init, constant afterwards.
#ifndef HZ3_SHAPE_H_
#define HZ3_SHAPE_H_

#include "common/base/bits.h"
#include "common/sizeclass/sizeclass.h"

HZ_EXTERN_C_BEGIN

#define HZ3_BATCH_BLOCKS 63u                // addresses in one batch: a batch is 512 bytes
#define HZ3_BATCH_BYTES ((size_t)64 * 1024) // ... and at most this much of blocks, but
#define HZ3_BATCH_LEAST 8u                  // ... at least this many blocks up to 32 KiB,
#define HZ3_BATCH_LEAST_BIG 4u              // ... or this many beyond
#define HZ3_BIN_MOST 32766u                 // blocks in a bin: two batches, or more while they
#define HZ3_BIN_BYTES ((size_t)512 * 1024)  // ... are no more than this

struct hz3_shape {
  uint16_t batch;        // blocks in a full batch
  uint16_t capacity_max; // of a thread's bin; at least 2 * batch
  uint16_t capacity_min; // where a bin begins, and to what it shrinks
  uint16_t span_blocks;
  uint16_t span_granules;
};
extern HZ_HIDDEN struct hz3_shape hz3_shape[HZ_CLASS_COUNT];
// ceil(2^64 / block bytes). An offset n is a multiple of the block size d <=> n * c mod 2^64 < c,
// and n / d is the upper half of the product (Lemire, Kaser, Kurz 2019; exact while n * d < 2^64).
extern HZ_HIDDEN uint64_t hz3_reciprocal[HZ_CLASS_COUNT];

// Effect: fills the tables. Called once, before the first allocation.
void hz3_shape_init(void);

HZ_INLINE uint32_t hz3_block_index(uint32_t offset, unsigned cls) {
  return (uint32_t)((unsigned __int128)offset * hz3_reciprocal[cls] >> 64);
}
HZ_INLINE bool hz3_is_block_start(uint32_t offset, size_t cls) {
  return (uint64_t)offset * hz3_reciprocal[cls] < hz3_reciprocal[cls];
}

HZ_EXTERN_C_END

#endif // HZ3_SHAPE_H_
