// The guard of variant `hardened`: what it adds around every block, in front of the routes.
//
// Owns: canaries, the state of each block, the quarantine, blocks of size 0. Does not own: where
// blocks come from (route.h beneath it). Other variants do not call it. Thread rule: any thread; a
// block's state is one atomic byte, a thread's quarantine its own.
//
//   block of a class, S bytes, n asked for      | n bytes of the program | canary ... | tail |
//     tail     size and kind of the call (malloc, new, new[]), mixed with a secret and the address
//     canary   S - n - tail bytes, each of its own; checked with the tail when the block is freed:
//     a write
//              behind the block is seen by its own free, one before it by its neighbour's
//   state (custody byte)   LIVE while the program has it: a second free is seen at once, by any
//   thread freed blocks           zeroed, in quarantine for a while; still zero when handed out
//   again, else
//                          somebody wrote after the free
//   Large                  size and kind in the side of its granule, canary behind; freed:
//   inaccessible
//                          in quarantine, then given back empty
//   size 0                 an address in inaccessible memory
#ifndef HZ4_GUARD_H_
#define HZ4_GUARD_H_

#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

void *hz4_guard_alloc(size_t align, size_t bytes, enum hz_api api);
void hz4_guard_free(void *p, enum hz_api api);
// Requires of the caller nothing: bytes is checked to be what was asked for.
void hz4_guard_free_sized(void *p, size_t bytes, enum hz_api api);
void *hz4_guard_realloc(void *p, size_t bytes, enum hz_api api);
// Returns: exactly what was asked for.
size_t hz4_guard_usable(const void *p, enum hz_api api);

// Effect: the calling thread's quarantine is empty. At its exit.
void hz4_guard_leave(void);

HZ_EXTERN_C_END

#endif // HZ4_GUARD_H_
