// A byte of a block of size 0 is read.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  (void)size;
  volatile char *block = do_malloc(0);
  if (block == NULL || do_usable((void *)block) > 0)
    nothing_to_do();
  about(block);
  char byte = *block;
  (void)byte;
  committed();
}
