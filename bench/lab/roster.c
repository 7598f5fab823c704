#include "bench/lab/roster.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>

static const struct roster_entry entries[] = {
    {"hz3", "hz3/libhz3.so", false, true, NULL},
    {"hz4", "hz4/libhz4.so", false, true, NULL},
    {"hz3_fast", "hz3/libhz3_fast.so", false, false, NULL},
    {"hz4_fast", "hz4/libhz4_fast.so", false, false, NULL},
    {"jemalloc", "third_party/jemalloc/libjemalloc.so", true, true, NULL},
    {"mimalloc", "third_party/mimalloc/libmimalloc.so", true, true, NULL},
    {"tcmalloc", "third_party/gperftools/libtcmalloc_minimal.so", true, true, NULL},
    {"glibc", NULL, true, true, NULL},
    {"null", "bench/workloads/libnull.so", false, false, NULL}, /* the floor: does nothing */
};

const struct roster_entry *roster_all(size_t *n) {
  *n = sizeof entries / sizeof entries[0];
  return entries;
}

const struct roster_entry *roster_find(const char *name) {
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
    if (strcmp(entries[i].name, name) == 0)
      return &entries[i];
  return NULL;
}

const char *roster_libc(void) {
  static char path[4096];
  Dl_info info;
  /* A symbol that nobody interposes, unlike malloc. */
  if (dladdr((void *)(size_t)gnu_get_libc_version, &info) == 0 || info.dli_fname == NULL)
    return NULL;
  return realpath(info.dli_fname, path);
}
