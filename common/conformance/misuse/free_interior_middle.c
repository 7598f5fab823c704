// free of a pointer half its size into a block.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  char *block = do_malloc(size);
  if (do_usable(block) <= 31)
    nothing_to_do();
  char *inside = block + do_usable(block) / 2 / 16 * 16;
  about(inside);
  do_free(inside);
  committed();
}
