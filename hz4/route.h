// The one place where malloc and free choose their way. A block's life:
//
//   malloc(n)  n > 128 KiB ───────────────────────────────> Large (common/large)
//              else class = table[n]: Small below 2 KiB, Mid above
//                    own bin, or this CPU's bin ──[empty]──> previous → depot → spans of Small or
//                    Mid → arena
//   free(p)    record = granules[(p - base) >> 16]           (out of range: a fault)
//              tag = class      own bin, or this CPU's ──[full]──> previous → depot → spans → arena
//              tag = LARGE      ────────────────────────────> Large
//              tag = NONE, or p starts no block: a fault
//
// By address alone: no header is read, no foreign memory is touched. Small and Mid share the bins'
// code, since a class is a number to them, and nothing behind them.
//
// Owns: the two hot paths. Left of each [ ] there is no lock, no counter, no call.
// Thread rule: any thread.
#ifndef HZ4_ROUTE_H_
#define HZ4_ROUTE_H_

#include <string.h>

#include "common/abi/stats.h"
#include "common/arena/arena.h"
#include "common/fail/fail.h"
#include "common/guard/guard.h"
#include "common/sizeclass/sizeclass.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/observe.h"
#include "hz4/self.h"
#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// Out of line (slow.c): whatever the hot paths below do not do.
void *hz4_alloc_slow(size_t bytes, enum hz_api api);
void *hz4_class_slow(unsigned cls, enum hz_api api); // of hz4_class_alloc
void hz4_free_slow(void *p, enum hz_api api);
void hz4_free_full(void *p, intptr_t bin, enum hz_api api); // its bin is full
void hz4_free_sized_slow(void *p, size_t align, size_t bytes, enum hz_api api);

// A word that others may write while we read it, on the hot path. Plain, because the compiler folds
// a plain load into the instruction that needs it and an atomic one never; aligned, so it is one
// load.
#ifdef __SANITIZE_THREAD__
#define HZ4_HOT_LOAD(p) hz_load_relaxed(p)
#else
#define HZ4_HOT_LOAD(p) (*(p))
#endif

// Returns: p's class, HZ_CLASS_NONE for a large block; ends the process for any other pointer.
unsigned hz4_class_checked(void *p, enum hz_api api);
// Returns: a large block, NULL when memory is exhausted.
void *hz4_route_alloc_large(size_t bytes, size_t align, bool zero, enum hz_api api);
// Effect: the process is ready, and the thread has bins. Returns: false inside our own
// initialisation.
bool hz4_route_enter(void);

// What free must know of a pointer: its bin, and whether it starts a block that has been handed
// out. Each field of the record is a load of its own: they lie in one line, none waits for another,
// and the compiler folds them into the instructions that need them.

// Requires: granule < hz_arena.end. Returns: the tag as a signed byte: 1..124 a class; 0, -1, -2 no
// bin of ours.
HZ_INLINE intptr_t hz4_bin_of(const struct hz_granule *record) {
  return (int8_t)HZ4_HOT_LOAD(&record->tag);
}

// Requires: bin is record's. Returns: false also where bin is no class.
HZ_INLINE bool hz4_is_block(const struct hz_granule *record, intptr_t bin, const void *p) {
  uint32_t offset =
      (uint32_t)HZ4_HOT_LOAD(&record->index) << HZ_GRANULE_SHIFT | (uint16_t)(uintptr_t)p;
  return hz4_is_block_start(bin, offset) && offset / 16 < HZ4_HOT_LOAD(&record->limit16);
}

// Returns: a block of the bin, NULL when it is empty.
HZ_INLINE void *hz4_class_hit(intptr_t bin) {
  uintptr_t cache = hz4_self.cache;
  void *p = HZ_LIKELY(!(cache & 1)) ? hz4_thread_pop((struct hz4_cache *)cache, bin)
                                    : hz4_cpu_pop(cache, bin);
  if (HZ_UNLIKELY(p == NULL))
    return NULL;
  hz4_observe_hit(bin, true);
  return p;
}

// The same by size, and NULL when that is no class's: hz4_alloc_slow may have a block.
HZ_INLINE void *hz4_route_hit(size_t bytes) {
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES))
    return NULL;
  return hz4_class_hit((intptr_t)hz_class_by(hz4_self.classes, bytes));
}

// A block of the class, which need not be one of requests.
HZ_INLINE void *hz4_class_alloc(unsigned cls, enum hz_api api) {
  void *p = hz4_class_hit((intptr_t)cls);
  return HZ_LIKELY(p != NULL) ? p : hz4_class_slow(cls, api);
}

