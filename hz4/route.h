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
#include "common/sizeclass/sizeclass.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/self.h"
#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// Out of line (slow.c): whatever the hot paths below do not do.
void *hz4_alloc_slow(size_t bytes, enum hz_api api);
void hz4_free_slow(void *p, enum hz_api api);

// What free must know of a pointer, from one load.
struct hz4_known {
  intptr_t bin;    // tag as a signed byte: 1..88 a class; 0, -1, -2 no bin of ours
  uint32_t offset; // of p from its span's start
  uint32_t limit16;
};

// Requires: granule < hz_arena.end.
HZ_INLINE struct hz4_known hz4_know(const void *p, uint64_t granule) {
  uint64_t word = hz_load_relaxed((uint64_t *)(void *)&hz_arena.granules[granule]);
  struct hz4_known known;
  known.bin = (int8_t)(word >> 48);
  known.offset = (uint32_t)(((word >> 32) & 0xffff) << HZ_GRANULE_SHIFT) |
                 (uint32_t)((uintptr_t)p & (HZ_GRANULE_BYTES - 1));
  known.limit16 = (uint32_t)word;
  return known;
}

// Whether p starts a block that has been handed out. Requires: known.bin is a class.
HZ_INLINE bool hz4_is_block(struct hz4_known known) {
  return hz4_is_block_start((unsigned)known.bin, known.offset) && known.offset / 16 < known.limit16;
}

HZ_INLINE void *hz4_alloc(size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES))
    return hz4_alloc_slow(bytes, api);
  unsigned cls = hz_class_of(bytes);
  uintptr_t cache = hz4_self.cache;
  void *p = HZ_LIKELY(!(cache & 1)) ? hz4_thread_pop((struct hz4_cache *)cache, cls)
                                    : hz4_cpu_pop(cache, cls);
  if (HZ_UNLIKELY(p == NULL))
    return hz4_alloc_slow(bytes, api);
  return p;
}

HZ_INLINE void hz4_free(void *p, enum hz_api api) {
  uint64_t granule = hz_granule_of(p);
  if (HZ_UNLIKELY(granule >= hz_load_relaxed(&hz_arena.end))) {
    hz4_free_slow(p, api); // NULL is here too
    return;
  }
  struct hz4_known known = hz4_know(p, granule);
  uintptr_t cache = hz4_self.cache;
  if (HZ_LIKELY(!(cache & 1))) {
    // No class has a bin that is full for ever, so that it needs no test of its own.
    void ***bin = hz4_bin((struct hz4_cache *)cache, known.bin);
    void **top = *bin;
    if (HZ_UNLIKELY(hz4_top_is_full(top)) ||
        (!HZ_FAST && HZ_UNLIKELY(!hz4_is_block(known) || *top == p))) {
      hz4_free_slow(p, api);
      return;
    }
    top[1] = p;
    *bin = top + 1;
    return;
  }
  if ((!HZ_FAST && HZ_UNLIKELY(known.bin <= 0 || !hz4_is_block(known))) ||
      HZ_UNLIKELY(!hz4_cpu_push(cache, known.bin, p)))
    hz4_free_slow(p, api);
}

void *hz4_alloc_aligned(size_t align, size_t bytes, enum hz_api api);
void *hz4_alloc_zeroed(size_t bytes, enum hz_api api);
void *hz4_realloc(void *p, size_t bytes, enum hz_api api);
size_t hz4_usable(const void *p, enum hz_api api);
void hz4_free_sized(void *p, size_t align, size_t bytes, enum hz_api api);
bool hz4_trim(size_t keep_bytes);
void hz4_stats(struct hz_stats *out);

HZ_EXTERN_C_END

#endif // HZ4_ROUTE_H_
