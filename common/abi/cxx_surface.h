// Every operator new and delete of C++17, under their mangled names (Itanium C++ ABI, 64-bit
// size_t), for the generation that HZ_ABI names. In C, so that a C program needs no C++ runtime.
// Included by abi.h alone; see there for what each function means. A program's own definition comes
// first, as ELF has it.
//
//   new:    plain, array   x   -, nothrow                    x   -, aligned      8 functions
//   delete: plain, array   x   -, nothrow, sized             x   -, aligned     12 functions
#ifndef HZ_COMMON_ABI_CXX_SURFACE_H_
#define HZ_COMMON_ABI_CXX_SURFACE_H_

#include "common/abi/c_surface.h"

// ---- new ----

// Out of line: memory ran out. Goes round as long as the program's handler gives hope.
static HZ_COLD void *HZ_P(new_slow)(size_t bytes, size_t align, enum hz_api api, bool may_throw) {
  while (hz_new_handler_run(bytes, may_throw)) {
    void *p = align == 0 ? HZ_P(alloc)(bytes, api) : HZ_P(alloc_aligned)(align, bytes, api);
    if (p != NULL)
      return p;
  }
  return NULL;
}

#if HZ_ABI_HAS_HIT
// Out of line, in tail position: the thread's cache had nothing.
static HZ_NOINLINE void *HZ_P(new_miss)(size_t bytes, enum hz_api api, bool may_throw) {
  void *p = HZ_P(alloc)(bytes, api);
  return HZ_LIKELY(p != NULL) ? p : HZ_P(new_slow)(bytes, 0, api, may_throw);
}

HZ_INLINE void *hz_abi_new(size_t bytes, enum hz_api api, bool may_throw) {
  void *p = HZ_P(alloc_hit)(bytes);
  return HZ_LIKELY(p != NULL) ? p : HZ_P(new_miss)(bytes, api, may_throw);
}
#else
HZ_INLINE void *hz_abi_new(size_t bytes, enum hz_api api, bool may_throw) {
  void *p = HZ_P(alloc)(bytes, api);
  return HZ_LIKELY(p != NULL) ? p : HZ_P(new_slow)(bytes, 0, api, may_throw);
}
#endif

// An alignment that is no power of two is undefined for C++; here it is a request that never
// succeeds.
HZ_INLINE void *hz_abi_new_aligned(size_t bytes, size_t align, enum hz_api api, bool may_throw) {
  if (HZ_UNLIKELY(!hz_is_pow2(align)))
    return HZ_P(new_slow)(SIZE_MAX, 0, api, may_throw);
  void *p = HZ_P(alloc_aligned)(align, bytes, api);
  return HZ_LIKELY(p != NULL) ? p : HZ_P(new_slow)(bytes, align, api, may_throw);
}

// std::nothrow_t const & and std::align_val_t, as C sees them.
typedef const void *hz_nothrow;
typedef size_t hz_align;

#define HZ_NEW(name, parameters, expression)                                                       \
  void *name parameters;                                                                           \
  HZ_EXPORT_ALLOC(1) void *name parameters {                                                       \
    return expression;                                                                             \
  }

HZ_ABI_HOT void *_Znwm(size_t bytes);
HZ_ABI_HOT void *_Znam(size_t bytes);
HZ_NEW(_Znwm, (size_t bytes), hz_abi_new(bytes, HZ_API_NEW, true))
HZ_NEW(_Znam, (size_t bytes), hz_abi_new(bytes, HZ_API_NEW_ARRAY, true))
HZ_NEW(_ZnwmRKSt9nothrow_t, (size_t bytes, hz_nothrow tag __attribute__((unused))),
       hz_abi_new(bytes, HZ_API_NEW, false))
HZ_NEW(_ZnamRKSt9nothrow_t, (size_t bytes, hz_nothrow tag __attribute__((unused))),
       hz_abi_new(bytes, HZ_API_NEW_ARRAY, false))
HZ_NEW(_ZnwmSt11align_val_t, (size_t bytes, hz_align align),
       hz_abi_new_aligned(bytes, align, HZ_API_NEW, true))
HZ_NEW(_ZnamSt11align_val_t, (size_t bytes, hz_align align),
       hz_abi_new_aligned(bytes, align, HZ_API_NEW_ARRAY, true))
HZ_NEW(_ZnwmSt11align_val_tRKSt9nothrow_t,
       (size_t bytes, hz_align align, hz_nothrow tag __attribute__((unused))),
       hz_abi_new_aligned(bytes, align, HZ_API_NEW, false))
HZ_NEW(_ZnamSt11align_val_tRKSt9nothrow_t,
       (size_t bytes, hz_align align, hz_nothrow tag __attribute__((unused))),
       hz_abi_new_aligned(bytes, align, HZ_API_NEW_ARRAY, false))

// ---- delete ----

#define HZ_DELETE(name, parameters, statement)                                                     \
  void name parameters;                                                                            \
  HZ_EXPORT void name parameters {                                                                 \
    statement;                                                                                     \
  }

HZ_ABI_HOT void _ZdlPv(void *p);
HZ_ABI_HOT void _ZdaPv(void *p);
HZ_ABI_HOT void _ZdlPvm(void *p, size_t bytes);
HZ_ABI_HOT void _ZdaPvm(void *p, size_t bytes);
HZ_DELETE(_ZdlPv, (void *p), HZ_P(free)(p, HZ_API_DELETE))
HZ_DELETE(_ZdaPv, (void *p), HZ_P(free)(p, HZ_API_DELETE_ARRAY))
HZ_DELETE(_ZdlPvRKSt9nothrow_t, (void *p, hz_nothrow tag __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE))
HZ_DELETE(_ZdaPvRKSt9nothrow_t, (void *p, hz_nothrow tag __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE_ARRAY))
HZ_DELETE(_ZdlPvm, (void *p, size_t bytes), HZ_P(free_sized)(p, 0, bytes, HZ_API_DELETE))
HZ_DELETE(_ZdaPvm, (void *p, size_t bytes), HZ_P(free_sized)(p, 0, bytes, HZ_API_DELETE_ARRAY))
HZ_DELETE(_ZdlPvSt11align_val_t, (void *p, hz_align align __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE))
HZ_DELETE(_ZdaPvSt11align_val_t, (void *p, hz_align align __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE_ARRAY))
HZ_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t,
          (void *p, hz_align align __attribute__((unused)), hz_nothrow tag __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE))
HZ_DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t,
          (void *p, hz_align align __attribute__((unused)), hz_nothrow tag __attribute__((unused))),
          HZ_P(free)(p, HZ_API_DELETE_ARRAY))
HZ_DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t bytes, hz_align align),
          HZ_P(free_sized)(p, align, bytes, HZ_API_DELETE))
HZ_DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t bytes, hz_align align),
          HZ_P(free_sized)(p, align, bytes, HZ_API_DELETE_ARRAY))

#endif // HZ_COMMON_ABI_CXX_SURFACE_H_
