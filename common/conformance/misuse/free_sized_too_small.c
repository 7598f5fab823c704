// free_sized with a smaller size than the block was asked for.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  if (do_free_sized == NULL)
    nothing_to_do();
  void *block = do_malloc(size * 4);
  about(block);
  do_free_sized(block, size);
  committed();
}
