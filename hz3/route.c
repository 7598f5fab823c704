// The slow routes, and those that are not worth inlining. See route.h.
#include "hz3/route.h"

#include <errno.h>
#include <string.h>

#include "common/large/large.h"
#include "hz3/init.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/tick.h"
#include "hz3/transfer.h"

// From this size on a block that was never used is looked for before one is cleared.
#define ZEROED_BYTES_MIN ((size_t)4096)

// ---- what a pointer is ----

#define IS_LARGE HZ_CLASS_NONE

static bool is_class(unsigned tag) {
  return tag >= HZ_CLASS_FIRST && tag <= HZ_CLASS_LAST;
}

// Of what is no block of a class: the large part may know it, or the process ends.
static HZ_COLD unsigned class_of_others(const void *p, enum hz_api api) {
  uint64_t granule = hz_granule_of(p);
  if (granule >= hz_load_relaxed(&hz_arena.end))
    hz_fail_foreign_pointer(p, api);
  const struct hz_granule *record = &hz_arena.granules[granule];
  unsigned tag = hz_load_relaxed(&record->tag), was = hz_load_relaxed(&record->flags);
  uint32_t at = hz3_offset_in_span(record, (uintptr_t)p - hz_arena.base);
  if (tag == HZ_TAG_NONE && is_class(was) && hz3_is_block(record, at, was))
    hz_fail_double_free(p, hz_class_bytes(was), api); // of a span that ran empty since
  if (is_class(tag))
    hz_fail_invalid_free(p, hz_class_bytes(tag), api);
  return IS_LARGE;
}

// hz3_block_class, for those here: a server that counts its memory asks for every block's size.
HZ_INLINE unsigned block_class(const void *p, enum hz_api api) {
  uintptr_t offset = (uintptr_t)p - hz_arena.base;
  uint64_t granule = offset >> HZ_GRANULE_SHIFT;
  if (HZ_LIKELY(granule < HZ3_PEEK(hz_arena.end))) {
    const struct hz_granule *record = &hz_arena.granules[granule];
    unsigned tag = HZ3_PEEK(record->tag);
    if (HZ_LIKELY(is_class(tag) && hz3_is_block(record, hz3_offset_in_span(record, offset), tag)))
      return tag;
  }
  return class_of_others(p, api);
}

unsigned hz3_block_class(const void *p, enum hz_api api) {
  return block_class(p, api);
}

static void *out_of_memory(void) {
  errno = ENOMEM;
  return NULL;
}

// ---- alloc ----

static void *large_alloc(size_t bytes, size_t align, bool zero) {
  if (!hz3_init_ensure())
    return out_of_memory();
  void *p = hz_large_alloc(bytes, align, zero);
  hz3_count_seen(HZ3_SEEN_LARGE_ALLOC);
  hz3_tick_maybe();
  return p ? p : out_of_memory();
}

static void *class_alloc(struct hz3_cache *c, unsigned cls) {
  if (!c && !hz3_init_ensure())
    return out_of_memory();
  void *p = c ? hz3_cache_miss(c, cls) : hz3_uncached_alloc(cls);
  return p ? p : out_of_memory();
}

HZ_NOINLINE void *hz3_class_slow(unsigned cls) {
  return class_alloc(hz3_cache_get(), cls);
}

HZ_NOINLINE void *hz3_alloc_slow(size_t bytes, enum hz_api api) {
  (void)api;
  if (bytes > HZ_CLASS_MAX_BYTES)
    return large_alloc(bytes, HZ_MIN_ALIGN_BYTES, false);
  struct hz3_cache *c = hz3_cache_get(); // the first time it says of which set
  return class_alloc(c, hz_class_by(hz3_self.classes, bytes));
}

void *hz3_block_aligned(size_t align, size_t bytes, enum hz_api api) {
  if (align <= HZ_MIN_ALIGN_BYTES)
    return hz3_block_alloc(bytes, api);
  unsigned cls = hz_class_of_aligned(bytes, align);
  if (cls != HZ_CLASS_NONE)
    return hz3_class_alloc(cls);
  return large_alloc(bytes, align, false);
}

// A block that was never used, for calloc: it need not be cleared, and what a program never touches
// of it costs no memory. NULL where one that was used lies free: to clear that is cheaper than to
// have a page.
static void *alloc_fresh(unsigned cls, bool *zeroed) {
  struct hz3_cache *c = hz3_cache_get();
  // Relaxed: hints.
  if (!c || *c->tops[cls] != NULL || hz_load_relaxed(&hz3_transfer[cls].blocks) != 0)
    return NULL;
  const struct hz3_shelf *s = hz3_shelf_here(c);
  if (s && hz_load_relaxed(&s->rows[cls].count) != 0)
    return NULL;
  void *p = hz3_span_take_fresh(c->heap, cls, zeroed);
  if (p)
    hz3_tick_maybe();
  return p;
}

