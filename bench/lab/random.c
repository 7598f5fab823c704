#include "bench/lab/random.h"

#include <sys/random.h>
#include <time.h>

uint64_t random_next(struct lab_random *r) {
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t random_below(struct lab_random *r, uint64_t below) {
  uint64_t reject_under = -below % below;
  uint64_t x;
  do
    x = random_next(r);
  while (x < reject_under);
  return x % below;
}

void random_order(struct lab_random *r, unsigned *order, size_t n) {
  for (size_t i = 0; i < n; i++)
    order[i] = (unsigned)i;
  for (size_t i = n; i > 1; i--) {
    size_t j = random_below(r, i);
    unsigned kept = order[i - 1];
    order[i - 1] = order[j];
    order[j] = kept;
  }
}

uint64_t random_seed_for(uint64_t seed, const char *text) {
  struct lab_random r = {seed};
  for (; *text != '\0'; text++)
    r.state = random_next(&r) ^ (unsigned char)*text;
  return random_next(&r);
}

uint64_t random_fresh_seed(void) {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
    seed = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u;
  return seed >> 11; /* 53 bits: JSON readers keep it whole */
}
