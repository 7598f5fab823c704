/* Where things lie: files that Bazel built for us, and paths that people type.
 *
 * Owns: the look-up of runfiles (Bazel 4 and 7, run, test, or the bare binary), the folder a person
 * stands in, making folders. Thread rule: one thread. */
#ifndef BENCH_LAB_WHERE_H
#define BENCH_LAB_WHERE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns: the absolute path of a built file given relative to the workspace ("hz3/libhz3.so"), or
 * NULL when it was not built with us; ownership: the caller's. */
char *where_built(const char *relative);

/* Returns: `path` as a person means it: absolute paths as they are, others from the folder the
 * person stands in (BUILD_WORKING_DIRECTORY under bazel run); ownership: the caller's. */
char *where_typed(const char *path);

/* Returns: the folder of the source tree, or NULL when it is not known; not owned. */
const char *where_source(void);

/* Returns: a fresh folder for files that need not last, or NULL with errno; ownership: the
 * caller's. */
char *where_scratch(void);

/* Effect: makes `path` and its parents. Returns: false with errno. */
bool where_make(const char *path);

#ifdef __cplusplus
}
#endif
#endif
