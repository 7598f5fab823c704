// malloc_usable_size of a small integer.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = (void *)(uintptr_t)16;
  about(pointer);
  do_usable(pointer);
  committed();
}
