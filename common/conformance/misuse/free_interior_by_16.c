// free of a pointer sixteen bytes into a block.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  char *block = do_malloc(size);
  if (do_usable(block) <= 16)
    nothing_to_do();
  char *inside = block + 16;
  about(inside);
  do_free(inside);
  committed();
}
