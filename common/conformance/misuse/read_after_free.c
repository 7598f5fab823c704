// A secret is read from a freed block.
#include "common/conformance/misuse/misuse.h"

#include <string.h>

void misuse(size_t size) {
  char *block = do_malloc(size);
  memset(block, 0x5e, size);
  do_free(block);
  if (((volatile char *)block)[size - 1] != 0x5e)
    prevented();
  committed();
}
