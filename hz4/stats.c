// The figures behind mallinfo2, malloc_stats and malloc_info.
#include <string.h>

#include "common/guard/guard.h"
#include "common/large/large.h"
#include "hz4/bound.h"
#include "hz4/depot.h"
#include "hz4/front.h"
#include "hz4/init.h"
#include "hz4/route.h"
#include "hz4/shared.h"

_Static_assert(HZ_CLASS_SIZES <= HZ_STATS_CLASSES, "a place for each block size");

static void add_cache(struct hz4_cache *c, void *sum) {
  *(size_t *)sum += hz4_cache_bytes(c);
}

// Returns: blocks of the class that are out of its spans.
static size_t class_stats(unsigned cls, struct hz_stats *out) {
  size_t bytes = hz_class_bytes(cls), spans = 0, free_blocks = 0;
  for (unsigned shard = 0; shard < hz4_shards; shard++) {
    struct hz4_central *c = hz4_shared_central(cls, shard);
    if (!c)
      break;
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    spans += c->spans, free_blocks += c->free_blocks;
    for (unsigned b = 0; b < HZ4_BUCKETS; b++)
      for (uint32_t g = c->list[b]; g != 0; g = hz4_span_at(g - 1)->next) {
        const struct hz4_span *s = hz4_span_at(g - 1);
        free_blocks += (size_t)s->blocks - s->carved; // not carved yet
      }
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  }
  size_t all = spans * hz_class_layout_table[cls].span_blocks;
  unsigned size = hz_class_size_number(cls) - 1;
  out->cls[size].block_bytes = bytes;
  out->cls[size].spans += spans;
  out->cls[size].blocks_out += all - free_blocks;
  out->cls[size].blocks_free += free_blocks;
  out->span_free_bytes += free_blocks * bytes;
  return all - free_blocks;
}

void hz4_stats(struct hz_stats *out) {
  memset(out, 0, sizeof *out);
  out->generation = "hz4";
  out->version = HZ4_VERSION;
  if (!hz4_init())
    return;
  struct hz_large_stats large;
  hz_large_stats_read(&large);
  if (HZ_HARDENED) { // freed, in quarantine
    size_t blocks, bytes = hz_guard_held_bytes(&blocks);
    large.live_bytes -= hz_min(bytes, large.live_bytes);
    large.live_blocks -= hz_min(blocks, large.live_blocks);
  }
  out->live_large_bytes = large.live_bytes;
  out->live_large_blocks = large.live_blocks;
  hz4_thread_caches_each(add_cache, &out->cached_thread_bytes);
  hz4_cpu_caches_each(add_cache, &out->cached_thread_bytes);
  out->classes = HZ_CLASS_SIZES;
  size_t out_bytes = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    out_bytes += class_stats(cls, out) * hz_class_bytes(cls);
    out->cached_shared_bytes += hz4_depot_blocks(cls) * hz_class_bytes(cls);
  }
  size_t cached = out->cached_thread_bytes + out->cached_shared_bytes;
  out->live_bytes = out_bytes - hz_min(cached, out_bytes) + large.live_bytes;
  out->cached_shared_bytes += large.cached_bytes;
  out->threads = hz_load_relaxed(&hz4_front.threads);
  hz_arena_stats_read(&out->arena);
  hz_os_stats_read(&out->os);
}
