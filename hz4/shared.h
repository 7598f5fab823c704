// Behind the caches: a batch of blocks comes from or goes to the spans of Small or Mid.
//
// Owns: the choice between the two, and the count of bytes that are out of spans.
// Thread rule: any thread; no lock of the caller held.
#ifndef HZ4_SHARED_H_
#define HZ4_SHARED_H_

#include "hz4/span.h"

HZ_EXTERN_C_BEGIN

// Returns: how many of `want` blocks were found, the caller's as owner now, of the shard's spans
// where these have some; 0 when memory is exhausted, after what lies free in depot and caches of
// large blocks has been given back and tried again.
unsigned hz4_shared_take(unsigned cls, unsigned shard, void **out, unsigned want);
// Effect: n blocks back to their spans; freed_ms: since when they have been free. Requires: they
// have left their owner (custody.h).
void hz4_shared_give(unsigned cls, unsigned shard, void *const *blocks, unsigned n,
                     uint64_t freed_ms);
// The same for blocks that leave their owner with it. Faults (double free) end the process.
void hz4_shared_leave(unsigned cls, unsigned shard, void *const *blocks, unsigned n,
                      uint64_t freed_ms);

// Whether most of what the class carved is in nobody's hands, and a good part of that in its spans
// already: then a block in the depot costs the span that it keeps from being whole. To be asked by
// one who works on the shard.
bool hz4_shared_recedes(unsigned cls, unsigned shard);

// What a class has, over all shards, near enough: read without locks.
struct hz4_shared_counts {
  uint64_t carved_blocks, free_blocks;
};
struct hz4_shared_counts hz4_shared_count(unsigned cls);
// The spans of a class in a shard. Mid has them all in shard 0; elsewhere NULL.
struct hz4_central *hz4_shared_central(unsigned cls, unsigned shard);

HZ_EXTERN_C_END

#endif // HZ4_SHARED_H_
