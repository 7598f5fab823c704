/* The allocator's public surface: what the C library declares, and what its headers may lack.

   Effect: none by itself; a program that is linked to one of the libraries, or runs with one of
   them preloaded, has its functions behind the C library's own names. Nothing here needs a call
   before first use.
   Requires: a pointer that is freed, resized or measured came from this process's malloc family.
   Returns: as malloc(3); a request that cannot be met is NULL and ENOMEM.
   Thread: every function may be called by any thread at any time.
   Ownership: a block belongs to the caller until it is freed, by whatever thread.
   errno: kept by free and by success.
   Units: bytes. */
#ifndef HZ_MALLOC_H_
#define HZ_MALLOC_H_

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

/* As the C library declares its own functions: newer ones declare these two as well. */
#ifdef __THROW
#define HZ_THROW __THROW
#else
#define HZ_THROW
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: frees `block`, whose size the caller still knows (C23). Requires: `bytes` is what malloc,
   calloc or realloc was asked for; any other size is a fault where the variant checks it. */
void free_sized(void *block, size_t bytes) HZ_THROW;

/* Effect: frees `block`, whose alignment and size the caller still knows (C23). Requires: both are
   what aligned_alloc was asked for. */
void free_aligned_sized(void *block, size_t alignment, size_t bytes) HZ_THROW;

#ifdef __cplusplus
}
#endif

#undef HZ_THROW

#endif
