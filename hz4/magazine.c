// The pool of magazines: a lock-free stack of unused ones for each shard, over chunks that are cut
// by bump.
//
//   directory[chunk] ──> 128 magazines of 512 bytes         id = chunk * 128 + index + 1
//   frontier  [ chunk + 1 : 32 | used : 32 ]                 0 = no chunk yet
//
// The bump is one compare-and-swap on `frontier`. Who finds the chunk used up brings a new one; of
// two that do so at once one becomes the frontier and the other's magazines go to the stack.
#include "hz4/magazine.h"

#include <string.h>

#include "common/arena/arena.h"
#include "common/base/bits.h"
#include "common/os/os.h"
#include "common/sync/idstack.h"
#include "hz4/shard.h"

enum { CHUNK_MAGAZINES = 128, CHUNKS_MAX = 32768, PAGES_MAX = 16 };
#define CHUNK_BYTES (CHUNK_MAGAZINES * sizeof(struct hz4_magazine))
_Static_assert(CHUNK_BYTES == PAGES_MAX * 4096, "a bit for each page of a chunk");

// Below so many that are no page's the pool is not looked through.
#define PURGE_LEAST 2048u

const struct hz4_magazine hz4_magazine_nothing HZ_ALIGNED(HZ4_MAGAZINE_BYTES);
const struct hz4_magazine hz4_magazine_stopped HZ_ALIGNED(HZ4_MAGAZINE_BYTES);

