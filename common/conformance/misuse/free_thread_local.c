// free of thread-local storage.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  (void)size;
  static _Thread_local char storage[64] __attribute__((aligned(16)));
  void *pointer = storage;
  about(pointer);
  do_free(pointer);
  committed();
}
