// A thread that still lives frees a block that another thread made; then its maker frees it too.
#include "common/conformance/misuse/misuse.h"

#include <pthread.h>

static pthread_barrier_t freed;

static void *free_it(void *block) {
  do_free(block);
  pthread_barrier_wait(&freed);
  pthread_barrier_wait(&freed); // alive until the other has had its turn
  return NULL;
}

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  pthread_t thread;
  pthread_barrier_init(&freed, NULL, 2);
  if (pthread_create(&thread, NULL, free_it, block) != 0)
    nothing_to_do();
  pthread_barrier_wait(&freed);
  about(block);
  do_free(block);
  committed();
  empty_caches();
  pthread_barrier_wait(&freed);
  pthread_join(thread, NULL);
  empty_caches(); // where its maker's still lay in a cache when the other thread's left one
}
