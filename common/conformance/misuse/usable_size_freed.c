// malloc_usable_size of a block that was freed.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  void *block = do_malloc(size);
  about(block);
  do_free(block);
  do_usable(block);
  committed();
}
