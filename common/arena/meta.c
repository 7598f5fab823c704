// Memory for metadata: chunks between guard pages, carved from below, never given back.
//
// Owns: the chunks. Does not own: what callers put there; they keep free lists of their own.
// Thread rule: any thread; one lock (rank HZ_RANK_META), not held across system calls.
//
//   | guard | carved | next ... | guard |
//
// An overflow of the program's blocks cannot run into a chunk, nor a chunk into another.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

#define CHUNK_LEAST_BYTES (64 * HZ_KIB)
#define CHUNK_MOST_BYTES (4 * HZ_MIB)
#define CHUNK_SHARE 4 // a chunk is a quarter of what there is: few mappings, little unused

static struct {
  struct hz_lock lock;
  uintptr_t next, end; // what is left of the present chunk
  size_t bytes;        // in chunks; read without the lock as a statistic
} meta;

static void *carve(size_t bytes, size_t align) {
  uintptr_t at = hz_align_up(meta.next, align);
  if (meta.next == 0 || at + bytes > meta.end)
    return NULL;
  meta.next = at + bytes;
  return (void *)at;
}

// Returns: the first byte of a committed chunk, NULL when refused.
static void *chunk_map(size_t bytes) {
  size_t page = hz_os_page_bytes();
  unsigned char *at = (unsigned char *)hz_os_reserve(bytes + 2 * page, page);
  if (!at)
    return NULL;
  if (hz_os_commit(at + page, bytes))
    return at + page;
  hz_os_release(at, bytes + 2 * page);
  return NULL;
}

void *hz_meta_alloc(size_t bytes, size_t align) {
  HZ_ASSERT(hz_is_pow2(align) && align <= hz_max(hz_os_page_bytes(), 4096));
  if (bytes > PTRDIFF_MAX / 2)
    return NULL;
  hz_lock_acquire(&meta.lock, HZ_RANK_META);
  void *p = carve(bytes, align);
  size_t have = meta.bytes;
  hz_lock_release(&meta.lock, HZ_RANK_META);
  if (p)
    return p;
  size_t page = hz_max(hz_os_page_bytes(), 4096);
  size_t need = hz_align_up(bytes, page);
  size_t wish =
      hz_align_up(hz_clamp(have / CHUNK_SHARE, CHUNK_LEAST_BYTES, CHUNK_MOST_BYTES), page);
  size_t size = hz_max(need, wish);
  void *chunk = chunk_map(size);
  if (!chunk && size > need) {
    size = need;
    chunk = chunk_map(size);
  }
  if (!chunk)
    return NULL;
  uintptr_t rest = (uintptr_t)chunk + bytes, end = (uintptr_t)chunk + size;
  hz_lock_acquire(&meta.lock, HZ_RANK_META);
  hz_store_relaxed(&meta.bytes, meta.bytes + size); // read by hz_meta_bytes
  if (end - rest > meta.end - meta.next) {          // of two rests the larger one stays
    meta.next = rest;
    meta.end = end;
  }
  hz_lock_release(&meta.lock, HZ_RANK_META);
  return chunk;
}

size_t hz_meta_bytes(void) {
  return hz_load_relaxed(&meta.bytes);
}

void hz_meta_before_fork(void) {
  hz_lock_acquire(&meta.lock, HZ_RANK_META);
}
void hz_meta_after_fork_parent(void) {
  hz_lock_release(&meta.lock, HZ_RANK_META);
}
// Released, not reset: a reset forgets the ranks of the locks that this thread still holds.
void hz_meta_after_fork_child(void) {
  hz_lock_release(&meta.lock, HZ_RANK_META);
}