void *hz3_block_zeroed(size_t bytes, enum hz_api api) {
  if (bytes > HZ_CLASS_MAX_BYTES)
    return large_alloc(bytes, HZ_MIN_ALIGN_BYTES, true);
  bool zeroed = false;
  void *p = NULL;
  unsigned cls = hz_class_of(bytes);
  if (bytes >= ZEROED_BYTES_MIN)
    p = alloc_fresh(cls, &zeroed);
  if (!p)
    p = hz3_block_alloc(bytes, api);
  return p && !zeroed ? memset(p, 0, bytes) : p;
}

// ---- free ----

static void large_free(void *p, enum hz_api api) {
  hz_large_free(p, api);
  hz3_count_seen(HZ3_SEEN_LARGE_FREE);
  hz3_tick_maybe();
}

HZ_NOINLINE void hz3_free_slow(void *p, enum hz_api api) {
  if (p == NULL) {
    hz3_count_seen(HZ3_SEEN_NULL_FREE);
    return;
  }
  unsigned cls = block_class(p, api);
  if (cls == IS_LARGE) {
    large_free(p, api);
    return;
  }
  struct hz3_cache *c = hz3_cache_get();
  if (!c) {
    hz3_uncached_free(cls, p, api);
    return;
  }
  void **top = c->tops[cls];
  if (*top == p)
    hz_fail_double_free(p, hz_class_bytes(cls), api);
  hz3_cache_flush(c, cls, p, api);
}

// ---- sizes ----

size_t hz3_block_usable(const void *p, enum hz_api api) {
  unsigned cls = block_class(p, api);
  return cls == IS_LARGE ? hz_large_usable(p, api) : hz_class_bytes(cls);
}

// Ends the process when a block that was asked for with this size and alignment cannot lie at p. A
// block may be given back by the size it was asked for or, after realloc has left it in its place,
// by one that is up to half as large. What operator new made was never reallocated.
static void size_check(const void *p, size_t align, size_t bytes, enum hz_api api) {
  unsigned cls = block_class(p, api), asked = IS_LARGE;
  if (bytes <= HZ_CLASS_MAX_BYTES)
    asked = align <= HZ_MIN_ALIGN_BYTES ? hz_class_of(bytes) : hz_class_of_aligned(bytes, align);
  size_t usable = cls == IS_LARGE ? hz_large_usable(p, api) : hz_class_bytes(cls);
  bool exact = api == HZ_API_DELETE || api == HZ_API_DELETE_ARRAY;
  bool possible = hz_class_same_size(asked, cls) || (!exact && bytes >= usable / 2);
  if (bytes > usable || !possible)
    hz_fail_size_mismatch(p, bytes, usable, api);
}

HZ_NOINLINE void hz3_free_sized_slow(void *p, size_t align, size_t bytes, enum hz_api api) {
  if (p == NULL)
    return;
  size_check(p, align, bytes, api);
  hz3_free_as(p, false, 0, 0, 0, api);
}

// ---- realloc ----

static void *move_block(void *p, size_t keep, size_t bytes, enum hz_api api) {
  void *q = hz3_block_alloc(bytes, api);
  if (!q)
    return NULL;
  memcpy(q, p, keep);
  hz3_block_free(p, api);
  return q;
}

static void *large_realloc(void *p, size_t bytes, enum hz_api api) {
  size_t usable = hz_large_usable(p, api);
  // What its alignment alone made large may be small.
  if (bytes <= HZ_CLASS_MAX_BYTES)
    return bytes <= usable && bytes >= usable / 2
               ? p
               : move_block(p, hz_min(bytes, usable), bytes, api);
  void *q = hz_large_realloc(p, bytes, api);
  hz3_tick_maybe();
  return q ? q : out_of_memory();
}

void *hz3_block_realloc(void *p, size_t bytes, enum hz_api api) {
  unsigned cls = block_class(p, api);
  if (cls == IS_LARGE)
    return large_realloc(p, bytes, api);
  size_t usable = hz_class_bytes(cls);
  if (bytes <= usable && (bytes >= usable / 2 || hz_class_bytes(hz_class_of(bytes)) == usable))
    return p;
  return move_block(p, hz_min(bytes, usable), bytes, api);
}
