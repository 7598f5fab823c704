// free of a string of the environment.
#include "common/conformance/misuse/misuse.h"

extern char **environ;

void misuse(size_t size) {
  (void)size;
  void *pointer = environ[0];
  about(pointer);
  do_free(pointer);
  committed();
}
