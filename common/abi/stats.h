// The figures a generation gives the statistics functions of the surface (mallinfo2, malloc_stats,
// malloc_info). All bytes; taken at one moment but not atomically together.
#ifndef HZ_COMMON_ABI_STATS_H_
#define HZ_COMMON_ABI_STATS_H_

#include "common/arena/arena.h"
#include "common/base/units.h"
#include "common/os/os.h"

HZ_EXTERN_C_BEGIN

#define HZ_STATS_CLASSES 104
#define HZ_STATS_PAIRS 96

// One figure of the `observe` variant: printed as KEY=value behind [TAG] at exit, and as
// <counter tag="TAG" key="KEY" value="..."/> by malloc_info. Pairs of one tag stand together.
struct hz_stat_pair {
  const char *tag; // "HZ4_MID_STATS"
  const char *key; // "lock_path_share"
  uint64_t value;
};

struct hz_stats {
  const char *generation; // "hz4"
  const char *version;    // "0.1.0"
  // In blocks that the program holds (large exact; classes: out of spans minus cached).
  size_t live_bytes;
  size_t live_large_bytes;
  size_t live_large_blocks;
  size_t cached_thread_bytes; // in caches of threads or CPUs
  size_t cached_shared_bytes; // in the transfer layer or depot
  size_t cached_blocks;       // how many blocks these two are; 0 when not known
  size_t span_free_bytes;     // free blocks inside spans
  size_t threads;             // caches alive
  struct {
    size_t block_bytes, spans;
    size_t blocks_out;  // held by the program or by caches
    size_t blocks_free; // inside spans
  } cls[HZ_STATS_CLASSES];
  size_t classes; // used entries of cls
  struct hz_arena_stats arena;
  struct hz_os_stats os;
  struct hz_stat_pair pairs[HZ_STATS_PAIRS];
  size_t pair_count;
};

// Effect: one more pair; dropped when there is no room.
HZ_INLINE void hz_stats_add(struct hz_stats *s, const char *tag, const char *key, uint64_t value) {
  if (s->pair_count < HZ_STATS_PAIRS)
    s->pairs[s->pair_count++] = (struct hz_stat_pair){tag, key, value};
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_ABI_STATS_H_
