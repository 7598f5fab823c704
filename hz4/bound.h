// The bound on cached memory: what caches and depot together may hold, and how it is shared out.
//
//   resident part of cached blocks (free, but in no span)  <=  total = max(CACHE_MAX, live / 4)
//   cached bytes                                           <=  total / share
//     an owner's bins (a thread, or a CPU)    <=  owner_quota  = half of it, shared by the owners
//     all owners' bins together               <=  that half: three quarters of it to whoever asks
//                                                 first, of the rest a part for each, so that what
//                                                 sleepers keep leaves nobody without
//     the depot                               <=  depot_max    = the rest
//
//   share = the part of Small's and Mid's memory that has pages, at most 1: sampled by the tick
//   (mincore of some granules); before the first sample it is 1. Blocks that
//   a program never touches (or touches at their edges) cost addresses, not memory, and may be
//   kept.
//
// Owns: the counters and the two limits. Thread rule: any thread; relaxed counters, nothing is
// ordered by them, and limits may lag by a batch.
#ifndef HZ4_BOUND_H_
#define HZ4_BOUND_H_

#include "common/base/units.h"
#include "common/sizeclass/sizeclass.h"
#include "common/sync/atomic.h"
#include "hz4/shard.h"

HZ_EXTERN_C_BEGIN

// Read at every exchange, written seldom.
struct hz4_bound {
  size_t owner_quota;
  size_t owner_sure; // granted whatever others have
  size_t owners_max; // beyond this nobody is granted more than owner_sure
  size_t depot_max;
  // Capacity of a bin (hz4_cache.cap), by class: where it starts and how far it may grow.
  uint8_t cap_min[HZ_CLASS_COUNT];
  uint16_t cap_max[HZ_CLASS_COUNT];
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);
extern HZ_HIDDEN struct hz4_bound hz4_bound;

// Counters; one line each because different parts write them.
struct hz4_bound_counters {
  struct {
    size_t bytes HZ_ALIGNED(HZ_NO_SHARE_BYTES);      // modulo 2^64: given back in another shard
  } out[HZ4_SHARDS_MAX];                             // the sum: blocks that are out of their spans
  int64_t depot_bytes HZ_ALIGNED(HZ_NO_SHARE_BYTES); // in the depot, short of what owners still owe
  uint32_t owners HZ_ALIGNED(HZ_NO_SHARE_BYTES); // threads with bins, plus CPUs once they have some
  int64_t reserved; // by all owners, in bytes; seldom written: when a capacity changes
};
extern HZ_HIDDEN struct hz4_bound_counters hz4_bound_counters;

// Effect: sets the capacities; magazine_max_bytes is the most that one magazine's blocks may
// measure.
void hz4_bound_init(size_t cache_max_bytes, size_t magazine_max_bytes);

// Effect: samples `share`. System calls: hold no lock. One thread at a time.
void hz4_bound_sample(void);
// Effect: the limits follow the live bytes and the number of owners. A few nanoseconds.
void hz4_bound_refresh(void);
// Effect: so many bytes more (or fewer) are out of spans. The limits follow in steps.
#define HZ4_BOUND_STEP_BYTES ((size_t)256 * HZ_KIB)
HZ_INLINE void hz4_bound_out_add(unsigned shard, int64_t bytes) {
  size_t before = hz_add_relaxed(&hz4_bound_counters.out[shard].bytes, (size_t)bytes);
  if (((before ^ (before + (size_t)bytes)) & ~(HZ4_BOUND_STEP_BYTES - 1)) != 0)
    hz4_bound_refresh();
}
// Returns: how much of so many cached bytes has pages, by the last sample.
size_t hz4_bound_resident(size_t cached_bytes);
// Effect: an owner that has `have` reserves `need` more. Returns: false, nothing reserved, when
// that would be more than it may have, or than all may. / Takes or gives back unconditionally.
bool hz4_bound_reserve(size_t have, size_t need);
void hz4_bound_reserved_add(int64_t bytes);
// Effect: n more (or fewer) owners.
void hz4_bound_owners_add(int n);

HZ_EXTERN_C_END

#endif // HZ4_BOUND_H_
