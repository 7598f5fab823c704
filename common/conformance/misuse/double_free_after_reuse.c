// The block is freed, perhaps handed out again, freed by its old owner, then by its new one.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  do_free(block);
  void *again = do_malloc(size);
  about(block);
  do_free(block); // the old owner
  if (again == block)
    do_free(again); // the new owner
  committed();
  empty_caches();
}
