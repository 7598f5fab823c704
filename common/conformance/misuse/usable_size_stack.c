// malloc_usable_size of a stack address.
#include "common/conformance/misuse/misuse.h"

#include <stdint.h>

void misuse(size_t size) {
  (void)size;
  char here[256];
  volatile char *pointer_on_stack = here + (16 - (uintptr_t)here % 16);
  pointer_on_stack[0] = 1;
  void *pointer = (void *)pointer_on_stack;
  about(pointer);
  do_usable(pointer);
  committed();
}
