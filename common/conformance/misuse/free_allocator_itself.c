// free of an address inside the allocator's own library.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = (void *)((uintptr_t)do_malloc & ~(uintptr_t)15);
  about(pointer);
  do_free(pointer);
  committed();
}
