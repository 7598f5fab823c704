#include "bench/workloads/common/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SECONDS 60.0
#define LEAST_WARM_SECONDS 5.0
#define LONGEST_SECONDS 86400.0
#define EXIT_USAGE 2

enum key {
  KEY_SECONDS = 0x1000,
  KEY_WARM_SECONDS,
  KEY_TOUCH,
  KEY_SCALE,
  KEY_SEED,
  KEY_CHECK,
  KEY_LATENCY,
  KEY_EPOCH,
  KEY_HOLD,
  KEY_HELP
};

static const struct argp_option common_options[] = {
    {"seconds", KEY_SECONDS, "S", 0, "Stop the timed phase after S seconds at the latest", 1},
    {"warm-seconds", KEY_WARM_SECONDS, "S", 0,
     "The same for the warm-up of mt_remote (as --seconds, but 5 at least)", 1},
    {"touch", KEY_TOUCH, "none|edges|all", 0,
     "Write nothing, the first and last byte of each page of a block, or all of it", 1},
    {"scale", KEY_SCALE, "F", 0, "Multiply the amount of work by F", 1},
    {"seed", KEY_SEED, "N", 0, "Seed of the random numbers", 1},
    {"check", KEY_CHECK, NULL, 0, "Fill every block and verify it before it is freed", 1},
    {"latency", KEY_LATENCY, NULL, 0,
     "Time one call in 61 and print percentiles; slows the run a little", 1},
    {"epoch-ms", KEY_EPOCH, "N", 0, "Print a line EPOCH every N ms of the timed phase", 1},
    {"hold-ms", KEY_HOLD, "N", 0,
     "Afterwards print FREED, idle N ms, do 1,000 malloc/free, print SETTLED", 1},
    {"help", KEY_HELP, NULL, 0, "This text", -1},
    {0}};

static const char *const touch_names[] = {"none", "edges", "all", NULL};

struct parse {
  const struct wl_lane *lane;
  struct wl_options *options;
  uint64_t *values;
  unsigned given;
  bool seconds_given;
  const char *rejected; // the word at which getopt gave up
};

struct text {
  char bytes[4096];
  size_t length;
};

static void append(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct text *text, const char *format, ...) {
  va_list list;
  va_start(list, format);
  const size_t room = sizeof(text->bytes) - text->length;
  const int added = vsnprintf(text->bytes + text->length, room, format, list);
  text->length += added > 0 && (size_t)added < room ? (size_t)added : 0;
  va_end(list);
}

// What wl_usage_error describes; main parses once, before any other thread exists.
static const struct argp *current_argp;
static const char *current_name;

void wl_usage_error(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "%s: ", current_name);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  argp_help(current_argp, stderr, ARGP_HELP_USAGE, (char *)(uintptr_t)current_name);
  exit(EXIT_USAGE);
}

uint64_t wl_parse_count(const char *item, const char *text, uint64_t low, uint64_t high) {
  char *end = NULL;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  const bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0';
  if (!digits || errno != 0 || value < low || value > high) {
    wl_usage_error("%s is '%s'; accepted: a whole number from %llu to %llu", item, text,
                   (unsigned long long)low, (unsigned long long)high);
  }
  return value;
}

static double parse_positive(const char *item, const char *text, double high) {
  char *end = NULL;
  const double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value) || value <= 0 || value > high) {
    wl_usage_error("%s is '%s'; accepted: a number above 0, at most %g", item, text, high);
  }
  return value;
}

static void list_words(struct text *text, const char *const *words) {
  for (unsigned i = 0; words[i] != NULL; i++) {
    append(text, "%s%s", i == 0 ? "" : (words[i + 1] == NULL ? " or " : ", "), words[i]);
  }
}

unsigned wl_parse_word(const char *item, const char *text, const char *const *words) {
  for (unsigned i = 0; words[i] != NULL; i++) {
    if (strcmp(words[i], text) == 0) {
      return i;
    }
  }
  struct text known = {"", 0};
  list_words(&known, words);
  wl_usage_error("%s is '%s'; accepted: %s", item, text, known.bytes);
}

void wl_require_ordered(const char *low_name, uint64_t low, const char *high_name, uint64_t high) {
  if (low > high) {
    wl_usage_error("%s is %llu and %s is %llu; accepted: %s at most %s", low_name,
                   (unsigned long long)low, high_name, (unsigned long long)high, low_name,
                   high_name);
  }
}

uint64_t wl_scaled(const struct wl_options *options, uint64_t count) {
  const double scaled = (double)count * options->scale;
  return scaled < 1 ? 1 : (uint64_t)scaled;
}

const char *wl_touch_name(enum wl_touch touch) {
  return touch_names[touch];
}

static void take_positional(struct parse *parse, const char *text) {
  const struct wl_arg *arg = &parse->lane->args[parse->given];
  if (arg->name == NULL) {
    wl_usage_error("'%s' is one argument too many; accepted: at most %u", text, parse->given);
  }
  parse->values[parse->given] = arg->words != NULL
                                    ? wl_parse_word(arg->name, text, arg->words)
                                    : wl_parse_count(arg->name, text, arg->low, arg->high);
  parse->given++;
}

