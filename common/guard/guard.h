// The guard of variant `hardened`: what it adds around every block, in front of a generation's
// routes. The same for every generation; other variants never call it.
//
// Owns: seals, the state of each block, quarantines, blocks of size 0. Does not own: where blocks
// come from; a generation provides that (below). Thread rule: any thread; a block's state is one
// atomic byte, a thread's quarantine its own.
//
//   block of a class, S bytes, n asked for    | n bytes of the program | canary ... | tail |
//     canary   up to 64 bytes, under a key of the address; each odd and above 127
//     tail     n and a check, in the canary's last word
//              Both are looked at when the block is freed: a write behind a block is seen by its
//              own free, one before it by its neighbour's
//     state    NEVER ──alloc──▶ OUT + family ──free──▶ FREED ──alloc──▶ OUT ...      (side.state)
//     freed    all zero, in quarantine; still zero when it is handed out again, else somebody wrote
//   large block, n asked for                  | n bytes | canary | ... untouched ... | canary |
//     freed    zero and inaccessible, in quarantine
//   size 0     an address of its own in memory that nobody can touch                (zero_size.h)
//
// Invariant: free memory reads as zero. So calloc clears nothing, and nothing old can be read.
#ifndef HZ_COMMON_GUARD_GUARD_H_
#define HZ_COMMON_GUARD_GUARD_H_

#include "common/arena/arena.h"
#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

// What the arena keeps for each granule on the guard's behalf, behind the generation's own
// descriptor. By address alone: a block's state is that of its first 16 bytes.
struct hz_guard_side {
  uint64_t bytes;          // asked for, of the large block that starts here
  uint64_t next, resident; // big.c
  uint8_t pad[40];         // states begin a line
  uint8_t state[HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES];
};
#define HZ_GUARD_SIDE_BYTES (HZ_HARDENED ? sizeof(struct hz_guard_side) : (size_t)0)

extern HZ_HIDDEN size_t hz_guard_stride; // bytes of the side array for each granule

// A hint: p will be handed out soon. The guard reads a block before the program writes to it, so
// that a miss which the program would not have waited for is waited for. p may be anything.
HZ_INLINE void hz_guard_expect(const void *p) {
  const unsigned char *side = hz_arena_side + (hz_granule_of(p) + 1) * hz_guard_stride;
  size_t at = ((uintptr_t)p & (HZ_GRANULE_BYTES - 1)) / HZ_MIN_ALIGN_BYTES;
  __builtin_prefetch(p, 1);
  __builtin_prefetch((const unsigned char *)p + HZ_LINE_BYTES, 1);
  __builtin_prefetch(side - sizeof(((struct hz_guard_side *)0)->state) + at, 1);
}

// ---- the surface; p is not NULL unless a line says so. The first three are in path.h

// Returns: a block that reads as zero; NULL and ENOMEM.
void *hz_guard_alloc(size_t align, size_t bytes, enum hz_api api);
void hz_guard_free(void *p, enum hz_api api); // p may be NULL
// `bytes` must be what was asked for. p may be NULL.
void hz_guard_free_sized(void *p, size_t bytes, enum hz_api api);
// What the hot paths decline: any request. said: what the caller believes the size to be, NULL if
// he says nothing.
void *hz_guard_alloc_slow(size_t align, size_t bytes, enum hz_api api);
void hz_guard_free_slow(void *p, const size_t *said, enum hz_api api);
// Requires: bytes is not 0.
void *hz_guard_realloc(void *p, size_t bytes, enum hz_api api);
// Returns: exactly what was asked for.
size_t hz_guard_usable(const void *p, enum hz_api api);

// ---- life

// Effect: draws the secret. `side_bytes`: a granule's share of the side array, of which the last
// HZ_GUARD_SIDE_BYTES are the guard's. Called once, before the first block.
void hz_guard_init(size_t side_bytes);
// HZx_FAMILY_CHECK=off: what any of malloc, new and new[] made may be freed by any of free, delete
// and delete[]. Where one library of a program has a C++ runtime of its own, its operator new asks
// our malloc, and what the others delete comes to our operator delete: nobody is wrong.
// Written in initialisation, constant afterwards.
extern HZ_HIDDEN bool hz_guard_families_mix;
// Effect: the calling thread's quarantine is empty, and it gets no other. At its exit, while it
// still has its cache.
void hz_guard_thread_leave(void);
// Effect: what this thread's quarantine and that of large blocks hold is free. For malloc_trim and
// when memory is short. Returns: whether there was anything.
bool hz_guard_relieve(enum hz_api api);
// Returns: bytes of large blocks in quarantine: freed, though the large part counts them as live.
size_t hz_guard_held_bytes(size_t *blocks);

// fork: between the generation's own locks and the arena's.
void hz_guard_before_fork(void);
void hz_guard_after_fork_parent(void);
void hz_guard_after_fork_child(void);

// ---- what a generation provides

// Returns: a plain block of that class; NULL and ENOMEM.
HZ_HIDDEN void *hz_guard_take(unsigned cls, enum hz_api api);
// The same from the large part, whatever `bytes` are.
HZ_HIDDEN void *hz_guard_take_large(size_t align, size_t bytes, enum hz_api api);
// Effect: a plain block of either kind goes back.
HZ_HIDDEN void hz_guard_give(void *p, enum hz_api api);
// Returns: p's class, HZ_CLASS_NONE when it is for the large part to judge; names what is no
// block's start, and what was never handed out.
HZ_HIDDEN unsigned hz_guard_class(const void *p, enum hz_api api);
// Returns: whether the process is ready to allocate, and the calling thread's exit will be told
// (hz_guard_thread_leave).
HZ_HIDDEN bool hz_guard_enter(void);

HZ_EXTERN_C_END

#endif // HZ_COMMON_GUARD_GUARD_H_
