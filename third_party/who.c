/* Says whose malloc this process has, by a function that only its owner offers, and uses it a
   little: a library that is preloaded or linked but broken does not get to the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) extern int mallctl(const char *, void *, size_t *, void *, size_t);
__attribute__((weak)) extern int mi_version(void);
__attribute__((weak)) extern const char *tc_version(int *, int *, const char **);

int main(void) {
  for (size_t size = 1; size < (1u << 22); size *= 3) {
    char *block = malloc(size);
    if (block == NULL)
      return 1;
    memset(block, 1, size);
    block = realloc(block, 2 * size);
    if (block == NULL || block[size - 1] != 1)
      return 1;
    free(block);
  }
  if (mallctl != NULL) {
    const char *version = "";
    size_t size = sizeof(void *);
    mallctl("version", &version, &size, NULL, 0);
    printf("jemalloc %s\n", version);
  } else if (mi_version != NULL) {
    printf("mimalloc %d\n", mi_version());
  } else if (tc_version != NULL) {
    int major = 0;
    int minor = 0;
    const char *patch = NULL;
    tc_version(&major, &minor, &patch);
    printf("tcmalloc %d.%d\n", major, minor);
  } else {
    puts("libc");
  }
  return 0;
}
