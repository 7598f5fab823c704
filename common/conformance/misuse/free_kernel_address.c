// free of an address of the kernel.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = (void *)(uintptr_t)0xffff888000000000;
  about(pointer);
  do_free(pointer);
  committed();
}
