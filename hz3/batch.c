// Making and keeping of batches. See batch.h.
#include "hz3/batch.h"

#include "common/arena/arena.h"

struct hz3_batch *hz3_batch_chunks[HZ3_BATCH_CHUNKS];

static struct hz_idstack empty HZ_ALIGNED(HZ_NO_SHARE_BYTES);
static uint32_t made = 1; // the next number that was never used; 0 is no batch

// Effect: the chunk of batch `id` exists. Two threads may come at once: the second keeps its memory
// for the chunk that follows.
static bool chunk_ensure(uint32_t id) {
  size_t chunk = id >> HZ3_BATCH_CHUNK_SHIFT;
  // Acquire: a chunk seen here must be zeroed memory; partner: the release in the swap below.
  if (hz_load_acquire(&hz3_batch_chunks[chunk]))
    return true;
  struct hz3_batch *fresh =
      hz_meta_alloc(sizeof(struct hz3_batch) << HZ3_BATCH_CHUNK_SHIFT, HZ_LINE_BYTES);
  if (!fresh)
    return false;
  for (size_t c = chunk; c < HZ3_BATCH_CHUNKS; c++) {
    struct hz3_batch *none = NULL;
    if (hz_cas_acq_rel(&hz3_batch_chunks[c], &none, fresh))
      break;
  }
  return true;
}

uint32_t hz3_batch_take(void) {
  uint32_t id = hz_idstack_pop(&empty, hz3_batch_next, NULL);
  if (HZ_LIKELY(id != 0))
    return id;
  uint32_t seen = hz_load_relaxed(&made); // a number is a number: nothing else is published with it
  for (;;) {
    if (seen >= HZ3_BATCH_CHUNKS << HZ3_BATCH_CHUNK_SHIFT || !chunk_ensure(seen))
      return 0;
    if (hz_cas_relaxed(&made, &seen, seen + 1))
      return seen;
  }
}

void hz3_batch_give(uint32_t id) {
  (void)hz_idstack_push(&empty, hz3_batch_next, id);
}
