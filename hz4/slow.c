// What stands behind the hot paths of route.h: first use, large blocks, misses, and the naming of
// faults.
#include <errno.h>
#include <limits.h>

#include "common/large/large.h"
#include "hz4/custody.h"
#include "hz4/front.h"
#include "hz4/init.h"
#include "hz4/observe.h"
#include "hz4/route.h"
#include "hz4/shared.h"
#include "hz4/tick.h"

static void *no_memory(void) {
  errno = ENOMEM;
  return NULL;
}

bool hz4_route_enter(void) {
  if (HZ_UNLIKELY(hz4_self.state == HZ4_STATE_NEW)) {
    if (!hz4_init())
      return false;
    hz4_front_enter();
  } else if (HZ_UNLIKELY(hz4_self.state ==
                         (hz_load_relaxed(&hz4_front.crowded) ? HZ4_STATE_OWN : HZ4_STATE_CPU))) {
    hz4_front_change_over();
  }
  return true;
}

// The same, and *moved: the thread has other bins than when the hot path looked, which may hold
// what another thread left there: it is to look again.
static bool enter(bool *moved) {
  uint8_t before = hz4_self.state;
  bool ready = hz4_route_enter();
  *moved = hz4_self.state != before;
  return ready;
}

// Effect: short blocks are those of the set of the CPU that the thread runs on, which may be
// another than before. Returns: whether it is.
static bool follow_cpu(void) {
  if (hz4_self.state != HZ4_STATE_CPU)
    return false;
  const uint8_t *before = hz4_self.classes;
  hz4_self.classes = hz_class_tables[hz4_cpu_here()->set];
  return hz4_self.classes != before;
}

static void *large_alloc(size_t bytes, size_t align, bool zero) {
  hz4_tick(hz_os_now_ms());
  uint64_t began = hz4_timed_begin(HZ4_TIMED_LARGE);
  void *p = hz_large_alloc(bytes, align, zero);
  if (HZ_UNLIKELY(!p) && hz4_trim_all() > 0)
    p = hz_large_alloc(bytes, align, zero);
  hz4_timed_end(HZ4_TIMED_LARGE, began);
  return p ? p : no_memory();
}

void *hz4_route_alloc_large(size_t bytes, size_t align, bool zero, enum hz_api api) {
  if (HZ_UNLIKELY(!hz4_route_enter()))
    return NULL;
  hz4_self.api = (uint8_t)api;
  return large_alloc(hz_max(bytes, HZ_CLASS_MAX_BYTES + 1), align, zero);
}

static void *class_alloc(unsigned cls) {
  void *p = NULL;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_REFILL);
  if (hz4_self.state == HZ4_STATE_OWN)
    p = hz4_thread_miss(cls);
  else if (hz4_self.state == HZ4_STATE_CPU)
    p = hz4_cpu_miss(cls);
  else if (hz4_shared_take(cls, 0, &p, 1) == 0)
    p = NULL;
  else
    hz4_observe_part(cls, HZ4_SEEN_BARE_ALLOC);
  hz4_timed_end(HZ4_TIMED_REFILL, began);
  return p ? p : no_memory();
}

HZ_NOINLINE void *hz4_alloc_slow(size_t bytes, enum hz_api api) {
  bool moved;
  if (HZ_UNLIKELY(!enter(&moved)))
    return no_memory();
  if (HZ_UNLIKELY(follow_cpu() || moved))
    return hz4_route_alloc(bytes, api);
  hz4_self.api = (uint8_t)api;
  if (bytes > HZ_CLASS_MAX_BYTES)
    return large_alloc(bytes, HZ_MIN_ALIGN_BYTES, false);
  return class_alloc(hz_class_by(hz4_self.classes, bytes));
}

HZ_NOINLINE void *hz4_class_slow(unsigned cls, enum hz_api api) {
  bool moved;
  if (HZ_UNLIKELY(!enter(&moved)))
    return no_memory();
  if (HZ_UNLIKELY(moved))
    return hz4_class_alloc(cls, api);
  hz4_self.api = (uint8_t)api;
  return class_alloc(cls);
}

// ---- free

// Returns: hz4_span.large_start of a block that begins at p; no value of such a field if none can.
static unsigned large_start(const void *p) {
  uintptr_t offset = (uintptr_t)p & (HZ_GRANULE_BYTES - 1);
  return offset % HZ_LINE_BYTES == 0 ? (unsigned)(offset / HZ_LINE_BYTES) + 1 : UINT_MAX;
}

