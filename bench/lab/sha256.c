#include "bench/lab/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned by) {
  return x >> by | x << (32 - by);
}

static void mix_block(uint32_t h[8], const uint8_t block[64]) {
  uint32_t w[64];
  for (unsigned i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (unsigned i = 16; i < 64; i++) {
    uint32_t low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + low + w[i - 7] + high;
  }
  uint32_t s[8];
  memcpy(s, h, sizeof s);
  for (unsigned i = 0; i < 64; i++) {
    uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
    uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    uint32_t one = s[7] + e + choice + round_constant[i] + w[i];
    uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
    uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    memmove(s + 1, s, 7 * sizeof s[0]);
    s[4] += one;
    s[0] = one + a + majority;
  }
  for (unsigned i = 0; i < 8; i++)
    h[i] += s[i];
}

void sha256_start(struct sha256 *state) {
  /* First 32 bits of the fractional parts of the square roots of the first 8 primes. */
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memset(state, 0, sizeof *state);
  memcpy(state->h, initial, sizeof initial);
}

void sha256_add(struct sha256 *state, const void *data, size_t bytes) {
  const uint8_t *from = data;
  state->total_bytes += bytes;
  while (bytes > 0) {
    size_t part = sizeof state->block - state->fill;
    if (part > bytes)
      part = bytes;
    memcpy(state->block + state->fill, from, part);
    state->fill += (unsigned)part;
    from += part;
    bytes -= part;
    if (state->fill == sizeof state->block) {
      mix_block(state->h, state->block);
      state->fill = 0;
    }
  }
}

void sha256_finish(struct sha256 *state, char hex[SHA256_HEX_BYTES]) {
  uint64_t bits = state->total_bytes * 8;
  uint8_t tail[8];
  for (unsigned i = 0; i < 8; i++)
    tail[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(state, "\x80", 1);
  while (state->fill != 56)
    sha256_add(state, "", 1);
  sha256_add(state, tail, sizeof tail);
  for (unsigned i = 0; i < 8; i++)
    snprintf(hex + 8 * i, 9, "%08x", state->h[i]);
}

bool sha256_file(const char *path, char hex[SHA256_HEX_BYTES]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  struct sha256 state;
  uint8_t buffer[65536];
  ssize_t got;
  sha256_start(&state);
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    sha256_add(&state, buffer, (size_t)got);
  int error = errno;
  close(fd);
  errno = error;
  if (got < 0)
    return false;
  sha256_finish(&state, hex);
  return true;
}