HZ_INLINE void *hz4_route_alloc(size_t bytes, enum hz_api api) {
  void *p = hz4_route_hit(bytes);
  return HZ_LIKELY(p != NULL) ? p : hz4_alloc_slow(bytes, api);
}

// What free and sized delete share. sized (a constant): the caller says that it is of class
// `wanted`.
HZ_INLINE void hz4_route_free_as(void *p, bool sized, intptr_t wanted, size_t align, size_t bytes,
                                 enum hz_api api) {
  const struct hz_granule *record;
  intptr_t bin;
  uintptr_t cache;
  uint64_t granule = hz_granule_of(p);
  if (HZ_UNLIKELY(granule >= HZ4_HOT_LOAD(&hz_arena.end)))
    goto slow; // NULL is here too
  record = &hz_arena.granules[granule];
  // The bin that the caller names is at hand sooner than that of the record. It is a class, so the
  // block is looked at before the bin; else the bin tells what is no class.
  bin = sized ? wanted : hz4_bin_of(record);
  if (sized && HZ_UNLIKELY(HZ4_HOT_LOAD(&record->tag) != wanted || !hz4_is_block(record, bin, p)))
    goto slow; // one of another set too
  cache = hz4_self.cache;
  if (HZ_LIKELY(!(cache & 1))) {
    void **top = *hz4_bin((struct hz4_cache *)cache, bin);
    // What is no class has a bin that is full for ever, so that it needs no test of its own.
    if (HZ_UNLIKELY(hz4_top_is_full(top))) {
      hz4_free_full(p, bin, api);
      return;
    }
    if (!HZ_FAST && HZ_UNLIKELY((!sized && !hz4_is_block(record, bin, p)) || *top == p))
      goto slow;
    top[1] = p;
    *hz4_bin_again((struct hz4_cache *)cache, bin) = top + 1;
  } else if ((!HZ_FAST && !sized && HZ_UNLIKELY(!hz4_is_block(record, bin, p))) ||
             HZ_UNLIKELY(!hz4_cpu_push(cache, bin, p))) {
    goto slow;
  }
  hz4_observe_hit(bin, false);
  return;
slow:
  if (!sized)
    hz4_free_slow(p, api);
  else
    hz4_free_sized_slow(p, align, bytes, api);
}

HZ_INLINE void hz4_route_free(void *p, enum hz_api api) {
  hz4_route_free_as(p, false, 0, 0, 0, api);
}

// ---- what the surface calls: the routes, behind the guard in `hardened`

HZ_INLINE void *hz4_alloc(size_t bytes, enum hz_api api) {
  return HZ_HARDENED ? hz_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api) : hz4_route_alloc(bytes, api);
}
// The hot path of hz4_alloc alone, for operator new (common/abi): sealed blocks have none.
#define HZ_ABI_HAS_HIT (!HZ_HARDENED)
HZ_INLINE void *hz4_alloc_hit(size_t bytes) {
  return hz4_route_hit(bytes);
}
HZ_INLINE void hz4_free(void *p, enum hz_api api) {
  if (HZ_HARDENED)
    hz_guard_free(p, api);
  else
    hz4_route_free(p, api);
}
// The same, and a size that the block cannot have been asked for ends the process (not in fast).
// Sizes and alignments beyond the common case are looked at out of line.
HZ_INLINE void hz4_free_sized(void *p, size_t align, size_t bytes, enum hz_api api) {
  if (HZ_HARDENED)
    hz_guard_free_sized(p, bytes, api);
  else if (HZ_FAST)
    hz4_route_free(p, api);
  else if (HZ_LIKELY(align <= HZ_MIN_ALIGN_BYTES && bytes <= HZ_CLASS_MAX_BYTES))
    hz4_route_free_as(p, true, (intptr_t)hz_class_by(hz4_self.classes, bytes), align, bytes, api);
  else
    hz4_free_sized_slow(p, align, bytes, api);
}

void *hz4_alloc_aligned(size_t align, size_t bytes, enum hz_api api);
void *hz4_alloc_zeroed(size_t bytes, enum hz_api api);
void *hz4_realloc(void *p, size_t bytes, enum hz_api api);
size_t hz4_usable(const void *p, enum hz_api api);
bool hz4_trim(size_t keep_bytes);
void hz4_stats(struct hz_stats *out);

HZ_EXTERN_C_END

#endif // HZ4_ROUTE_H_