// Names why p cannot be freed. Requires: p is in the arena, its tag no class.
static _Noreturn void fault_untagged(void *p, uint64_t granule, enum hz_api api) {
  const struct hz_granule *record = &hz_arena.granules[granule];
  uint8_t tag = hz_load_relaxed(&record->tag);
  if (tag == HZ_TAG_NONE && !(hz_load_relaxed(&record->flags) & HZ_LARGE_WAS_FREED)) {
    // The run went back whole; its descriptors still say what it was.
    const struct hz4_span *d = hz4_span_at(granule);
    uint32_t offset =
        (uint32_t)d->index << HZ_GRANULE_SHIFT | (uint32_t)((uintptr_t)p & (HZ_GRANULE_BYTES - 1));
    if (d->large_start ? d->large_start == large_start(p)
                       : d->cls != HZ_CLASS_NONE && hz4_is_block_start(d->cls, offset))
      hz_fail_double_free(p, d->large_start ? 0 : hz_class_bytes(d->cls), api);
    hz_fail_invalid_free(p, 0, api);
  }
  (void)hz_large_usable(p, api); // names the fault
  hz_fail_corrupt(p, "granule record");
}

unsigned hz4_class_checked(void *p, enum hz_api api) {
  uint64_t granule = hz_granule_of(p);
  if (HZ_UNLIKELY(granule >= hz_load_relaxed(&hz_arena.end)))
    hz_fail_foreign_pointer(p, api);
  const struct hz_granule *record = &hz_arena.granules[granule];
  intptr_t bin = hz4_bin_of(record);
  if (HZ_LIKELY(bin > 0)) {
    if (HZ_UNLIKELY(!hz4_is_block(record, bin, p)))
      hz_fail_invalid_free(p, hz_class_bytes((unsigned)bin), api);
    return (unsigned)bin;
  }
  if (HZ_UNLIKELY((uint8_t)bin != HZ_TAG_LARGE))
    fault_untagged(p, granule, api);
  return HZ_CLASS_NONE;
}

static void large_free(void *p, enum hz_api api) {
  hz4_observe_add(HZ4_SEEN_FREE_LARGE, 1);
  // The record forgets it when the run goes back.
  hz4_span_at(hz_granule_of(p))->large_start = (uint8_t)large_start(p);
  hz_large_free(p, api);
  hz4_tick(hz_os_now_ms());
}

static bool was_freed_just_now(unsigned cls, const void *p) {
  if (hz4_self.state == HZ4_STATE_OWN)
    return *((struct hz4_cache *)hz4_self.cache)->top[cls] == p;
  return hz4_self.state == HZ4_STATE_CPU && hz4_cpu_top_is(cls, p);
}

HZ_NOINLINE void hz4_free_slow(void *p, enum hz_api api) {
  if (p == NULL) {
    hz4_observe_add(HZ4_SEEN_FREE_NULL, 1);
    return;
  }
  unsigned cls = hz4_class_checked(p, api);
  if (cls == HZ_CLASS_NONE) {
    large_free(p, api);
    return;
  }
  bool moved;
  if (HZ_UNLIKELY(!enter(&moved)))
    return;
  if (HZ_UNLIKELY(moved)) {
    hz4_route_free(p, api);
    return;
  }
  hz4_self.api = (uint8_t)api;
  if (!HZ_FAST && HZ_UNLIKELY(was_freed_just_now(cls, p)))
    hz_fail_double_free(p, hz_class_bytes(cls), api);
  uint64_t began = hz4_timed_begin(HZ4_TIMED_HAND_OVER);
  if (hz4_self.state == HZ4_STATE_OWN) {
    hz4_thread_overflow(cls, p);
  } else if (hz4_self.state == HZ4_STATE_CPU) {
    hz4_cpu_overflow(cls, p);
  } else {
    hz4_observe_part(cls, HZ4_SEEN_BARE_FREE);
    hz4_shared_leave(cls, 0, &p, 1, hz_os_now_ms());
  }
  hz4_timed_end(HZ4_TIMED_HAND_OVER, began);
}

// The short way to what mostly follows, for a thread with a cache of its own; for all others
// hz4_free_slow, which names faults.
HZ_NOINLINE void hz4_free_full(void *p, intptr_t bin, enum hz_api api) {
  if (HZ_UNLIKELY(hz4_self.state != HZ4_STATE_OWN || hz_load_relaxed(&hz4_front.crowded) ||
                  !hz4_is_block(&hz_arena.granules[hz_granule_of(p)], bin, p) ||
                  was_freed_just_now((unsigned)bin, p))) {
    hz4_free_slow(p, api);
    return;
  }
  hz4_self.api = (uint8_t)api;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_HAND_OVER);
  hz4_thread_overflow((unsigned)bin, p);
  hz4_timed_end(HZ4_TIMED_HAND_OVER, began);
}

// ---- the rest of the surface

