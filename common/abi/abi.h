// The C and C++ surface of malloc, written once and compiled once per generation.
//
// A generation's malloc.c defines HZ_ABI as its prefix, declares the functions below (hot ones
// inline), and includes this header exactly once; that translation unit then defines malloc, free,
// ... and every operator new and delete with the generation's fast paths inlined.
//
//   #define HZ_ABI hz3
//   #include "hz3/route.h"
//   #include "common/abi/abi.h"
//
// What the generation provides (P = its prefix). `api` is the public function, for fault messages;
// it is a constant at each call and must not cost anything on the hot path.
//
//   void  *P_alloc(size_t bytes, enum hz_api api)             any size incl. 0; NULL and ENOMEM
//   void   P_free(void *p, enum hz_api api)                   p may be NULL; keeps errno
//   void  *P_alloc_aligned(size_t align, size_t bytes, api)   align a power of two; NULL and ENOMEM
//   void  *P_alloc_zeroed(size_t bytes, api)                  does not clear what the OS just gave
//   void  *P_realloc(void *p, size_t bytes, api)              p not NULL, bytes not 0
//   size_t P_usable(const void *p, api)                       p not NULL
//   void   P_free_sized(void *p, size_t align, size_t bytes, api)
//                                                             align 0 = ordinary; p may be NULL
//   bool   P_trim(size_t keep_bytes)                          whether anything was given back
//   void   P_stats(struct hz_stats *out)                      out arrives zeroed
//
// Optional, announced by `#define HZ_ABI_HAS_HIT 1`: the hot path of P_alloc without its slow path.
// operator new then needs no register saved for what may come after a miss, and is as short as
// malloc.
//
//   void  *P_alloc_hit(size_t bytes)                          a block, or NULL on a miss; no call
//
// Semantics fixed here, after glibc 2.36's manual and C23 where glibc is silent:
//   realloc(NULL, n) is malloc(n); realloc(p, 0) frees p and returns NULL.
//   aligned_alloc accepts any power of two and refuses others with EINVAL.
//   posix_memalign also wants a multiple of sizeof(void *), leaves *out alone on failure, keeps
//   errno. memalign rounds a bad alignment up to a power of two as glibc does; pvalloc rounds the
//   size up to a page. Products and roundings that overflow are ENOMEM. malloc_usable_size(NULL) is
//   0. mallopt: see hz_abi_mallopt in report.h. cfree is there although glibc took it out of its
//   headers in 2.26: old binaries still import it.
//   dlopen is no part of this: preload libraries add it (deepbind.h).
//   __libc_malloc and its kin are aliases, so that a program that calls them by glibc's inner names
//   does not free blocks of another allocator.
//   operator new calls the program's new handler until there is memory or none is set, then throws
//   std::bad_alloc; the nothrow forms return NULL, also when the handler throws. The C++ runtime is
//   reached by weak references (new_handler.cc): a C program needs none.
#ifndef HZ_COMMON_ABI_ABI_H_
#define HZ_COMMON_ABI_ABI_H_

#include "common/abi/c_surface.h"
#include "common/abi/cxx_surface.h"

#endif // HZ_COMMON_ABI_ABI_H_
