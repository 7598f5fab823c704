// malloc and its kin, for the generation that HZ_ABI names. Included by abi.h alone; see there for
// what each function means.
//
// Each definition is the generation's fast path with the public function's name as a constant:
// nothing else may stand on the way of malloc and free.
#ifndef HZ_COMMON_ABI_C_SURFACE_H_
#define HZ_COMMON_ABI_C_SURFACE_H_

#include "common/abi/report.h"
#include "common/abi/stats.h"
#include "common/base/bits.h"
#include "common/fail/fail.h"
#include "common/os/os.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef HZ_ABI_HAS_HIT
#define HZ_ABI_HAS_HIT 0
#endif

#ifndef HZ_ABI
#error "define HZ_ABI as the generation's prefix, e.g. hz3"
#endif
#define HZ_ABI_PASTE2(prefix, name) prefix##_##name
#define HZ_ABI_PASTE(prefix, name) HZ_ABI_PASTE2(prefix, name)
// HZ_P(alloc) is hz3_alloc.
#define HZ_P(name) HZ_ABI_PASTE(HZ_ABI, name)

#define HZ_EXPORT __attribute__((visibility("default")))
// What a program calls all the time begins so that it lies in one page: where it crossed into the
// next, the same instructions took a quarter longer.
#define HZ_ABI_HOT __attribute__((aligned(512)))
#define HZ_EXPORT_ALLOC(...) __attribute__((visibility("default"), malloc, alloc_size(__VA_ARGS__)))