void *hz4_alloc_aligned(size_t align, size_t bytes, enum hz_api api) {
  if (HZ_HARDENED)
    return hz_guard_alloc(align, bytes, api);
  if (align <= HZ_MIN_ALIGN_BYTES)
    return hz4_alloc(bytes, api);
  unsigned cls = hz_class_of_aligned(bytes, align);
  if (cls != HZ_CLASS_NONE)
    return hz4_class_alloc(cls, api);
  if (HZ_UNLIKELY(!hz4_route_enter()))
    return no_memory();
  // A block that only its alignment makes large must still be larger than the classes, for realloc.
  return large_alloc(hz_max(bytes, HZ_CLASS_MAX_BYTES + 1), align, false);
}

void *hz4_alloc_zeroed(size_t bytes, enum hz_api api) {
  if (HZ_HARDENED)
    return hz_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api); // zero already
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES))
    return HZ_LIKELY(hz4_route_enter()) ? large_alloc(bytes, HZ_MIN_ALIGN_BYTES, true)
                                        : no_memory();
  void *p = hz4_alloc(bytes, api);
  return HZ_LIKELY(p != NULL) ? memset(p, 0, bytes) : NULL;
}

size_t hz4_usable(const void *p, enum hz_api api) {
  if (HZ_HARDENED)
    return hz_guard_usable(p, api);
  unsigned cls = hz4_class_checked((void *)(uintptr_t)p, api);
  return cls ? hz_class_bytes(cls) : hz_large_usable(p, api);
}

// Whether a block of `have` bytes may stay when `bytes` are asked for: it holds them and wastes
// less than half.
static bool may_stay(size_t have, size_t bytes) {
  return bytes <= have && bytes > have / 2;
}

void *hz4_realloc(void *p, size_t bytes, enum hz_api api) {
  if (HZ_HARDENED)
    return hz_guard_realloc(p, bytes, api);
  unsigned cls = hz4_class_checked(p, api);
  size_t have = cls ? hz_class_bytes(cls) : hz_large_usable(p, api);
  if (cls == HZ_CLASS_NONE && bytes > HZ_CLASS_MAX_BYTES) {
    hz4_route_enter();
    void *q = hz_large_realloc(p, bytes, api);
    return q ? q : no_memory();
  }
  if (cls != HZ_CLASS_NONE && bytes <= HZ_CLASS_MAX_BYTES &&
      (hz_class_bytes(hz_class_of(bytes)) == have || may_stay(have, bytes)))
    return p;
  void *q = hz4_alloc(bytes, api);
  if (HZ_UNLIKELY(q == NULL))
    return NULL;
  memcpy(q, p, hz_min(have, bytes));
  hz4_free(p, api);
  return q;
}

// Refuses what no call of ours can have returned for that size: too small a block, or one so large
// that realloc would not have let it stay.
static void size_checked(void *p, size_t align, size_t bytes, enum hz_api api) {
  unsigned cls = hz4_class_checked(p, api);
  size_t have = cls ? hz_class_bytes(cls) : hz_large_usable(p, api);
  bool fits = bytes <= have;
  if (cls != HZ_CLASS_NONE && align <= HZ_MIN_ALIGN_BYTES)
    fits = fits && (hz_class_bytes(hz_class_of(bytes)) == have || may_stay(have, bytes));
  if (HZ_UNLIKELY(!fits))
    hz_fail_size_mismatch(p, bytes, have, api);
}

// Whether p lies in a span of blocks of that size. Mostly: one of another set, another thread's.
static bool is_of_size(const void *p, size_t align, size_t bytes) {
  uint64_t granule = hz_granule_of(p);
  return align <= HZ_MIN_ALIGN_BYTES && bytes <= HZ_CLASS_MAX_BYTES &&
         granule < hz_load_relaxed(&hz_arena.end) &&
         hz_class_same_size((size_t)hz4_bin_of(&hz_arena.granules[granule]), hz_class_of(bytes));
}

HZ_NOINLINE void hz4_free_sized_slow(void *p, size_t align, size_t bytes, enum hz_api api) {
  if (p == NULL) {
    hz4_observe_add(HZ4_SEEN_FREE_NULL, 1);
    return;
  }
  if (!is_of_size(p, align, bytes))
    size_checked(p, align, bytes, api);
  hz4_route_free(p, api);
}

bool hz4_trim(size_t keep_bytes) {
  (void)keep_bytes; // what is kept at the top is no notion here: pages go back wherever they lie
  if (!hz4_route_enter())
    return false;
  hz4_self.api = HZ_API_MALLOC_TRIM;
  if (HZ_HARDENED)
    (void)hz_guard_relieve(HZ_API_MALLOC_TRIM);
  return hz4_trim_all() > 0;
}
