// A block is freed, another is freed, the first is freed again.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  void *other = do_malloc(size);
  about(block);
  do_free(block);
  do_free(other);
  do_free(block);
  committed();
  empty_caches();
}