static struct hz4_magazine *directory[CHUNKS_MAX]; // written once each, before an id of it is known
static struct { struct hz_idstack stack HZ_ALIGNED(HZ_NO_SHARE_BYTES); } unused[HZ4_SHARDS_MAX];
static struct {
  uint64_t frontier;
  uint32_t chunks;     // numbers given out
  uint32_t cold_pages; // a sum of bits, which may lag
  uint32_t cold_hint;  // the chunk where one was seen last
  uint32_t purging;    // by one thread at a time
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

// ---- pages ----

static uint16_t cold[CHUNKS_MAX];              // a bit for each page of a chunk
static uint8_t in_hand[CHUNKS_MAX][PAGES_MAX]; // the purger's: how many of a page he holds

static size_t page_bytes(void) {
  return hz_clamp(hz_os_page_bytes(), 4096, CHUNK_BYTES);
}
static unsigned page_magazines(void) {
  return (unsigned)(page_bytes() / HZ4_MAGAZINE_BYTES);
}

size_t hz4_magazine_cold(void) {
  return (size_t)hz_load_relaxed(&pool.cold_pages) * page_magazines();
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
  void *memory = hz_meta_alloc(CHUNK_BYTES, page_bytes());
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

// Returns: whether the page was cold and is the caller's now.
static bool page_claim(uint32_t chunk, unsigned page) {
  uint16_t seen = hz_load_relaxed(&cold[chunk]);
  while (seen >> page & 1)
    // Acquire: partner: the release in pages_purge.
    if (hz_cas_acquire(&cold[chunk], &seen, (uint16_t)(seen & ~(1u << page))))
      return true;
  return false;
}

// Effect: the magazines of a cold page are numbered anew. Returns: one of them, NULL where no page
// is cold.
static struct hz4_magazine *page_warm(unsigned shard) {
  uint32_t chunks = (uint32_t)hz_min(hz_load_relaxed(&pool.chunks), CHUNKS_MAX);
  uint32_t hint = hz_load_relaxed(&pool.cold_hint);
  for (uint32_t i = 0; i < chunks && hz_load_relaxed(&pool.cold_pages) != 0; i++) {
    uint32_t chunk = (hint + i) % chunks;
    uint16_t set = hz_load_relaxed(&cold[chunk]);
    if (set == 0 || !page_claim(chunk, hz_lowest_bit(set)))
      continue;
    hz_sub_relaxed(&pool.cold_pages, 1);
    hz_store_relaxed(&pool.cold_hint, chunk); // a hint
    uint32_t first = hz_lowest_bit(set) * page_magazines();
    for (uint32_t j = 1; j < page_magazines(); j++)
      hz4_magazine_put(number(chunk, first + j), shard);
    return number(chunk, first);
  }
  return NULL;
}

struct hz4_magazine *hz4_magazine_get(unsigned shard) {
  for (unsigned i = 0; i < hz4_shards; i++) {
    struct hz_idstack *stack = &unused[(shard + i) & (hz4_shards - 1)].stack;
    uint32_t id = hz_idstack_pop(stack, hz4_magazine_next_of, NULL);
    if (HZ_LIKELY(id != 0))
      return hz4_magazine_by_id(id);
  }
  struct hz4_magazine *m = hz_load_relaxed(&pool.cold_pages) != 0 ? page_warm(shard) : NULL;
  m = m ? m : bump();
  return m ? m : chunk_add(shard);
}

void hz4_magazine_put(struct hz4_magazine *m, unsigned shard) {
  hz_idstack_push(&unused[shard].stack, hz4_magazine_next_of, m->id);
}

// ---- purge ----

HZ_INLINE uint8_t *in_hand_of(uint32_t id) {
  return &in_hand[(id - 1) / CHUNK_MAGAZINES][(id - 1) % CHUNK_MAGAZINES / page_magazines()];
}

// Effect: all that lie unused in a shard are the caller's. Returns: the first, linked by next.
static uint32_t stack_take(unsigned shard) {
  uint32_t list = 0, id;
  while ((id = hz_idstack_pop(&unused[shard].stack, hz4_magazine_next_of, NULL)) != 0) {
    hz_store_relaxed(hz4_magazine_next_of(id), list);
    list = id;
    ++*in_hand_of(id);
  }
  return list;
}

// Effect: those whose page is not complete lie unused again.
static void stack_return(unsigned shard, uint32_t list) {
  for (uint32_t id = list, below; id != 0; id = below) {
    below = hz_load_relaxed(hz4_magazine_next_of(id));
    if (*in_hand_of(id) < page_magazines())
      hz4_magazine_put(hz4_magazine_by_id(id), shard);
  }
}

// Effect: the chunk's complete pages go back, neighbours in one call. Returns: how many.
static unsigned pages_purge(uint32_t chunk) {
  unsigned pages = (unsigned)(CHUNK_BYTES / page_bytes()), gone = 0;
  unsigned char *memory = (unsigned char *)hz_load_relaxed(&directory[chunk]);
  for (unsigned page = 0, end; page < pages; page = end + 1) {
    for (end = page; end < pages && in_hand[chunk][end] == page_magazines(); end++) {
    }
    if (end == page)
      continue;
    // Where the OS refuses they are numbered anew all the same.
    (void)hz_os_purge(memory + page * page_bytes(), (end - page) * page_bytes());
    uint16_t bits = (uint16_t)((1u << end) - (1u << page)), seen = hz_load_relaxed(&cold[chunk]);
    // Release: partner: the acquire in page_claim.
    while (!hz_cas_release(&cold[chunk], &seen, (uint16_t)(seen | bits))) {
    }
    hz_add_relaxed(&pool.cold_pages, end - page);
    gone += end - page;
  }
  return gone;
}

size_t hz4_magazine_purge(void) {
  size_t made = hz4_magazine_made();
  if (made - hz_min(made, hz4_magazine_cold()) < PURGE_LEAST)
    return 0;
  // Acquire and release: partners are each other, so that one finds in_hand as the last left it.
  if (hz_exchange_acquire(&pool.purging, 1u) != 0)
    return 0;
  uint32_t lists[HZ4_SHARDS_MAX] = {0};
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    lists[shard] = stack_take(shard);
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    stack_return(shard, lists[shard]);
  size_t pages = 0;
  uint32_t chunks = (uint32_t)hz_min(hz_load_relaxed(&pool.chunks), CHUNKS_MAX);
  for (uint32_t chunk = 0; chunk < chunks; chunk++) {
    pages += pages_purge(chunk);
    memset(in_hand[chunk], 0, sizeof in_hand[chunk]);
  }
  hz_store_release(&pool.purging, 0u);
  return pages * page_bytes();
}

void hz4_magazine_after_fork_child(void) {
  pool.purging = pool.cold_pages = 0;
  for (uint32_t chunk = 0; chunk < hz_min(pool.chunks, CHUNKS_MAX); chunk++) {
    memset(in_hand[chunk], 0, sizeof in_hand[chunk]);
    pool.cold_pages += (uint32_t)__builtin_popcount(cold[chunk]);
  }
}
