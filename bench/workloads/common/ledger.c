#include "bench/workloads/common/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#define FLOOR_BLOCKS 8 // a random walk of +-max/2 steps leaves +-8 max after some 256 steps
#define FLOOR_LEAST_BYTES 16384      // below that, publishing would be felt
#define FLOOR_MOST_BYTES (256 << 10) // blocks of this size are slow enough to publish each of them
#define SHARE_OF_LIVE 32

void wl_ledger_open(struct wl_ledger *ledger, unsigned threads, uint64_t block_bytes) {
  uint64_t floor = FLOOR_BLOCKS * block_bytes;
  floor = floor < FLOOR_MOST_BYTES ? floor : FLOOR_MOST_BYTES;
  floor = floor > FLOOR_LEAST_BYTES ? floor : FLOOR_LEAST_BYTES;
  *ledger = (struct wl_ledger){
      .floor = (int64_t)floor,
      .threads = threads,
  };
}

void wl_share_open(struct wl_share *share, struct wl_ledger *ledger) {
  *share = (struct wl_share){ledger, 0, ledger->floor, ledger->floor};
}

void wl_share_publish(struct wl_share *share) {
  struct wl_ledger *ledger = share->ledger;
  const int64_t change = share->unpublished;
  share->unpublished = 0;
  // Relaxed throughout: these are figures, no other data hangs on them. The partner is every other
  // thread's call of this function; main reads after joining them.
  const int64_t now = __atomic_add_fetch(&ledger->published, change, __ATOMIC_RELAXED);
  int64_t high = __atomic_load_n(&ledger->high, __ATOMIC_RELAXED);
  while (now > high && !__atomic_compare_exchange_n(&ledger->high, &high, now, 1, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED)) {
  }
  const int64_t relative = now / (SHARE_OF_LIVE * ledger->threads);
  share->bound = relative > ledger->floor ? relative : ledger->floor;
  if (share->bound > share->largest_bound) {
    share->largest_bound = share->bound;
  }
}

void wl_share_close(struct wl_share *share) {
  wl_share_publish(share);
  // Relaxed: as above.
  __atomic_add_fetch(&share->ledger->error_bytes, share->largest_bound, __ATOMIC_RELAXED);
}

void wl_ledger_require_empty(const struct wl_ledger *ledger) {
  if (ledger->published != 0) {
    fprintf(stderr, "the lane is broken: all is freed, and %lld bytes are counted as alive\n",
            (long long)ledger->published);
    exit(1);
  }
}
