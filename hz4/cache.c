#include "hz4/cache.h"

const struct hz4_cache hz4_cache_none = {
    .never = {HZ4_TOP_NOTHING, HZ4_TOP_NOTHING},
    .top = {[0 ... HZ_CLASS_LAST] = HZ4_TOP_NOTHING},
};

void hz4_cache_init(struct hz4_cache *c) {
  c->never[0] = c->never[1] = HZ4_TOP_NOTHING;
  for (unsigned cls = 0; cls < HZ_CLASS_COUNT; cls++)
    hz_store_relaxed(&c->top[cls], HZ4_TOP_NOTHING);
}

// Read without the owner: what is no longer there may have become anything.
static size_t loaded(const struct hz4_cache *c, unsigned cls) {
  void **top = hz_load_relaxed(&c->top[cls]);
  size_t n = hz4_top_is_real(top) ? hz4_top_count(top) : 0;
  return n <= HZ4_MAGAZINE_CAP_MAX ? n : 0;
}

static size_t stacked(const struct hz4_cache *c, unsigned cls) {
  void **top = hz_load_relaxed(&c->prev[cls]);
  size_t n = hz4_top_is_real(top) ? hz_load_relaxed(&hz4_magazine_of(top)->stacked) : 0;
  return n <= 2 * HZ4_BIN_BLOCKS_MAX ? n : 0;
}

size_t hz4_cache_bytes(const struct hz4_cache *c) {
  size_t bytes = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    bytes += (loaded(c, cls) + stacked(c, cls)) * hz_class_bytes(cls);
  return bytes;
}
