// free of the neighbour behind the highest block: a block that a cache may hold and that was never
// handed out.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  prepare_others(size);
  uintptr_t blocks[200], highest = 0, distance = UINTPTR_MAX;
  for (int i = 0; i < 200; ++i)
    blocks[i] = (uintptr_t)do_malloc(size);
  for (int i = 0; i < 200; ++i) {
    highest = blocks[i] > highest ? blocks[i] : highest;
    for (int j = 0; j < 200; ++j)
      distance = blocks[j] > blocks[i] && blocks[j] - blocks[i] < distance ? blocks[j] - blocks[i]
                                                                           : distance;
  }
  void *never = (void *)(highest + distance);
  about(never);
  do_free(never);
  committed();
  empty_caches();
}
