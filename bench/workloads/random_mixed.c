// random_mixed: one thread, uniform sizes.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: one thread.
//
// Each iteration draws a slot of the working set and, separately, a size: a full slot is freed, an
// empty one allocated; one operation each. The classic is 20,000,000 iterations, 400 slots, 16 to
// 1024 bytes, seed 1.
#include "bench/workloads/common/churn.h"

static const struct wl_arg arguments[] = {
    {"iters", "iterations", 1, UINT64_C(1) << 40, 20000000, NULL},
    {"ws", "slots in the working set", 1, 1 << 24, 400, NULL},
    {"min", "smallest block, bytes", 1, UINT64_C(1) << 31, 16, NULL},
    {"max", "largest block, bytes", 1, UINT64_C(1) << 31, 1024, NULL},
    {"seed", "seed of the random numbers, as --seed", 0, UINT64_MAX, 1, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "random_mixed",
      .doc = "One thread frees and allocates blocks of uniformly drawn sizes in random order.",
      .args = arguments,
  };
  return wl_churn_uniform_main(&description, argc, argv);
}
