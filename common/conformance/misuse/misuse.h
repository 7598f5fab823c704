// What the small misuse programs share. Each program defines misuse(), commits one fault on a block
// of the size given as argument, and says on stdout how far it came; misuse_test judges the end. A
// program that survives returns normally.
#ifndef HZ_COMMON_CONFORMANCE_MISUSE_MISUSE_H_
#define HZ_COMMON_CONFORMANCE_MISUSE_MISUSE_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// The body of one program; `size` is the size class under test.
void misuse(size_t size);

// The surface through pointers that no compiler sees through.
extern void *(*volatile do_malloc)(size_t);
extern void *(*volatile do_realloc)(void *, size_t);
extern void (*volatile do_free)(void *);
extern size_t (*volatile do_usable)(void *);
extern void (*volatile do_free_sized)(void *, size_t);                 // NULL where there is none
extern void (*volatile do_free_aligned_sized)(void *, size_t, size_t); // NULL where there is none

// The message must name this address.
void about(const volatile void *address);
// The faulty call, or the free that should have seen the damage, has returned.
void committed(void);
// The program has found that the misuse did no harm.
void prevented(void);
// There is nothing to commit for this size or in this library: leaves with success.
__attribute__((noreturn)) void nothing_to_do(void);

// Allocates many blocks of this size beforehand, so that empty_caches() has something to free.
void prepare_others(size_t size);
void free_some_others(size_t count);
// Pushes every batch with blocks of this size out of the caches.
void empty_caches(void);

// Allocates and frees blocks of this size until `address` has been handed out again, or a bound is
// reached; returns that block, still live, or NULL.
void *reuse_until(size_t size, const void *address);

#ifdef __cplusplus
}
#endif

#endif // HZ_COMMON_CONFORMANCE_MISUSE_MISUSE_H_
