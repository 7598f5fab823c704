// realloc of static storage.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  static char storage[4096] __attribute__((aligned(4096)));
  void *pointer = storage + 64;
  about(pointer);
  do_realloc(pointer, size + 1);
  committed();
}
