// free of a pointer all but one of its bytes into a block.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  char *block = do_malloc(size);
  char *inside = block + do_usable(block) - 1;
  about(inside);
  do_free(inside);
  committed();
}
