// free of an address where nothing is mapped.
#include "common/conformance/misuse/misuse.h"

#include <sys/mman.h>

void misuse(size_t size) {
  (void)size;
  void *pointer = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pointer, 65536);
  about(pointer);
  do_free(pointer);
  committed();
}
