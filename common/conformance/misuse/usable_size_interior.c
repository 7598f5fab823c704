// malloc_usable_size of a pointer into a block.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  char *block = do_malloc(size + 64);
  about(block + 16);
  do_usable(block + 16);
  committed();
}
