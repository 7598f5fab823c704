// malloc and delete do not belong together.
#include "common/conformance/misuse/misuse.h"

#include <new>

extern "C" void misuse(size_t size) {
  void *volatile block = do_malloc(size);
  about(block);
  ::operator delete(block);
  committed();
}
