// realloc moves a block; the old address is freed.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  void *wall = do_malloc(size);
  if (do_realloc(block, size * 50 + 200000) == block)
    nothing_to_do(); // it grew where it is
  about(block);
  do_free(block);
  committed();
  do_free(wall);
  empty_caches();
}
