// delete with a size that is not the size of the block.
#include "common/conformance/misuse/misuse.h"

#include <new>

extern "C" void misuse(size_t size) {
  void *volatile block = ::operator new(size);
  about(block);
  ::operator delete(block, size * 4);
  committed();
}
