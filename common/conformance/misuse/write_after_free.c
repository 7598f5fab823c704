// The first byte of a freed block is written; it must be seen before the block is used again.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  volatile char *block = do_malloc(size);
  about(block);
  do_free((void *)block);
  block[0] = 0x5a;
  if (reuse_until(size, (void *)block) == NULL)
    prevented(); // nobody gets that block
  committed();
}
