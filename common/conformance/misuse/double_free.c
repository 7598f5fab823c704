// The same block is freed twice in a row.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  about(block);
  do_free(block);
  do_free(block);
  committed();
  empty_caches();
}
