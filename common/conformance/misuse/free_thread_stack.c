// free of an address on the stack of another thread.
#include "common/conformance/misuse/misuse.h"

#include <pthread.h>
#include <stdint.h>

static pthread_barrier_t ready;
static volatile char *lent;

static void *lend(void *argument) {
  char here[64];
  lent = here + (16 - (uintptr_t)here % 16);
  lent[0] = 1;
  pthread_barrier_wait(&ready);
  pthread_barrier_wait(&ready);
  return argument;
}

void misuse(size_t size) {
  (void)size;
  pthread_t thread;
  pthread_barrier_init(&ready, NULL, 2);
  if (pthread_create(&thread, NULL, lend, NULL) != 0)
    nothing_to_do();
  pthread_barrier_wait(&ready);
  about(lent);
  do_free((void *)lent);
  committed();
  pthread_barrier_wait(&ready);
  pthread_join(thread, NULL);
}
