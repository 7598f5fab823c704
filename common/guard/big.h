// Large blocks behind the guard: canaries in their runs, and a quarantine where nobody can touch
// them.
//
// Owns: what lies behind the bytes asked for, and the slots of the quarantine. Does not own the
// runs (common/large). Thread rule: any thread; whoever swaps a block out of its slot has it.
#ifndef HZ_COMMON_GUARD_BIG_H_
#define HZ_COMMON_GUARD_BIG_H_

#include "common/guard/guard.h"

// As the surface in guard.h, for blocks of the large part.
void *hz_big_alloc(size_t align, size_t bytes, enum hz_api api);
// said: what the caller believes the size to be, NULL if he says nothing.
void hz_big_free(void *p, const size_t *said, enum hz_api api);
size_t hz_big_usable(const void *p, enum hz_api api);
// Requires: bytes beyond the size classes. In place, or by moving its pages.
void *hz_big_realloc(void *p, size_t bytes, enum hz_api api);

// Effect: the quarantine is empty. Returns: whether there was anything.
bool hz_big_release_all(enum hz_api api);

#endif // HZ_COMMON_GUARD_BIG_H_
