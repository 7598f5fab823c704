/* The allocators the lab knows by name.
 *
 * Owns: names, where Bazel puts their shared objects, which of them are peers, what they need in
 * the environment. Owns not: copies and proofs of a run (pins.h). Thread rule: a constant table. */
#ifndef BENCH_LAB_ROSTER_H
#define BENCH_LAB_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct roster_entry {
  const char *name;
  const char *built;   /* path of the shared object in the tree; NULL: the C library itself */
  bool is_peer;        /* others are compared with it */
  bool is_default;     /* takes part when nobody names allocators */
  const char *setting; /* NAME=VALUE it needs in its environment, shown as its label; NULL: none */
};

/* Returns: the table; *n its length. */
const struct roster_entry *roster_all(size_t *n);
const struct roster_entry *roster_find(const char *name);
/* Returns: the path of the C library this process runs on; NULL when the linker does not say. */
const char *roster_libc(void);

#ifdef __cplusplus
}
#endif
#endif
