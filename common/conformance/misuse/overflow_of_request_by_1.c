// One byte more than was asked for is written, inside what malloc_usable_size would allow: where
// that is not more than was asked for, the free must see it.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  volatile char *block = do_malloc(size);
  if (do_usable((void *)block) > size)
    nothing_to_do();
  about(block);
  block[size] = 0x5a;
  do_free((void *)block);
  committed();
}