// A second name for a function. `copy` gives it the attributes of the first where the compiler can.
#if defined(__has_attribute)
#if __has_attribute(copy)
#define HZ_ALIAS_COPY(target) , copy(target)
#endif
#endif
#ifndef HZ_ALIAS_COPY
#define HZ_ALIAS_COPY(target)
#endif
#define HZ_ALIAS(name, target)                                                                     \
  extern __typeof(target) name                                                                     \
      __attribute__((alias(#target), visibility("default") HZ_ALIAS_COPY(target)))

// What libc's headers do not declare everywhere.
void cfree(void *p);
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t align, size_t bytes);
void *reallocarray(void *p, size_t count, size_t size);

// ---- ordinary blocks ----

HZ_EXPORT_ALLOC(1) HZ_ABI_HOT void *malloc(size_t bytes) {
  return HZ_P(alloc)(bytes, HZ_API_MALLOC);
}

HZ_EXPORT HZ_ABI_HOT void free(void *p) {
  HZ_P(free)(p, HZ_API_FREE);
}

HZ_EXPORT_ALLOC(1, 2) void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (HZ_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
    return hz_abi_no_memory();
  return HZ_P(alloc_zeroed)(bytes, HZ_API_CALLOC);
}

HZ_INLINE void *hz_abi_realloc(void *p, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(p == NULL))
    return HZ_P(alloc)(bytes, api);
  if (HZ_UNLIKELY(bytes == 0)) {
    HZ_P(free)(p, api);
    return NULL;
  }
  return HZ_P(realloc)(p, bytes, api);
}

HZ_EXPORT __attribute__((alloc_size(2))) void *realloc(void *p, size_t bytes) {
  return hz_abi_realloc(p, bytes, HZ_API_REALLOC);
}

HZ_EXPORT __attribute__((alloc_size(2, 3))) void *reallocarray(void *p, size_t count, size_t size) {
  size_t bytes;
  if (HZ_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
    return hz_abi_no_memory(); // p stays the program's
  return hz_abi_realloc(p, bytes, HZ_API_REALLOCARRAY);
}

HZ_EXPORT void cfree(void *p) {
  HZ_P(free)(p, HZ_API_CFREE);
}

HZ_EXPORT void free_sized(void *p, size_t bytes) {
  HZ_P(free_sized)(p, 0, bytes, HZ_API_FREE_SIZED);
}

HZ_EXPORT void free_aligned_sized(void *p, size_t align, size_t bytes) {
  HZ_P(free_sized)(p, align, bytes, HZ_API_FREE_ALIGNED_SIZED);
}

// ---- aligned blocks ----

HZ_EXPORT int posix_memalign(void **out, size_t align, size_t bytes) {
  if (!hz_is_pow2(align) || align < sizeof(void *))
    return EINVAL;
  int saved = errno; // POSIX wants the result, not errno
  void *p = HZ_P(alloc_aligned)(align, bytes, HZ_API_POSIX_MEMALIGN);
  errno = saved;
  if (p == NULL)
    return ENOMEM;
  *out = p;
  return 0;
}

HZ_EXPORT_ALLOC(2) void *aligned_alloc(size_t align, size_t bytes) {
  if (HZ_UNLIKELY(!hz_is_pow2(align)))
    return hz_abi_bad_argument();
  return HZ_P(alloc_aligned)(align, bytes, HZ_API_ALIGNED_ALLOC);
}

HZ_EXPORT_ALLOC(2) void *memalign(size_t align, size_t bytes) {
  if (HZ_UNLIKELY(!hz_is_pow2(align))) {
    if (align > (size_t)1 << 63)
      return hz_abi_bad_argument(); // no power of two above it
    align =
        align <= HZ_MIN_ALIGN_BYTES ? HZ_MIN_ALIGN_BYTES : (size_t)2 << hz_log2_floor(align - 1);
  }
  return HZ_P(alloc_aligned)(align, bytes, HZ_API_MEMALIGN);
}

HZ_EXPORT_ALLOC(1) void *valloc(size_t bytes) {
  return HZ_P(alloc_aligned)(hz_os_page_bytes(), bytes, HZ_API_VALLOC);
}

HZ_EXPORT __attribute__((malloc)) void *pvalloc(size_t bytes) {
  size_t page = hz_os_page_bytes();
  if (HZ_UNLIKELY(bytes > SIZE_MAX - page))
    return hz_abi_no_memory();
  return HZ_P(alloc_aligned)(page, hz_align_up(hz_max(bytes, 1), page), HZ_API_PVALLOC);
}

// ---- questions and figures ----

HZ_EXPORT size_t malloc_usable_size(void *p) {
  return p == NULL ? 0 : HZ_P(usable)(p, HZ_API_USABLE_SIZE);
}

HZ_EXPORT int malloc_trim(size_t keep_bytes) {
  return HZ_P(trim)(keep_bytes) ? 1 : 0;
}

HZ_EXPORT int mallopt(int name, int value) {
  return hz_abi_mallopt(name, value);
}

HZ_EXPORT void malloc_stats(void) {
  struct hz_stats stats = {0};
  HZ_P(stats)(&stats);
  hz_stats_write_text(STDERR_FILENO, &stats);
}

HZ_EXPORT int malloc_info(int options, FILE *out) {
  if (options != 0 || out == NULL)
    return EINVAL;
  struct hz_stats stats = {0};
  HZ_P(stats)(&stats);
  hz_stats_write_xml(out, &stats);
  return 0;
}

#ifdef __GLIBC__

HZ_INLINE int hz_abi_saturated(size_t value) {
  return value > INT_MAX ? INT_MAX : (int)value;
}

HZ_INLINE struct hz_mallinfo hz_abi_mallinfo(void) {
  struct hz_stats stats = {0};
  struct hz_mallinfo info;
  HZ_P(stats)(&stats);
  hz_stats_mallinfo(&stats, &info);
  return info;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
HZ_EXPORT struct mallinfo mallinfo(void) {
  struct hz_mallinfo info = hz_abi_mallinfo();
  return (struct mallinfo){
      .arena = hz_abi_saturated(info.arena),
      .ordblks = hz_abi_saturated(info.ordblks),
      .smblks = hz_abi_saturated(info.smblks),
      .hblks = hz_abi_saturated(info.hblks),
      .hblkhd = hz_abi_saturated(info.hblkhd),
      .usmblks = hz_abi_saturated(info.usmblks),
      .fsmblks = hz_abi_saturated(info.fsmblks),
      .uordblks = hz_abi_saturated(info.uordblks),
      .fordblks = hz_abi_saturated(info.fordblks),
      .keepcost = hz_abi_saturated(info.keepcost),
  };
}
#pragma GCC diagnostic pop

#if __GLIBC_PREREQ(2, 33)
HZ_EXPORT struct mallinfo2 mallinfo2(void) {
  struct hz_mallinfo info = hz_abi_mallinfo();
  return (struct mallinfo2){
      .arena = info.arena,
      .ordblks = info.ordblks,
      .smblks = info.smblks,
      .hblks = info.hblks,
      .hblkhd = info.hblkhd,
      .usmblks = info.usmblks,
      .fsmblks = info.fsmblks,
      .uordblks = info.uordblks,
      .fordblks = info.fordblks,
      .keepcost = info.keepcost,
  };
}
#else
// The C library has no mallinfo2 yet; the same layout under the same name serves programs built
// elsewhere.
struct hz_mallinfo mallinfo2(void);
HZ_EXPORT struct hz_mallinfo mallinfo2(void) {
  return hz_abi_mallinfo();
}
#endif

// ---- glibc's inner names ----

HZ_ALIAS(__libc_malloc, malloc);
HZ_ALIAS(__libc_free, free);
HZ_ALIAS(__libc_calloc, calloc);
HZ_ALIAS(__libc_realloc, realloc);
HZ_ALIAS(__libc_memalign, memalign);
HZ_ALIAS(__libc_valloc, valloc);
HZ_ALIAS(__libc_pvalloc, pvalloc);
HZ_ALIAS(__posix_memalign, posix_memalign);

#endif // __GLIBC__

#endif // HZ_COMMON_ABI_C_SURFACE_H_
