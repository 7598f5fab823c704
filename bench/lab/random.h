/* The lab's own random numbers: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
 *
 * Owns: the order of rounds and the resamples of intervals, both repeatable from a recorded seed.
 * Owns not: the workloads' generators.
 * Thread rule: a generator belongs to one thread. */
#ifndef BENCH_LAB_RANDOM_H
#define BENCH_LAB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lab_random {
  uint64_t state;
};

uint64_t random_next(struct lab_random *r);
/* Returns: a number in [0, below), unbiased. Requires: below > 0. */
uint64_t random_below(struct lab_random *r, uint64_t below);
/* Effect: the numbers 0 … n-1 in an order drawn by r (Fisher and Yates). */
void random_order(struct lab_random *r, unsigned *order, size_t n);
/* Returns: a seed that depends on `seed` and on every byte of `text`; the same on every machine. */
uint64_t random_seed_for(uint64_t seed, const char *text);
/* Returns: a seed from the kernel, below 2^53. */
uint64_t random_fresh_seed(void);

#ifdef __cplusplus
}
#endif
#endif
