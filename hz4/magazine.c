// The pool of magazines: a lock-free stack of unused ones for each shard, over chunks that are cut
// by bump.
//
//   directory[chunk] ──> 128 magazines of 512 bytes         id = chunk * 128 + index + 1
//   frontier  [ chunk + 1 : 32 | used : 32 ]                 0 = no chunk yet
//
// The bump is one compare-and-swap on `frontier`. Who finds the chunk used up brings a new one; of
// two that do so at once one becomes the frontier and the other's magazines go to the stack.
#include "hz4/magazine.h"

#include "common/arena/arena.h"
#include "common/sync/idstack.h"
#include "hz4/shard.h"

enum { CHUNK_MAGAZINES = 128, CHUNKS_MAX = 32768 };

const struct hz4_magazine hz4_magazine_nothing HZ_ALIGNED(HZ4_MAGAZINE_BYTES);
const struct hz4_magazine hz4_magazine_stopped HZ_ALIGNED(HZ4_MAGAZINE_BYTES);

static struct hz4_magazine *directory[CHUNKS_MAX]; // written once each, before an id of it is known
static struct { struct hz_idstack stack HZ_ALIGNED(HZ_NO_SHARE_BYTES); } unused[HZ4_SHARDS_MAX];
static struct {
  uint64_t frontier;
  uint32_t chunks; // numbers given out
} HZ_ALIGNED(HZ_NO_SHARE_BYTES) pool;

struct hz4_magazine *hz4_magazine_by_id(uint32_t id) {
  // Relaxed: whoever knows an id learnt it through an acquire that its maker's release precedes.
  struct hz4_magazine *chunk = hz_load_relaxed(&directory[(id - 1) / CHUNK_MAGAZINES]);
  return &chunk[(id - 1) % CHUNK_MAGAZINES];
}

uint32_t *hz4_magazine_next_of(uint32_t id) {
  return &hz4_magazine_by_id(id)->next;
}

size_t hz4_magazine_made(void) {
  uint64_t f = hz_load_relaxed(&pool.frontier);
  size_t chunks = hz_load_relaxed(&pool.chunks);
  return f == 0 ? 0 : (chunks - 1) * CHUNK_MAGAZINES + (uint32_t)f;
}

static struct hz4_magazine *number(uint32_t chunk, uint32_t index) {
  uint32_t id = chunk * CHUNK_MAGAZINES + index + 1;
  struct hz4_magazine *m = hz4_magazine_by_id(id);
  m->id = id;
  return m;
}

// Returns: a magazine of the frontier's chunk, NULL when it has none left.
static struct hz4_magazine *bump(void) {
  // Acquire, here and on failure: directory[chunk] must be seen; partner: the release in chunk_add.
  uint64_t seen = hz_load_acquire(&pool.frontier);
  while (seen != 0 && (uint32_t)seen < CHUNK_MAGAZINES)
    if (hz_cas_acquire(&pool.frontier, &seen, seen + 1))
      return number((uint32_t)(seen >> 32) - 1, (uint32_t)seen);
  return NULL;
}

// Effect: a new chunk becomes the frontier, or its magazines go to the stack. Returns: one of them.
static struct hz4_magazine *chunk_add(unsigned shard) {
  if (hz_load_relaxed(&pool.chunks) >= CHUNKS_MAX)
    return NULL;
  void *memory = hz_meta_alloc(CHUNK_MAGAZINES * sizeof(struct hz4_magazine), HZ4_MAGAZINE_BYTES);
  if (!memory)
    return NULL;
  uint32_t chunk = hz_add_relaxed(&pool.chunks, 1);
  if (chunk >= CHUNKS_MAX) { // others were faster at the very end; the chunk is lost once
    hz_sub_relaxed(&pool.chunks, 1);
    return NULL;
  }
  hz_store_relaxed(&directory[chunk], (struct hz4_magazine *)memory);
  uint64_t seen = hz_load_relaxed(&pool.frontier);
  bool used_up = seen == 0 || (uint32_t)seen >= CHUNK_MAGAZINES;
  // Release: publishes directory[chunk]; partner: the acquire in bump.
  if (used_up && hz_cas_release(&pool.frontier, &seen, (uint64_t)(chunk + 1) << 32 | 1))
    return number(chunk, 0);
  for (uint32_t i = 1; i < CHUNK_MAGAZINES; i++)
    hz4_magazine_put(number(chunk, i), shard);
  return number(chunk, 0);
}

struct hz4_magazine *hz4_magazine_get(unsigned shard) {
  for (unsigned i = 0; i < hz4_shards; i++) {
    struct hz_idstack *stack = &unused[(shard + i) & (hz4_shards - 1)].stack;
    uint32_t id = hz_idstack_pop(stack, hz4_magazine_next_of, NULL);
    if (HZ_LIKELY(id != 0))
      return hz4_magazine_by_id(id);
  }
  struct hz4_magazine *m = bump();
  return m ? m : chunk_add(shard);
}

void hz4_magazine_put(struct hz4_magazine *m, unsigned shard) {
  hz_idstack_push(&unused[shard].stack, hz4_magazine_next_of, m->id);
}
