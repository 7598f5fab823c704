// delete twice.
#include "common/conformance/misuse/misuse.h"

#include <new>

extern "C" void misuse(size_t size) {
  prepare_others(size);
  void *volatile block = ::operator new(size);
  about(block);
  ::operator delete(block);
  ::operator delete(block);
  committed();
  empty_caches();
}
