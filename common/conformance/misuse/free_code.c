// free of a function.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = (void *)(uintptr_t)&misuse;
  about(pointer);
  do_free(pointer);
  committed();
}
