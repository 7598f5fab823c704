// Where the limits of caching come from.
#include "hz4/bound.h"

#include "common/arena/arena.h"
#include "common/base/bits.h"
#include "hz4/cache.h"
#include "hz4/span.h"

struct hz4_bound hz4_bound;
struct hz4_bound_counters hz4_bound_counters;

static size_t cache_max;
static uint32_t share_4096ths = HZ_RESIDENT_WHOLE; // 4..4096

#define QUOTA_MAX_BYTES (128 * HZ_MIB)
#define QUOTA_MIN_BYTES (32 * HZ_KIB)
// A bin starts with so much, and few blocks: most classes of most programs never need more.
#define START_BYTES (4 * HZ_KIB)
#define START_BLOCKS 8

void hz4_bound_init(size_t cache_max_bytes, size_t magazine_max_bytes) {
  cache_max = cache_max_bytes;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    size_t bytes = hz_class_bytes(cls);
    hz4_bound.cap_min[cls] = (uint8_t)hz_clamp(START_BYTES / bytes, 1, START_BLOCKS);
    hz4_bound.cap_max[cls] =
        (uint16_t)hz_clamp(magazine_max_bytes / bytes, 2,
                           cls < HZ4_MID_FIRST_CLASS ? HZ4_BIN_BLOCKS_MAX : HZ4_MAGAZINE_CAP_MAX);
  }
  hz4_bound_refresh();
}

// The tails of spans, an eighth at most, never have pages, however much of their blocks has.
void hz4_bound_sample(void) {
  uint32_t share = hz_arena_resident_share();
  hz_store_relaxed(&share_4096ths, (uint32_t)hz_min(share + share / 7, HZ_RESIDENT_WHOLE));
}

size_t hz4_bound_resident(size_t cached_bytes) {
  return cached_bytes / 4096 * hz_load_relaxed(&share_4096ths);
}

void hz4_bound_refresh(void) {
  // out = live + cached, and cached <= live / 4: a fifth of what is out.
  size_t out = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    out += hz_load_relaxed(&hz4_bound_counters.out[shard].bytes);
  size_t total = hz_max(cache_max, out / 5) / hz_load_relaxed(&share_4096ths) * 4096;
  size_t owners = hz_max(hz_load_relaxed(&hz4_bound_counters.owners), 1);
  size_t quota = hz_clamp(total / 2 / owners, QUOTA_MIN_BYTES, QUOTA_MAX_BYTES);
  size_t all = hz_min(total / 2, quota * owners);
  hz_store_relaxed(&hz4_bound.owner_quota, quota);
  hz_store_relaxed(&hz4_bound.owner_sure, quota / 4);
  hz_store_relaxed(&hz4_bound.owners_max, all - all / 4);
  hz_store_relaxed(&hz4_bound.depot_max, total - all);
}

void hz4_bound_reserved_add(int64_t bytes) {
  hz_add_relaxed(&hz4_bound_counters.reserved, bytes);
}

bool hz4_bound_reserve(size_t have, size_t need) {
  if (have + need > hz_load_relaxed(&hz4_bound.owner_quota))
    return false;
  int64_t most = (int64_t)hz_load_relaxed(&hz4_bound.owners_max);
  if (have + need > hz_load_relaxed(&hz4_bound.owner_sure) &&
      hz_load_relaxed(&hz4_bound_counters.reserved) + (int64_t)need > most)
    return false;
  // Relaxed, and not in one step with the look: two at once may pass the bound by one capacity.
  hz4_bound_reserved_add((int64_t)need);
  return true;
}

void hz4_bound_owners_add(int n) {
  hz_add_relaxed(&hz4_bound_counters.owners, (uint32_t)n);
  hz4_bound_refresh();
}
