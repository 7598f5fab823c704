// A block with an alignment of its own is freed twice.
#include "common/conformance/misuse/misuse.h"

#include <stdlib.h>

void misuse(size_t size) {
  prepare_others(size);
  void *block = NULL;
  if (posix_memalign(&block, 1024, size) != 0)
    nothing_to_do();
  about(block);
  do_free(block);
  do_free(block);
  committed();
  empty_caches();
}
