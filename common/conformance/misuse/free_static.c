// free of static storage.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  (void)size;
  static char storage[4096] __attribute__((aligned(4096)));
  void *pointer = storage + 64;
  about(pointer);
  do_free(pointer);
  committed();
}
