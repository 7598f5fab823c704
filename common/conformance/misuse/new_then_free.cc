// new and free do not belong together.
#include "common/conformance/misuse/misuse.h"

#include <new>

extern "C" void misuse(size_t size) {
  void *volatile block = ::operator new(size);
  about(block);
  do_free(block);
  committed();
}
