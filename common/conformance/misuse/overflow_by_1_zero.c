// A zero is written right behind the block, as a string one too long does; its free must see it.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  volatile char *block = do_malloc(size);
  const size_t usable = do_usable((void *)block);
  about(block);
  block[usable] = 0;
  do_free((void *)block);
  committed();
}
