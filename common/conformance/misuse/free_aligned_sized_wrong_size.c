// free_aligned_sized with another size than the block was asked for.
#include "common/conformance/misuse/misuse.h"

#include <stdlib.h>

void misuse(size_t size) {
  if (do_free_aligned_sized == NULL)
    nothing_to_do();
  void *block = aligned_alloc(64, size);
  about(block);
  do_free_aligned_sized(block, 64, size * 4);
  committed();
}
