// A C program that asks for operator new: preload_test.sh runs it under the trial library, without
// and with a C++ runtime in the process, and asks for more than there is.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// std's operator new(size_t); absent unless something in the process brings it.
extern void *_Znwm(size_t bytes) __attribute__((weak));

int main(int argc, char **argv) {
  void *(*volatile operator_new)(size_t) = _Znwm;
  if (!operator_new) {
    puts("no operator new");
    return 2;
  }
  char *small = operator_new(100);
  small[99] = 1;
  void *p = malloc(10);
  free(p);
  puts("served");
  fflush(stdout);
  if (argc > 1)
    operator_new((size_t)strtoull(argv[1], NULL, 10));
  return 0;
}
