// cache_thrash: active false sharing.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: see common/false_sharing.h.
//
// After E. Berger's cache-thrash (see cache_scratch). Each thread allocates a small object, writes
// to it many times, and frees it, over and over. An allocator that serves the threads' requests
// from one cache line makes them fight for it. The figure that tells is writes_per_s.
#include "bench/workloads/common/false_sharing.h"

int main(int argc, char **argv) {
  return wl_false_sharing_main("cache_thrash",
                               "Active false sharing: threads allocate small objects at the same "
                               "time and write to them.",
                               false, argc, argv);
}
