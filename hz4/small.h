// Small: blocks below 2 KiB. Spans with a bitmap of free blocks, out of line, touched in batches
// only.
//
// Owns: the spans of classes 1..39. Does not own: blocks in caches or the depot.
// Thread rule: any thread; one futex lock per class, held for one batch, never across a system
// call.
//
//   take   fullest span with free blocks, else carve, else a new span
//   give   set bits; a bit that is set already is a second free, and named; whole spans go back
#ifndef HZ4_SMALL_H_
#define HZ4_SMALL_H_

#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

extern HZ_HIDDEN struct hz4_central hz4_small_central[HZ4_MID_FIRST_CLASS];

// Effect: up to `want` (>= 1) free blocks of the class to out[], lowest addresses of a span first.
// Returns: how many; 0 when memory is exhausted. *fresh: how many of these, at the end, have never
// been handed out before.
unsigned hz4_small_take(unsigned cls, void **out, unsigned want, unsigned *fresh);
// Effect: n blocks go back to their spans. Faults (double free) end the process.
void hz4_small_give(unsigned cls, void *const *blocks, unsigned n);

bool hz4_small_is_valid(unsigned cls);

HZ_EXTERN_C_END

#endif // HZ4_SMALL_H_
