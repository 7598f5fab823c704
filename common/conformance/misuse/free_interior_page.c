// free of a pointer one page into a block.
#include "common/conformance/misuse/misuse.h"

#include <unistd.h>

void misuse(size_t size) {
  char *block = do_malloc(size);
  if (do_usable(block) <= (size_t)sysconf(_SC_PAGESIZE))
    nothing_to_do();
  char *inside = block + (size_t)sysconf(_SC_PAGESIZE);
  about(inside);
  do_free(inside);
  committed();
}
