// free of the data segment behind the program.
#include "common/conformance/misuse/misuse.h"

#include <unistd.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = sbrk(65536);
  about(pointer);
  do_free(pointer);
  committed();
}
