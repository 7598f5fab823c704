// 32 bytes before the block are written; its free, or its neighbour's, must see it.
#include "common/conformance/misuse/misuse.h"

#include <string.h>

void misuse(size_t size) {
  void *blocks[64];
  for (int i = 0; i < 64; ++i)
    blocks[i] = do_malloc(size);
  volatile char *block = blocks[40];
  memset((void *)(block - 32), 0x5a, 32);
  for (int i = 0; i < 64; ++i)
    do_free(blocks[i]);
  committed();
}
