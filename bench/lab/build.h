/* The two shared objects of an A/B question, found or built.
 *
 * Owns: the meaning of `A.so B.so`, `GENERATION BOX` and `archive/GENERATION/BOX`. Builds through
 * the tree's own bazelw. Owns not: measuring. Thread rule: one thread. */
#ifndef BENCH_LAB_BUILD_H
#define BENCH_LAB_BUILD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ownership: names and paths live as long as the process. */
struct build_pair {
  char *name[2];
  char *path[2];
};

/* Effect: finds or builds the pair that `words` mean; refuses what it does not understand or cannot
 * build. */
void build_pair_find(struct build_pair *pair, char *const *words, size_t n);

/* Effect: builds one file of the tree ("hz4/libhz4.so"), with a flag of Bazel's or NULL. Returns:
 * its path, or NULL when it could not be built (the reason is on stderr); ownership: the caller's.
 */
char *build_file(const char *tree, const char *flag, const char *relative);

/* Effect: copies a built file to where later builds do not touch it. Returns: its path, or NULL;
 * ownership: the caller's. The copies go with build_forget. */
char *build_keep(const char *path, const char *name);

/* Effect: removes what build_keep keeps. */
void build_forget(void);

#ifdef __cplusplus
}
#endif
#endif
