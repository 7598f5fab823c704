// Eight bytes behind the block are written; its free must see it.
#include "common/conformance/misuse/misuse.h"

#include <string.h>

void misuse(size_t size) {
  volatile char *block = do_malloc(size);
  const size_t usable = do_usable((void *)block);
  about(block);
  memset((void *)(block + usable), 0x5a, 8);
  do_free((void *)block);
  committed();
}
