// Batches: how blocks travel in company. A batch is a fixed array of addresses in metadata; the
// blocks themselves are never written.
//
// Owns: the batches that are empty, and the memory of all. Does not own what is in a full one.
// Thread rule: take and give may be called by any thread at any time; a batch taken is the taker's
// alone.
//
//   batch, 512 bytes    [ next:32 | count:32 | address | address | ... 63 ]
//
// A batch has a number from 1 (idstack's word holds numbers), and lies for ever where it was made,
// so that a thread which lost a race may still read its `next`. A span of small blocks, whose
// bitmap does not fit its descriptor, takes a batch as 4096 bits.
#ifndef HZ3_BATCH_H_
#define HZ3_BATCH_H_

#include "common/base/units.h"
#include "common/sync/idstack.h"
#include "hz3/shape.h"

HZ_EXTERN_C_BEGIN

struct hz3_batch {
  uint32_t next;  // for the stack it lies on; atomic
  uint32_t count; // 0..63, written by the owner of the moment
  void *blocks[HZ3_BATCH_BLOCKS];
};
_Static_assert(sizeof(struct hz3_batch) == 512, "eight lines, 4096 bits");

#define HZ3_BATCH_CHUNK_SHIFT 6               // 64 batches are made at a time: 32 KiB
#define HZ3_BATCH_CHUNKS ((size_t)128 * 1024) // 8 million batches: of 16-byte blocks, 8 GiB waiting
extern HZ_HIDDEN struct hz3_batch *hz3_batch_chunks[HZ3_BATCH_CHUNKS];

HZ_INLINE struct hz3_batch *hz3_batch_of(uint32_t id) {
  // Relaxed: whoever holds an id got it by an acquire that follows the chunk's publication.
  struct hz3_batch *chunk = hz_load_relaxed(&hz3_batch_chunks[id >> HZ3_BATCH_CHUNK_SHIFT]);
  return &chunk[id & ((1u << HZ3_BATCH_CHUNK_SHIFT) - 1)];
}
HZ_INLINE uint32_t *hz3_batch_next(uint32_t id) {
  return &hz3_batch_of(id)->next;
}

// Returns: the number of an empty batch (content undefined), 0 when there is no memory.
uint32_t hz3_batch_take(void);
// Requires: the caller owns it.
void hz3_batch_give(uint32_t id);

HZ_EXTERN_C_END

#endif // HZ3_BATCH_H_
