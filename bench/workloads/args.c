// args: one thread, uniform sizes in the bands that tell allocators apart.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: one thread.
//
// The loop of random_mixed over 16 to 2048 bytes (the default: small blocks), 4096 to 32768 (beyond
// what most allocators cache per thread) and 16 to 32768 (both).
#include "bench/workloads/common/churn.h"

static const struct wl_arg arguments[] = {
    {"iters", "iterations", 1, UINT64_C(1) << 40, 20000000, NULL},
    {"ws", "slots in the working set", 1, 1 << 24, 400, NULL},
    {"min", "smallest block, bytes", 1, UINT64_C(1) << 31, 16, NULL},
    {"max", "largest block, bytes", 1, UINT64_C(1) << 31, 2048, NULL},
    {"seed", "seed of the random numbers, as --seed", 0, UINT64_MAX, 1, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "args",
      .doc = "One thread, random_mixed over 16-2048, 4096-32768 or 16-32768 bytes.",
      .args = arguments,
  };
  return wl_churn_uniform_main(&description, argc, argv);
}
