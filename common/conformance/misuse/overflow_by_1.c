// One byte behind the block is written; its free must see it.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  volatile char *block = do_malloc(size);
  const size_t usable = do_usable((void *)block);
  about(block);
  block[usable] = 0x5a;
  do_free((void *)block);
  committed();
}
