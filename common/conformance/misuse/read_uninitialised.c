// A new block shows what an earlier owner left in it.
#include "common/conformance/misuse/misuse.h"

#include <string.h>

void misuse(size_t size) {
  char *block = do_malloc(size);
  memset(block, 0x5e, size);
  do_free(block);
  volatile char *again = reuse_until(size, block);
  if (again == NULL || again[size - 1] != 0x5e)
    prevented();
  committed();
}
