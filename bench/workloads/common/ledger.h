// Owns: how many bytes a workload holds, and the most it ever held ("live bytes": the sum of the
// sizes asked for, of all blocks that malloc returned and that free was not yet called for).
// Does not own: the blocks.
// Thread rule: a wl_share belongs to one thread; the wl_ledger is shared.
//
// Exact global counting would be one contended atomic per malloc. Instead each thread i keeps the
// part that is not yet published in d_i and publishes it when it leaves [-bound_i, bound_i]:
//
//     live(t) = published(t) + sum d_i(t)             |d_i| <= bound_i
//     bound_i = max(floor, published / (32 * threads)) as thread i saw it when it last published
//
// `high` is the greatest value `published` ever had, so with E = sum over i of the greatest bound_i
//
//     |true high-water - high| <= E
//
// E is printed beside the figure. It is at most 1/32 of the high-water mark, or threads * floor
// where little is live. Besides, a block is counted only after malloc returned and uncounted just
// before free is called: up to one block per thread is missing at any instant.
#ifndef BENCH_WORKLOADS_COMMON_LEDGER_H_
#define BENCH_WORKLOADS_COMMON_LEDGER_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WL_CACHE_LINE_BYTES 128 // two lines of 64: adjacent-line prefetch pairs them
#define WL_OWN_LINE __attribute__((aligned(WL_CACHE_LINE_BYTES)))

struct wl_ledger {
  WL_OWN_LINE int64_t published; // by any thread, atomically
  int64_t high;                  // by any thread, atomically; only grows
  int64_t error_bytes;           // E; by wl_share_close
  int64_t floor;                 // constant once threads run
  int64_t threads;               // constant once threads run
};

struct wl_share {
  struct wl_ledger *ledger;
  int64_t unpublished;   // d_i; by its thread
  int64_t bound;         // bound_i; by its thread
  int64_t largest_bound; // by its thread
};

// Effect: an empty ledger for THREADS threads. BLOCK_BYTES, the size of their larger blocks, sets
// the floor: how often is published, not whether the bound holds.
void wl_ledger_open(struct wl_ledger *ledger, unsigned threads, uint64_t block_bytes);
void wl_share_open(struct wl_share *share, struct wl_ledger *ledger);

// Effect: publishes what is left, and adds this thread's greatest bound to the error.
void wl_share_close(struct wl_share *share);

// Main, once all shares are closed and every block is freed. Effect: ends the program with a
// sentence when the ledger does not say so too: the lane lost a block or freed one twice.
void wl_ledger_require_empty(const struct wl_ledger *ledger);

// Effect: publishes d_i and chooses the next bound. Slow path of wl_share_add.
void wl_share_publish(struct wl_share *share);

// Effect: counts BYTES more (or, when negative, less).
static inline void wl_share_add(struct wl_share *share, int64_t bytes) {
  share->unpublished += bytes;
  if (__builtin_expect((uint64_t)(share->unpublished + share->bound) > 2 * (uint64_t)share->bound,
                       0)) {
    wl_share_publish(share);
  }
}

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_LEDGER_H_
