// Three hundred other blocks are freed between the two frees.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  about(block);
  do_free(block);
  free_some_others(300);
  do_free(block);
  committed();
  empty_caches();
}
