// A freed block is the very next one handed out, every time: what an attacker hopes for.
#include "common/conformance/misuse/misuse.h"

void misuse(size_t size) {
  int same = 0;
  for (int i = 0; i < 64; ++i) {
    void *block = do_malloc(size);
    do_free(block);
    void *next = do_malloc(size);
    same += next == block;
    do_free(next);
  }
  if (same < 32)
    prevented();
  committed();
}
