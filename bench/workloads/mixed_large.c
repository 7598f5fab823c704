// mixed_large: one thread, sizes spread evenly over the powers of two.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: one thread.
//
// Log-uniform sizes: every doubling between min and max is drawn equally often, so that an
// allocator's small, middle and large parts are all used, and their seams crossed. 8 to 1048576 is
// the whole range; 65536 to 1048576 (with --seconds 10) the large blocks alone.
//
// No logarithm in the loop: the range is cut into 256 parts of equal ratio beforehand, a part is
// drawn, and a size uniformly in it (a part spans a factor of at most (max/min)^(1/256), 1.05 for
// the default range, so the density within it is off by less than 3 %).
#include "bench/workloads/common/churn.h"

#include <math.h>

#define PARTS 256

static const struct wl_arg arguments[] = {
    {"min", "smallest block, bytes", 1, UINT64_C(1) << 31, 8, NULL},
    {"max", "largest block, bytes", 1, UINT64_C(1) << 31, 1 << 20, NULL},
    {"iters", "iterations", 1, UINT64_C(1) << 40, 20000000, NULL},
    {"ws", "slots in the working set", 1, 1 << 24, 400, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

struct sizes {
  uint64_t edge[PARTS + 1]; // [0] = min, [PARTS] = max + 1; an empty part yields its edge
};

static void cut(struct sizes *sizes, uint64_t min, uint64_t max) {
  const double ratio = (double)(max + 1) / (double)min;
  for (unsigned i = 0; i <= PARTS; i++) {
    sizes->edge[i] = (uint64_t)((double)min * pow(ratio, (double)i / PARTS));
  }
  sizes->edge[PARTS] = max + 1;
}

static inline uint64_t draw_size(const void *argument, uint32_t bits, struct wl_rng *rng) {
  const struct sizes *sizes = argument;
  const uint64_t part = wl_below(bits, PARTS);
  const uint64_t low = sizes->edge[part];
  return low + wl_below(wl_low_bits(wl_rng_next(rng)), sizes->edge[part + 1] - low);
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "mixed_large",
      .doc = "One thread, log-uniform block sizes from 8 bytes to 1 MiB.",
      .args = arguments,
      .defaults = {.seconds = 10},
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  wl_require_ordered("min", values[0], "max", values[1]);
  static struct sizes sizes;
  cut(&sizes, values[0], values[1]);
  const struct wl_churn churn = {wl_scaled(&options, values[2]), values[3], &sizes};
  return wl_churn_run("mixed_large", &options, &churn, draw_size, NULL);
}
