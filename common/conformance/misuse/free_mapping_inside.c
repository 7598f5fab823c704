// free of the middle of a large mapping, aligned like a region of our own.
#include "common/conformance/misuse/misuse.h"

#include <sys/mman.h>

void misuse(size_t size) {
  (void)size;
  char *mapping =
      mmap(NULL, (size_t)64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *pointer = mapping + ((size_t)32 << 20);
  about(pointer);
  do_free(pointer);
  committed();
}
