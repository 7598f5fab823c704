// Owns: the engine of cache_scratch and cache_thrash.
// Does not own: what the two mean; see their files.
// Thread rule: main calls; the workers share nothing but what the allocator makes them share.
#ifndef BENCH_WORKLOADS_COMMON_FALSE_SHARING_H_
#define BENCH_WORKLOADS_COMMON_FALSE_SHARING_H_

#include <stdbool.h>

// Effect: the whole of lane NAME. PASSIVE: main allocates one object per thread in a row, and each
// thread frees the one it was given before it begins. Returns: the exit status of main.
int wl_false_sharing_main(const char *name, const char *doc, bool passive, int argc, char **argv);

#endif // BENCH_WORKLOADS_COMMON_FALSE_SHARING_H_
