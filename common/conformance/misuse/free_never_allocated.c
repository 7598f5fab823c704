// free of what lies far behind the highest block: a place for a block that was never handed out,
// nor taken by a cache.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  uintptr_t blocks[200], highest = 0, distance = UINTPTR_MAX;
  for (int i = 0; i < 200; ++i)
    blocks[i] = (uintptr_t)do_malloc(size);
  for (int i = 0; i < 200; ++i) {
    highest = blocks[i] > highest ? blocks[i] : highest;
    for (int j = 0; j < 200; ++j)
      distance = blocks[j] > blocks[i] && blocks[j] - blocks[i] < distance ? blocks[j] - blocks[i]
                                                                           : distance;
  }
  void *never = (void *)(highest + 150 * distance);
  about(never);
  do_free(never);
  committed();
}
