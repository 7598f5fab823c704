// cache_scratch: passive false sharing.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: see common/false_sharing.h.
//
// After E. Berger's cache-scratch (E. Berger, K. McKinley, R. Blumofe, P. Wilson: "Hoard: A
// Scalable Memory Allocator for Multithreaded Applications", ASPLOS 2000). One thread allocates
// small objects in a row, so that several lie in one cache line, and gives one to each thread. Each
// thread frees its object and then, over and over, allocates one, writes to it many times, and
// frees it. An allocator that hands the given object's memory back to the thread that freed it
// leaves all threads writing to one line for good. The figure that tells is writes_per_s.
#include "bench/workloads/common/false_sharing.h"

int main(int argc, char **argv) {
  return wl_false_sharing_main("cache_scratch",
                               "Passive false sharing: threads free objects that one of them "
                               "allocated side by side, and write to what they get next.",
                               true, argc, argv);
}
