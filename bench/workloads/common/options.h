// Owns: the command line that all workloads share, and how a wrong argument is answered.
// Does not own: what an argument means to a lane.
// Thread rule: called by main before any other thread exists.
#ifndef BENCH_WORKLOADS_COMMON_OPTIONS_H_
#define BENCH_WORKLOADS_COMMON_OPTIONS_H_

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum wl_touch { WL_TOUCH_NONE, WL_TOUCH_EDGES, WL_TOUCH_ALL };

#define WL_ARGS_MAX 8 // positional arguments of a lane, at most

struct wl_options {
  double seconds;      // the timed phase ends after this at the latest
  double warm_seconds; // so does the warm-up, where a lane has one; by default no less than 5 s
  double scale;
  uint64_t seed;
  enum wl_touch touch;
  bool check;
  bool latency;      // time single calls
  uint64_t epoch_ms; // print a line every so often; 0 = never
  bool hold;         // --hold-ms was given
  uint64_t hold_ms;  // idle time after the work, for those who sample memory
};

// One positional argument: a whole number, or one of a list of words, whose position is then the
// value. A table of them ends with name == NULL.
struct wl_arg {
  const char *name;
  const char *doc;
  uint64_t low;
  uint64_t high;
  uint64_t fallback;        // when it is not given
  const char *const *words; // ended by NULL; NULL for a number
};

struct wl_lane {
  const char *name;
  const char *doc;
  const struct wl_arg *args;
  const struct argp_option *options;              // the lane's own; NULL or ended by {0}
  void (*set_option)(int key, const char *value); // complains by wl_usage_error
  struct wl_options defaults;                     // where `seconds` or `scale` is 0: 60 s, 1.0
  bool timed; // runs for `seconds`; --scale then scales the default of `seconds`
};

// Effect: reads the command line into OPTIONS and VALUES (fallbacks for what is missing).
// Returns: how many positional arguments were given. Does not return on --help (exit 0) nor when
// an argument is wrong (a sentence naming it and the usage on stderr, exit 2).
unsigned wl_parse(const struct wl_lane *lane, int argc, char **argv, struct wl_options *options,
                  uint64_t values[WL_ARGS_MAX]);

// Effect: prints the sentence and the usage of the lane being parsed on stderr, exits with 2.
void wl_usage_error(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

// Effect: ends with a sentence naming ITEM and TEXT unless TEXT is a whole number in [low, high].
uint64_t wl_parse_count(const char *item, const char *text, uint64_t low, uint64_t high);

// Returns: the position of TEXT in WORDS (ended by NULL); ends as wl_usage_error when it is absent.
unsigned wl_parse_word(const char *item, const char *text, const char *const *words);

// Effect: ends as wl_usage_error unless min <= max.
void wl_require_ordered(const char *low_name, uint64_t low, const char *high_name, uint64_t high);

// Returns: COUNT times the scale, at least 1.
uint64_t wl_scaled(const struct wl_options *options, uint64_t count);

const char *wl_touch_name(enum wl_touch touch);

#ifdef __cplusplus
}
#endif

#endif // BENCH_WORKLOADS_COMMON_OPTIONS_H_
