// One byte before the block is written; its free, or its neighbour's, must see it.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  void *blocks[64];
  for (int i = 0; i < 64; ++i)
    blocks[i] = do_malloc(size);
  volatile char *block = blocks[40];
  block[-1] = 0x5a;
  for (int i = 0; i < 64; ++i)
    do_free(blocks[i]);
  committed();
}
