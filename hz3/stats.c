// Figures, trimming, and the report of variant observe. See stats.h.
#include "hz3/stats.h"

#include <unistd.h>

#include "common/abi/report.h"
#include "common/guard/guard.h"
#include "common/large/large.h"
#include "hz3/cache.h"
#include "hz3/init.h"
#include "hz3/purge.h"
#include "hz3/shelf.h"
#include "hz3/span.h"
#include "hz3/transfer.h"

_Static_assert(HZ_CLASS_SIZES <= HZ_STATS_CLASSES, "a place for each block size");

static void add_class(struct hz_stats *out, unsigned cls) {
  struct hz3_span_stats spans;
  hz3_span_stats_read(cls, &spans);
  size_t bytes = hz_class_bytes(cls);
  unsigned size = hz_class_size_number(cls) - 1;
  out->cls[size].block_bytes = bytes;
  out->cls[size].spans += spans.spans;
  out->cls[size].blocks_out += spans.blocks_out;
  out->cls[size].blocks_free += spans.blocks_free;
  int64_t waiting = (int32_t)hz_load_relaxed(&hz3_transfer[cls].blocks);
  waiting += (int64_t)hz3_shelf_blocks(cls);
  out->cached_shared_bytes += waiting > 0 ? (size_t)waiting * bytes : 0;
  out->span_free_bytes += spans.span_bytes - spans.blocks_out * bytes;
  out->live_bytes += spans.blocks_out * bytes;
}

void hz3_stats(struct hz_stats *out) {
  out->generation = "hz3";
  out->version = HZ3_VERSION;
  if (!hz3_init_ensure())
    return;
  struct hz3_cache_stats caches;
  hz3_cache_stats_read(&caches);
  out->cached_thread_bytes = caches.cached_bytes;
  out->threads = caches.threads;
  out->classes = HZ_CLASS_SIZES;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    add_class(out, cls);
  size_t cached = out->cached_thread_bytes + out->cached_shared_bytes;
  out->live_bytes -= hz_min(cached, out->live_bytes);
  struct hz_large_stats large;
  hz_large_stats_read(&large);
  if (HZ_HARDENED) { // freed, in quarantine
    size_t blocks, bytes = hz_guard_held_bytes(&blocks);
    large.live_bytes -= hz_min(bytes, large.live_bytes);
    large.live_blocks -= hz_min(blocks, large.live_blocks);
  }
  out->live_large_bytes = large.live_bytes;
  out->live_large_blocks = large.live_blocks;
  out->live_bytes += large.live_bytes;
  hz_arena_stats_read(&out->arena);
  hz_os_stats_read(&out->os);
  if (HZ_OBSERVE)
    hz3_observe_pairs(out, caches.counts.allocs, caches.counts.frees);
}

// Variant observe: the lines of the whole run.
__attribute__((destructor)) static void report_at_exit(void) {
  if (!HZ_OBSERVE)
    return;
  static struct hz_stats stats; // large for a stack
  hz3_stats(&stats);
  hz_stats_write_pairs(STDERR_FILENO, &stats);
  hz_stats_write_os_calls(STDERR_FILENO, "HZ3_OS_STATS", &stats);
}

bool hz3_trim(size_t keep_bytes) {
  (void)keep_bytes;
  if (!hz3_init_ensure())
    return false;
  if (HZ_HARDENED)
    (void)hz_guard_relieve(HZ_API_MALLOC_TRIM);
  if (hz3_self.cache != &hz3_cache_none && hz3_self.cache != &hz3_cache_gone)
    hz3_cache_empty(hz3_self.cache, HZ_API_MALLOC_TRIM);
  (void)hz3_shelf_clear(NULL, HZ_API_MALLOC_TRIM);
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    (void)hz3_transfer_drain(cls, HZ_API_MALLOC_TRIM);
  size_t bytes = hz_large_trim();
  bytes += hz3_purge_blocks(0);
  bytes += hz_runs_purge_all();
  return bytes != 0;
}
