// dist: one thread, sizes from a distribution of bands.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: one thread.
//
// A distribution is a list of bands, each with a weight in percent; within a band sizes are
// uniform. The named ones are what programs were seen to do: mostly small blocks and a few large.
// A band is found by one look into a table of 100 entries, one per percent: no search, no
// mispredicted branch in the harness.
#include "bench/workloads/common/churn.h"

#include <stdio.h>
#include <string.h>

#define PERCENT 100
#define BANDS_MAX 16
#define BAND_TEXT_MAX 512

static const char *const dist_names[] = {"app", "bimodal", "trimix", NULL};
static const char *const dist_bands[] = {"80:16-256,15:257-2048,5:2049-32768",
                                         "90:16-128,10:8192-32768",
                                         "60:16-256,30:1024-4096,10:16384-65536"};

static const struct wl_arg arguments[] = {
    {"dist", "the distribution", 0, 0, 0, dist_names},
    {"iters", "iterations", 1, UINT64_C(1) << 40, 20000000, NULL},
    {"ws", "slots in the working set", 1, 1 << 24, 400, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

enum { KEY_BANDS = 1 };

static const struct argp_option lane_options[] = {
    {"bands", KEY_BANDS, "W:MIN-MAX,...", 0,
     "A distribution of your own instead: percent and sizes of each band, adding up to 100", 2},
    {0}};

struct sizes {
  struct wl_uniform by_percent[PERCENT];
};

static const char *dist_name;
static const char *bands_text; // NULL: those of the named distribution

static void set_option(int key, const char *value) {
  (void)key;
  bands_text = value;
}

static _Noreturn void complain(void) {
  wl_usage_error("--bands is '%s'; accepted: at most %d of WEIGHT:MIN-MAX, comma between, whole "
                 "numbers, MIN from 1 to MAX, MAX at most %u, weights adding up to 100",
                 bands_text, BANDS_MAX, UINT32_MAX);
}

// Returns: the end of the band read at TEXT.
static const char *read_band(const char *text, unsigned *weight, struct wl_uniform *band) {
  unsigned long long min;
  unsigned long long max;
  int length = 0;
  if (sscanf(text, "%3u:%10llu-%10llu%n", weight, &min, &max, &length) != 3 || min < 1 ||
      min > max || max > UINT32_MAX || *weight < 1 || *weight > PERCENT) {
    complain();
  }
  *band = (struct wl_uniform){min, max - min + 1};
  return text + length;
}

static void read_bands(struct sizes *sizes) {
  unsigned filled = 0;
  const char *text = bands_text;
  for (unsigned i = 0; i < BANDS_MAX; i++) {
    unsigned weight;
    struct wl_uniform band;
    text = read_band(text, &weight, &band);
    if (weight > PERCENT - filled) {
      complain();
    }
    for (unsigned k = 0; k < weight; k++) {
      sizes->by_percent[filled++] = band;
    }
    if (*text == '\0' && filled == PERCENT) {
      return;
    }
    if (*text++ != ',') {
      complain();
    }
  }
  complain();
}

static inline uint64_t draw_size(const void *argument, uint32_t bits, struct wl_rng *rng) {
  const struct sizes *sizes = argument;
  const struct wl_uniform *band = &sizes->by_percent[wl_below(bits, PERCENT)];
  return band->min + wl_below(wl_low_bits(wl_rng_next(rng)), band->range);
}

static void report_dist(struct wl_result *result) {
  wl_result_word(result, "dist", dist_name);
  wl_result_word(result, "bands", bands_text);
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "dist",
      .doc = "One thread, block sizes from a distribution of weighted bands.",
      .args = arguments,
      .options = lane_options,
      .set_option = set_option,
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  dist_name = bands_text == NULL ? dist_names[values[0]] : "given";
  bands_text = bands_text == NULL ? dist_bands[values[0]] : bands_text;
  if (strlen(bands_text) > BAND_TEXT_MAX) {
    complain();
  }
  static struct sizes sizes;
  read_bands(&sizes);
  const struct wl_churn churn = {wl_scaled(&options, values[1]), values[2], &sizes};
  return wl_churn_run("dist", &options, &churn, draw_size, report_dist);
}
