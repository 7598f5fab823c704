// One thread frees a block and ends, another frees it again.
#include "common/conformance/misuse/misuse.h"

#include <pthread.h>

static void *free_it(void *block) {
  do_free(block);
  return NULL;
}

void misuse(size_t size) {
  prepare_others(size);
  void *block = do_malloc(size);
  pthread_t thread;
  if (pthread_create(&thread, NULL, free_it, block) != 0)
    nothing_to_do();
  pthread_join(thread, NULL);
  about(block);
  do_free(block);
  committed();
  empty_caches();
}