static error_t parse_key(int key, char *value, struct argp_state *state) {
  struct parse *parse = state->input;
  struct wl_options *options = parse->options;
  switch (key) {
  case KEY_SECONDS:
    options->seconds = parse_positive("--seconds", value, LONGEST_SECONDS);
    parse->seconds_given = true;
    return 0;
  case KEY_WARM_SECONDS:
    options->warm_seconds = parse_positive("--warm-seconds", value, LONGEST_SECONDS);
    return 0;
  case KEY_TOUCH:
    options->touch = (enum wl_touch)wl_parse_word("--touch", value, touch_names);
    return 0;
  case KEY_SCALE:
    options->scale = parse_positive("--scale", value, 1e6);
    return 0;
  case KEY_SEED:
    options->seed = wl_parse_count("--seed", value, 0, UINT64_MAX);
    return 0;
  case KEY_CHECK:
    options->check = true;
    return 0;
  case KEY_LATENCY:
    options->latency = true;
    return 0;
  case KEY_EPOCH:
    options->epoch_ms = wl_parse_count("--epoch-ms", value, 1, 3600000);
    return 0;
  case KEY_HOLD:
    options->hold = true;
    options->hold_ms = wl_parse_count("--hold-ms", value, 0, 3600000);
    return 0;
  case KEY_HELP:
    argp_help(current_argp, stdout, ARGP_HELP_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC,
              (char *)(uintptr_t)current_name);
    exit(0);
  case ARGP_KEY_INIT:
    if (parse->lane->options != NULL) {
      state->child_inputs[0] = parse;
    }
    return 0;
  case ARGP_KEY_ERROR:
    parse->rejected = state->argv[state->next > 0 ? state->next - 1 : 0];
    return 0;
  case ARGP_KEY_ARG:
    take_positional(parse, value);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

// The lane's own options arrive here, as a child parser of the common ones.
static error_t parse_lane_key(int key, char *value, struct argp_state *state) {
  const struct parse *parse = state->input;
  for (const struct argp_option *option = parse->lane->options; option->name != NULL; option++) {
    if (option->key == key) {
      parse->lane->set_option(key, value);
      return 0;
    }
  }
  return ARGP_ERR_UNKNOWN;
}

static void describe_args(const struct wl_lane *lane, struct text *usage, struct text *help) {
  append(help, "%s\v", lane->doc);
  for (const struct wl_arg *arg = lane->args; arg->name != NULL; arg++) {
    append(usage, "%s%s", arg == lane->args ? "[" : " [", arg->name);
    append(help, "  %-12s %s (", arg->name, arg->doc);
    if (arg->words != NULL) {
      list_words(help, arg->words);
      append(help, "; %s)\n", arg->words[arg->fallback]);
    } else {
      append(help, "%llu to %llu; %llu)\n", (unsigned long long)arg->low,
             (unsigned long long)arg->high, (unsigned long long)arg->fallback);
    }
  }
  for (const struct wl_arg *arg = lane->args; arg->name != NULL; arg++) {
    append(usage, "]");
  }
  append(help, "\nPrints one line: RESULT workload=%s key=value ...", lane->name);
}

unsigned wl_parse(const struct wl_lane *lane, int argc, char **argv, struct wl_options *options,
                  uint64_t values[WL_ARGS_MAX]) {
  static struct text usage;
  static struct text help;
  usage.length = help.length = 0;
  describe_args(lane, &usage, &help);
  // Static, since a lane may still find fault with the values after this returned.
  static struct argp lane_argp = {NULL, parse_lane_key, NULL, NULL, NULL, NULL, NULL};
  static const struct argp_child children[] = {{&lane_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
  static struct argp argp = {common_options, parse_key, usage.bytes, help.bytes, NULL, NULL, NULL};
  lane_argp.options = lane->options;
  argp.children = lane->options != NULL ? children : NULL;
  current_argp = &argp;
  current_name = lane->name;

  *options = lane->defaults;
  options->seconds = options->seconds > 0 ? options->seconds : DEFAULT_SECONDS;
  options->scale = 1.0;
  options->seed = options->seed > 0 ? options->seed : 1;
  for (unsigned i = 0; lane->args[i].name != NULL; i++) {
    values[i] = lane->args[i].fallback;
  }
  struct parse parse = {lane, options, values, 0, false, ""};
  // getopt's own sentences do not name what is accepted: they are silenced and replaced by ours.
  if (argp_parse(&argp, argc, argv, ARGP_SILENT, NULL, &parse) != 0) {
    wl_usage_error("'%s' is no option, or lacks its value; accepted: those of the usage",
                   parse.rejected);
  }
  if (lane->timed && !parse.seconds_given) {
    options->seconds *= options->scale;
  }
  if (options->warm_seconds <= 0) {
    options->warm_seconds =
        options->seconds > LEAST_WARM_SECONDS ? options->seconds : LEAST_WARM_SECONDS;
  }
  return parse.given;
}
