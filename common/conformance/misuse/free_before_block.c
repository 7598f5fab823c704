// free of the sixteen bytes before the first block of its size: never a block of its own.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  void *blocks[200];
  char *lowest = NULL;
  for (int i = 0; i < 200; ++i) {
    blocks[i] = do_malloc(size);
    if (lowest == NULL || (char *)blocks[i] < lowest)
      lowest = blocks[i];
  }
  char *before = lowest - 16;
  for (int i = 0; i < 200; ++i) {
    if (blocks[i] == before)
      nothing_to_do();
  }
  about(before);
  do_free(before);
  committed();
}
