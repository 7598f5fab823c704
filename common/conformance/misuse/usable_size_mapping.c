// malloc_usable_size of a mapping that the program made itself.
#include "common/conformance/misuse/misuse.h"

#include <sys/mman.h>

void misuse(size_t size) {
  const size_t bytes = (size + 4095) / 4096 * 4096;
  void *pointer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  about(pointer);
  do_usable(pointer);
  committed();
}
