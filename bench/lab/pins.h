/* Copies that a run owns: what is measured cannot change while it is measured.
 *
 * Owns: copying a file into a folder under its SHA-256. Thread rule: one thread. */
#ifndef BENCH_LAB_PINS_H
#define BENCH_LAB_PINS_H

#include "bench/lab/sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pin {
  char *path; /* absolute; folder/SHA256-name */
  char sha256[SHA256_HEX_BYTES];
};

/* Effect: copies `source` to folder/SHA256-name, readable and executable by all, writable by none.
 * Refuses with one sentence when it cannot. Ownership: pin.path is the caller's. */
struct pin pin_copy(const char *folder, const char *source, const char *name);

/* Effect: takes an existing copy after checking that it still has this hash; refuses when it has
 * not. */
struct pin pin_reuse(const char *folder, const char *sha256, const char *name);

#ifdef __cplusplus
}
#endif
#endif
