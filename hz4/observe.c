#include "hz4/observe.h"

#include <time.h>
#include <unistd.h>

#include "common/abi/report.h"
#include "common/fail/fail.h"
#include "hz4/front_cpu.h"
#include "hz4/front_thread.h"
#include "hz4/route.h"
#include "hz4/shared.h"

struct hz4_observed hz4_observed;

#define SAMPLE 64

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t hz4_timed_begin(enum hz4_timed what) {
  if (!HZ_OBSERVE || hz_add_relaxed(&hz4_observed.calls[what], (uint64_t)1) % SAMPLE != 0)
    return 0;
  return now_ns();
}

void hz4_timed_end(enum hz4_timed what, uint64_t began) {
  if (!HZ_OBSERVE || began == 0)
    return;
  hz_add_relaxed(&hz4_observed.sampled[what], (uint64_t)1);
  hz_add_relaxed(&hz4_observed.ns[what], now_ns() - began);
}

static void line(const char *text, size_t length) {
  hz_write_all(STDERR_FILENO, text, length);
}

void hz4_observe_bin(intptr_t bin, bool alloc) {
  struct hz4_cache *c =
      hz4_self.state == HZ4_STATE_CPU ? hz4_cpu_here() : (struct hz4_cache *)hz4_self.cache;
  unsigned part = bin >= (intptr_t)HZ4_MID_FIRST_CLASS;
  hz_add_relaxed(alloc ? &c->allocs[part] : &c->frees[part], (uint64_t)1);
}

void hz4_observe_retire(struct hz4_cache *c) {
  for (unsigned part = 0; HZ_OBSERVE && part < 2; part++) {
    hz_add_relaxed(&hz4_observed.retired_allocs[part], hz_exchange_relaxed(&c->allocs[part], 0));
    hz_add_relaxed(&hz4_observed.retired_frees[part], hz_exchange_relaxed(&c->frees[part], 0));
  }
}

struct hits {
  uint64_t allocs[2], frees[2];
};

static void add_hits(struct hz4_cache *c, void *context) {
  struct hits *h = context;
  for (unsigned part = 0; part < 2; part++) {
    h->allocs[part] += hz_load_relaxed(&c->allocs[part]);
    h->frees[part] += hz_load_relaxed(&c->frees[part]);
  }
}

static struct hits hits_read(void) {
  struct hits h = {{hz4_observed.retired_allocs[0], hz4_observed.retired_allocs[1]},
                   {hz4_observed.retired_frees[0], hz4_observed.retired_frees[1]}};
  hz4_thread_caches_each(add_hits, &h);
  hz4_cpu_caches_each(add_hits, &h);
  return h;
}

static void print_part(const char *tag, unsigned part, const struct hits *h) {
  const uint64_t *n = hz4_observed.part[part];
  uint64_t spans_made = 0, spans = 0, takes = 0, gives = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    for (unsigned shard = 0; shard < hz4_shards; shard++) {
      const struct hz4_central *c = hz4_shared_central(cls, shard);
      if (!c || (cls >= HZ4_MID_FIRST_CLASS) != part)
        break;
      spans_made += c->spans_made, spans += c->spans;
      takes += c->takes, gives += c->gives;
    }
  uint64_t missed = n[HZ4_SEEN_REFILL_PREVIOUS] + n[HZ4_SEEN_REFILL_DEPOT] +
                    n[HZ4_SEEN_REFILL_SPANS] + n[HZ4_SEEN_BARE_ALLOC];
  uint64_t allocs = h->allocs[part] + missed;
  uint64_t locked = n[HZ4_SEEN_REFILL_SPANS] + n[HZ4_SEEN_BARE_ALLOC];
  char text[640];
  line(text,
       hz_format(text, sizeof text,
                 "[%s] allocs=%lu cache_hits=%lu lock_path=%lu lock_path_per_million=%lu "
                 "refill_previous=%lu refill_depot=%lu refill_spans=%lu bare_alloc=%lu "
                 "magazines_handed_over=%lu magazines_to_spans=%lu lock_takes=%lu lock_gives=%lu "
                 "spans_made=%lu spans=%lu remote_drains=%lu\n",
                 tag, allocs, h->allocs[part], locked, allocs ? locked * 1000000 / allocs : 0,
                 n[HZ4_SEEN_REFILL_PREVIOUS], n[HZ4_SEEN_REFILL_DEPOT], n[HZ4_SEEN_REFILL_SPANS],
                 n[HZ4_SEEN_BARE_ALLOC], n[HZ4_SEEN_HANDED_OVER], n[HZ4_SEEN_GIVEN], takes, gives,
                 spans_made, spans, hz4_observed.seen[HZ4_SEEN_DRAINS]));
}

static void print_free(const struct hits *h, const struct hz_stats *stats) {
  const uint64_t *n = hz4_observed.seen;
  const uint64_t *s = hz4_observed.part[0], *m = hz4_observed.part[1];
  char text[640];
  line(text, hz_format(text, sizeof text,
                       "[HZ4_FREE_STATS] thread_cache=%lu transfer_magazines=%lu "
                       "owner_magazines=%lu owner_blocks=%lu "
                       "large=%lu os_purges=%lu early_null=%lu cas_retries=%lu trims=%lu "
                       "trim_bytes=%lu drains=%lu "
                       "drain_bytes=%lu drain_restarts=%lu\n",
                       h->frees[0] + h->frees[1], s[HZ4_SEEN_HANDED_OVER] + m[HZ4_SEEN_HANDED_OVER],
                       s[HZ4_SEEN_GIVEN] + m[HZ4_SEEN_GIVEN],
                       s[HZ4_SEEN_BARE_FREE] + m[HZ4_SEEN_BARE_FREE], n[HZ4_SEEN_FREE_LARGE],
                       stats->os.calls[HZ_OS_CALL_PURGE], n[HZ4_SEEN_FREE_NULL],
                       n[HZ4_SEEN_RETRIES], n[HZ4_SEEN_TRIMS], n[HZ4_SEEN_TRIM_BYTES],
                       n[HZ4_SEEN_DRAINS], n[HZ4_SEEN_DRAIN_BYTES], n[HZ4_SEEN_RESTARTS]));
}

static void print_timing(void) {
  static const char *const names[HZ4_TIMED_COUNT] = {"refill", "hand_over", "drain", "trim",
                                                     "lock",   "large",     "os"};
  char text[1024];
  size_t at = hz_format(text, sizeof text, "[HZ4_TIMING] sampled_one_in=%lu", (uint64_t)SAMPLE);
  for (unsigned i = 0; i < HZ4_TIMED_COUNT; i++) {
    uint64_t sampled = hz4_observed.sampled[i];
    at += hz_format(text + at, sizeof text - at, " %s_calls=%lu %s_mean_ns=%lu", names[i],
                    hz4_observed.calls[i], names[i], sampled ? hz4_observed.ns[i] / sampled : 0);
  }
  at += hz_format(text + at, sizeof text - at, "\n");
  line(text, at);
}

void hz4_observe_print(void) {
  struct hz_stats stats;
  hz4_stats(&stats);
  struct hits hits = hits_read();
  print_part("HZ4_SMALL_STATS", 0, &hits);
  print_part("HZ4_MID_STATS", 1, &hits);
  print_free(&hits, &stats);
  print_timing();
  hz_stats_write_os_calls(STDERR_FILENO, "HZ4_OS_STATS", &stats);
}
