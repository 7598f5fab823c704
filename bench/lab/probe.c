/* Says on which file malloc lands in a process started as every cell is started.
 *
 * Prints "SYMBOL name path" for each function of the surface and then "MAP " before each line of
 * its own maps. The lab runs it under each preload and refuses a run whose proof does not hold. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "malloc",         "free",          "calloc",   "realloc",
    "posix_memalign", "aligned_alloc", "memalign", "malloc_usable_size",
};

int main(void) {
  char line[4096], whole[PATH_MAX];
  char *volatile block = malloc(100); /* the allocator has worked by the time the maps are read */
  if (block == NULL)
    return 1;
  memset(block, 1, 100);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    Dl_info info;
    void *at = dlsym(RTLD_DEFAULT, names[i]);
    if (at == NULL || dladdr(at, &info) == 0 || info.dli_fname == NULL)
      printf("SYMBOL %s -\n", names[i]);
    else
      printf("SYMBOL %s %s\n", names[i],
             realpath(info.dli_fname, whole) != NULL ? whole : info.dli_fname);
  }
  FILE *maps = fopen("/proc/self/maps", "re");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
    printf("MAP %s", line);
  if (maps != NULL)
    fclose(maps);
  free(block);
  return 0;
}
