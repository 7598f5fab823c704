// Where the limits of caching come from.
#include "hz4/bound.h"

#include "common/arena/arena.h"
#include "common/base/bits.h"
#include "hz4/magazine.h"

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
    hz4_bound.cap_max[cls] = (uint8_t)hz_clamp(magazine_max_bytes / bytes, 2, HZ4_MAGAZINE_CAP_MAX);
  }
  hz4_bound_refresh();
}

void hz4_bound_sample(void) {
  hz_store_relaxed(&share_4096ths, hz_arena_resident_share());
}

size_t hz4_bound_resident(size_t cached_bytes) {
  return cached_bytes / 4096 * hz_load_relaxed(&share_4096ths);
}

void hz4_bound_refresh(void) {
  // out = live + cached, and cached <= live / 4: a fifth of what is out.
  size_t out = hz_load_relaxed(&hz4_bound_counters.out_bytes);
  size_t total = hz_max(cache_max, out / 5) / hz_load_relaxed(&share_4096ths) * 4096;
  size_t owners = hz_max(hz_load_relaxed(&hz4_bound_counters.owners), 1);
  size_t quota = hz_clamp(total / 2 / owners, QUOTA_MIN_BYTES, QUOTA_MAX_BYTES);
  hz_store_relaxed(&hz4_bound.owner_quota, quota);
  hz_store_relaxed(&hz4_bound.depot_max, total - hz_min(total / 2, quota * owners));
}

void hz4_bound_owners_add(int n) {
  hz_add_relaxed(&hz4_bound_counters.owners, (uint32_t)n);
  hz4_bound_refresh();
}
