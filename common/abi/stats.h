// The figures a generation gives the statistics functions of the surface (mallinfo2, malloc_stats,
// malloc_info). All bytes; taken at one moment but not atomically together.
#ifndef HZ_COMMON_ABI_STATS_H_
#define HZ_COMMON_ABI_STATS_H_

#include "common/arena/arena.h"
#include "common/base/units.h"
#include "common/os/os.h"

struct hz_stats {
  const char *generation; // "hz4"
  const char *version;    // "0.1.0"
  size_t live_bytes; // in blocks that the program holds (large exact; classes: out of spans minus
                     // cached)
  size_t live_large_bytes;
  size_t live_large_blocks;
  size_t cached_thread_bytes; // in caches of threads or CPUs
  size_t cached_shared_bytes; // in the transfer layer or depot
  size_t span_free_bytes;     // free blocks inside spans
  size_t threads;             // caches alive
  struct {
    size_t block_bytes, spans, blocks_out, blocks_free;
  } cls[96];
  size_t classes; // used entries of cls
  struct hz_arena_stats arena;
  struct hz_os_stats os;
};

#endif // HZ_COMMON_ABI_STATS_H_
