// Loads the allocator's shared object by dlopen instead of LD_PRELOAD, uses it through pointers
// from several threads, closes it, and goes on: the library must be safe against being unloaded.
// Argument: the library's path.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef void *malloc_function(size_t);
typedef void free_function(void *);

static malloc_function *their_malloc;
static free_function *their_free;

static void *thread_body(void *arg) {
  (void)arg;
  for (size_t i = 0; i < 2000; ++i) {
    char *block = their_malloc(i * 40 + 1);
    if (block == NULL)
      return (void *)1;
    memset(block, 1, i * 40 + 1);
    their_free(block);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  for (int round = 0; round < 20; ++round) {
    void *library =
        dlopen(argv[1], round % 2 == 0 ? RTLD_NOW | RTLD_LOCAL : RTLD_LAZY | RTLD_GLOBAL);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    their_malloc = (malloc_function *)dlsym(library, "malloc");
    their_free = (free_function *)dlsym(library, "free");
    if (their_malloc == NULL || their_free == NULL)
      return 3;
    pthread_t threads[4];
    for (int t = 0; t < 4; ++t) {
      if (pthread_create(&threads[t], NULL, thread_body, NULL) != 0)
        return 4;
    }
    void *result = NULL;
    void *kept = their_malloc(100000);
    dlclose(library); // while four threads still use it
    for (int t = 0; t < 4; ++t) {
      void *one = NULL;
      pthread_join(threads[t], &one);
      if (one != NULL)
        result = one;
    }
    if (result != NULL)
      return 5;
    memset(kept, 1, 100000);
    their_free(kept);
  }
  puts("unloaded");
  return 0;
}
