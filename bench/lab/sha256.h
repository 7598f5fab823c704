/* SHA-256 of bytes and of files (FIPS 180-4).
 *
 * Owns: the digest. Owns not: what is hashed and where the copies lie (pins.h).
 * Thread rule: a state belongs to one thread. */
#ifndef BENCH_LAB_SHA256_H
#define BENCH_LAB_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SHA256_DIGEST_BYTES = 32, SHA256_HEX_BYTES = 65 };

/* Invariant: fill < 64; total_bytes % 64 == fill. */
struct sha256 {
  uint32_t h[8];
  uint64_t total_bytes;
  unsigned fill;
  uint8_t block[64];
};

void sha256_start(struct sha256 *state);
void sha256_add(struct sha256 *state, const void *data, size_t bytes);
/* Effect: the digest as 64 lower-case hexadecimal digits and a NUL. The state is spent. */
void sha256_finish(struct sha256 *state, char hex[SHA256_HEX_BYTES]);

/* Returns: false with errno when the file cannot be read. */
bool sha256_file(const char *path, char hex[SHA256_HEX_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
