// realloc of a block that was freed, to a size that makes it move.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  about(block);
  do_free(block);
  do_realloc(block, size * 50 + 200000);
  committed();
  empty_caches();
}
