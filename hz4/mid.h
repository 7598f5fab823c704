// Mid: blocks of 2 KiB to 128 KiB. At most 32 of them in a span, so that its bitmap is one word;
// and each with pages of its own, which go back to the OS while neighbours are still in use.
//
// Owns: the spans of classes 61..124. Does not own: blocks in caches or the depot.
// Thread rule: any thread; one futex lock per class, held for one batch, never across a system
// call.
//
//   take    fullest span of which an eighth is to be had, else one with less; free blocks first
//           (resident before purged), else carve; else a new span
//   give    set bits; a bit that is set already is a second free, and named; whole spans go back
//   purge   blocks free for a while: taken out of the span, their pages given back, put in again
#ifndef HZ4_MID_H_
#define HZ4_MID_H_

#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

#define HZ4_MID_CLASSES (HZ_CLASS_COUNT - HZ4_MID_FIRST_CLASS)
extern HZ_HIDDEN struct hz4_central hz4_mid_central[HZ4_MID_CLASSES]; // [cls - HZ4_MID_FIRST_CLASS]

// As hz4_small_take and hz4_small_give; freed_ms: since when the blocks have been free.
unsigned hz4_mid_take(unsigned cls, void **out, unsigned want, unsigned *fresh);
void hz4_mid_give(unsigned cls, void *const *blocks, unsigned n, uint64_t freed_ms);

// Effect: pages of blocks that have been free in their spans since before `before_ms` go back.
// Returns: bytes. System calls: hold no lock.
size_t hz4_mid_purge(uint64_t before_ms);

bool hz4_mid_is_valid(unsigned cls);

HZ_EXTERN_C_END

#endif // HZ4_MID_H_
