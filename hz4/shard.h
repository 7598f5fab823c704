// Shards: what CPUs share is divided, a part for each CPU, up to HZ4_SHARDS_MAX.
//
// Not against races for a word, which are rare, but because what a CPU takes is best what it wrote
// last: a magazine's lines, and the custody bytes of its blocks, are then in its own cache. Whoever
// finds its own shard empty looks into the others, so nothing is stranded.
//
// Owns: their number. Thread rule: written by initialisation, constant afterwards.
#ifndef HZ4_SHARD_H_
#define HZ4_SHARD_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ4_SHARDS_MAX 8u
extern HZ_HIDDEN unsigned hz4_shards; // a power of two

// Effect: as many as serve so many CPUs.
void hz4_shard_init(unsigned cpus);
// Returns: the shard of the n-th owner.
HZ_INLINE uint8_t hz4_shard_of(unsigned n) {
  return (uint8_t)(n & (hz4_shards - 1));
}

HZ_EXTERN_C_END

#endif // HZ4_SHARD_H_
