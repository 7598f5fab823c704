// A byte of a block of size 0 is written.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  (void)size;
  volatile char *block = do_malloc(0);
  about(block);
  block[0] = 1;
  committed();
  do_free((void *)block);
}
