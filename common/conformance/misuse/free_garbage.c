// free of an address that no program can have.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = (void *)(uintptr_t)0x4141414141414140;
  about(pointer);
  do_free(pointer);
  committed();
}
