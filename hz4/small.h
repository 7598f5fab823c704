// Small: blocks below 2 KiB. Spans with a bitmap of free blocks, out of line, touched in batches
// only.
//
// Owns: the spans of classes 1..39. Does not own: blocks in caches or the depot.
// Thread rule: any thread; one futex lock per class and shard (shard.h), held for one batch, never
// across a system call, never two at once.
//
//   take   own shard's fullest span of which an eighth is to be had, else one with less,
//          else blocks that lie free in another shard, whose lock is only tried; where a shard's
//          own threads free what they allocate (common/base/loyal.h), and it is in use, only if
//          half of it is free, else a new span of the own shard
//   give   block by block to the shard of its span, one lock for each shard met in a batch: set
//          bits; a bit that is set already is a second free, and named; whole spans go back
//
// A span belongs for all its life to the shard that made it, so that CPUs that allocate in bulk
// meet at no lock, and neighbours in memory are neighbours in time. Only blocks cross over: what
// lies free in the shard of a CPU that rests is fetched before anything new is carved.
#ifndef HZ4_SMALL_H_
#define HZ4_SMALL_H_

#include "hz4/shard.h"
#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// Variant `hardened` has one shard: blocks wait in quarantine between their CPUs anyway, and each
// span that a further shard holds open has metadata.
#define HZ4_SMALL_SHARD(shard) (HZ_HARDENED ? 0u : (shard))

extern HZ_HIDDEN struct hz4_central hz4_small_central[HZ4_SHARDS_MAX][HZ4_MID_FIRST_CLASS];

// Effect: up to `want` (>= 1) free blocks of the class to out[], lowest addresses of a span first,
// those of the shard before others.
// Returns: how many; 0 when memory is exhausted. *fresh: how many of these, at the end, have never
// been handed out before.
unsigned hz4_small_take(unsigned cls, unsigned shard, void **out, unsigned want, unsigned *fresh);
// So many blocks go back under one holding of a lock, a microsecond or two: more would save little.
#define HZ4_COMPANY_BLOCKS 256u
// Effect: n blocks go back to their spans, brought by one who works on `shard`; leave: they leave
// their owner with it (custody.h), else they have. Faults (double free) end the process.
void hz4_small_give(unsigned cls, unsigned shard, void *const *blocks, unsigned n, bool leave);

// Returns: whether a quarter of a few blocks among these lie in spans of the shard. A guess,
// without a lock.
bool hz4_small_is_near(unsigned cls, unsigned shard, void *const *blocks, unsigned n);

bool hz4_small_is_valid(unsigned cls);

HZ_EXTERN_C_END

#endif // HZ4_SMALL_H_
