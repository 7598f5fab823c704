#include "bench/lab/config.h"

#include "bench/lab/lanes.h"
#include "bench/lab/random.h"
#include "bench/lab/roster.h"
#include "bench/lab/where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
  KEY_QUICK = 0x100,
  KEY_RECORD,
  KEY_RSS_RUNS,
  KEY_SCALE,
  KEY_SECONDS,
  KEY_TOUCH,
  KEY_SO,
  KEY_CPUS,
  KEY_RESUME,
  KEY_AGAINST,
  KEY_LIST,
  KEY_SEED,
  KEY_TIMEOUT,
  KEY_BUDGET,
  KEY_ALLOW_FAIL,
  KEY_CROSS128,
  KEY_CLASSIC,
  KEY_CHECK,
  KEY_ENV,
  KEY_APP,
  KEY_APP_NAME,
  KEY_LATENCY,
  KEY_LINKED,
  KEY_ICOUNT,
  KEY_OS_CALLS,
  KEY_NO_REPORT,
};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is measured:", 1},
    {"lane", 'l', "NAME", 0, "a lane or a group of lanes; may be repeated, commas allowed", 1},
    {"alloc", 'a', "NAME", 0, "an allocator; may be repeated, commas allowed", 1},
    {"so", KEY_SO, "NAME=PATH", 0, "a shared object built elsewhere, under a name of its own", 1},
    {"touch", KEY_TOUCH, "none|edges|both", 0, "whether payload is written", 1},
    {"scale", KEY_SCALE, "F", 0,
     "scales iterations and rings (1; a quick run has short rings instead)", 1},
    {"classic", KEY_CLASSIC, 0, 0, "mt_remote frees locally when a ring is full", 1},
    {"check", KEY_CHECK, 0, 0, "the workloads verify every block's contents (slower)", 1},
    {"app", KEY_APP, "COMMAND", 0, "measures any command instead of lanes (or APP_CMD)", 1},
    {"app-name", KEY_APP_NAME, "NAME", 0, "its name in the tables (or APP_NAME)", 1},
    {"linked", KEY_LINKED, 0, 0,
     "the workloads with each allocator's static library inside, instead of preloading", 1},
    {"latency", KEY_LATENCY, 0, 0, "adds a pass of its own that samples the time of single calls",
     1},
    {"icount", KEY_ICOUNT, 0, 0,
     "counts instructions under callgrind instead of time, on one-thread lanes", 1},
    {"os-calls", KEY_OS_CALLS, 0, 0,
     "adds a count of mmap, munmap and madvise for each operation in steady state", 1},
    {0, 0, 0, 0, "How often and how long:", 2},
    {"quick", KEY_QUICK, 0, 0, "five minutes in all: fewer lanes, short cells (the default)", 2},
    {"record", KEY_RECORD, 0, 0, "a run to quote: 11 rounds, full length", 2},
    {"runs", 'n', "N", 0, "rounds of the speed pass (quick: 3, else 11)", 2},
    {"rss-runs", KEY_RSS_RUNS, "N", 0, "rounds of the memory pass (quick: 1, else 3; 0: none)", 2},
    {"seconds", KEY_SECONDS, "S", 0, "bound of a cell's timed phase (quick: by budget, else 10)",
     2},
    {"timeout", KEY_TIMEOUT, "S", 0, "a cell that runs longer has failed (120)", 2},
    {"budget", KEY_BUDGET, "S", 0, "bound of the whole run (quick: 285, else none)", 2},
    {"seed", KEY_SEED, "N", 0, "seed of the order of rounds and of the workloads", 2},
    {0, 0, 0, 0, "Where and what if:", 3},
    {"cpus", KEY_CPUS, "LIST", 0, "pins every cell to these CPUs, as in 0-3,6", 3},
    {"env", KEY_ENV, "NAME=VALUE", 0, "adds a variable to every cell's environment", 3},
    {"cross128", KEY_CROSS128, "auto|full|safe|skip", 0, "what to do with the hungry lane", 3},
    {"allow-fail", KEY_ALLOW_FAIL, 0, 0, "marks a failed cell and goes on", 3},
    {"out", 'o', "DIR", 0, "folder of the results (./hz-results/DATE-TIME)", 3},
    {"resume", KEY_RESUME, "DIR", 0, "goes on with the first cell that is missing there", 3},
    {"against", KEY_AGAINST, "DIR", 0, "compares with an earlier run", 3},
    {"list", KEY_LIST, 0, 0, "lists lanes and allocators", 3},
    {"no-report", KEY_NO_REPORT, 0, 0, "leaves report.html out (ab: the hottest functions)", 3},
    {0},
};

static int choice(const char *option, const char *value, const char *const *names) {
  char *known = NULL;
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], value) == 0)
      return i;
    known = known == NULL ? lab_copy(names[i]) : lab_format("%s, %s", known, names[i]);
  }
  lab_refuse("--%s does not take '%s', only %s.", option, value, known);
}

static long whole(const char *option, const char *value, long least) {
  long n;
  if (!text_whole(value, &n) || n < least || n > 1000000)
    lab_refuse("--%s does not take '%s', only a whole number from %ld.", option, value, least);
  return n;
}

static double positive(const char *option, const char *value) {
  double x;
  if (!text_number(value, &x) || x <= 0)
    lab_refuse("--%s does not take '%s', only a number above 0.", option, value);
  return x;
}

bool config_cpus(const char *text, cpu_set_t *set) {
  struct strings parts = {0};
  bool good = *text != '\0';
  CPU_ZERO(set);
  strings_split(&parts, text, ',');
  for (size_t i = 0; i < parts.n && good; i++) {
    long low, high;
    char *dash = strchr(parts.at[i], '-');
    if (dash != NULL)
      *dash = '\0';
    good = text_whole(parts.at[i], &low) && low >= 0 && low < CPU_SETSIZE;
    high = low;
    if (dash != NULL)
      good = good && text_whole(dash + 1, &high) && high >= low && high < CPU_SETSIZE;
    for (long cpu = low; good && cpu <= high; cpu++)
      CPU_SET((size_t)cpu, set);
  }
  strings_clear(&parts);
  return good && CPU_COUNT(set) > 0;
}

static void take_cpus(struct config *c, const char *text) {
  cpu_set_t allowed, both;
  if (!config_cpus(text, &c->cpus))
    lab_refuse("--cpus does not take '%s', only a list as in 0-3,6.", text);
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_AND(&both, &allowed, &c->cpus);
  if (!CPU_EQUAL(&both, &c->cpus))
    lab_refuse("--cpus %s names a CPU that this process may not use.", text);
  c->pinned = true;
  c->cpu_text = lab_copy(text);
}

static void take_lanes(struct config *c, const char *text) {
  struct strings words = {0};
  strings_split(&words, text, ',');
  for (size_t i = 0; i < words.n; i++)
    if (!lanes_named(&c->lanes, words.at[i]))
      lab_refuse("no lane is called '%s'; known: %s.", words.at[i], lanes_known());
  strings_clear(&words);
  c->lanes_said = true;
}

static void take_assignment(struct strings *list, const char *option, const char *text) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || equals[1] == '\0')
    lab_refuse("--%s does not take '%s', only NAME=%s.", option, text,
               strcmp(option, "so") == 0 ? "PATH" : "VALUE");
  strings_add(list, text);
}

static error_t take_measure(struct config *c, int key, char *value) {
  static const char *const touches[] = {"none", "edges", "both", NULL};
  static const char *const guards[] = {"auto", "full", "safe", "skip", NULL};
  switch (key) {
  case 'l':
    take_lanes(c, value);
    return 0;
  case 'a':
    strings_split(&c->allocs, value, ',');
    return 0;
  case KEY_SO:
    take_assignment(&c->objects, "so", value);
    return 0;
  case KEY_ENV:
    take_assignment(&c->env, "env", value);
    return 0;
  case KEY_TOUCH:
    c->touch = choice("touch", value, touches);
    return 0;
  case KEY_CROSS128:
    c->cross128 = (enum guard_choice)choice("cross128", value, guards);
    return 0;
  case KEY_CPUS:
    take_cpus(c, value);
    return 0;
  case KEY_APP:
    c->app = value;
    return 0;
  case KEY_APP_NAME:
    c->app_name = value;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static error_t take_amount(struct config *c, int key, char *value) {
  switch (key) {
  case 'n':
    c->runs = whole("runs", value, 1);
    return 0;
  case KEY_RSS_RUNS:
    c->rss_runs = whole("rss-runs", value, 0);
    return 0;
  case KEY_SCALE:
    c->scale = positive("scale", value);
    return 0;
  case KEY_SECONDS:
    c->seconds = positive("seconds", value);
    return 0;
  case KEY_TIMEOUT:
    c->timeout_s = positive("timeout", value);
    return 0;
  case KEY_BUDGET:
    c->budget_s = positive("budget", value);
    return 0;
  case KEY_SEED: {
    char *end;
    c->seed = strtoull(value, &end, 0);
    if (*value == '\0' || *end != '\0')
      lab_refuse("--seed does not take '%s', only a whole number.", value);
    c->seed_said = true;
    return 0;
  }
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static error_t take_option(int key, char *value, struct argp_state *state) {
  struct config *c = state->input;
  if (take_measure(c, key, value) == 0 || take_amount(c, key, value) == 0)
    return 0;
  switch (key) {
  case KEY_QUICK:
  case KEY_RECORD:
    c->quick = key == KEY_QUICK;
    return 0;
  case KEY_CLASSIC:
    c->classic = true;
    return 0;
  case KEY_CHECK:
    c->check = true;
    return 0;
  case KEY_LATENCY:
    c->latency = true;
    return 0;
  case KEY_LINKED:
    c->linked = true;
    return 0;
  case KEY_OS_CALLS:
    c->os_calls = true;
    return 0;
  case KEY_ICOUNT:
    c->icount = true;
    return 0;
  case KEY_ALLOW_FAIL:
    c->allow_fail = true;
    return 0;
  case KEY_LIST:
    c->list = true;
    return 0;
  case KEY_NO_REPORT:
    c->no_report = true;
    return 0;
  case 'o':
    c->out = value;
    return 0;
  case KEY_RESUME:
    c->resume = value;
    return 0;
  case KEY_AGAINST:
    c->against = value;
    return 0;
  case ARGP_KEY_ARG:
    strings_add(&c->rest, value);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp config_argp = {.options = options, .parser = take_option};

/* Effect: keeps the command line as a person would type it: where Bazel put the program is no part
 * of it. */
static void take_words(struct config *config, int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  const char *name = slash != NULL ? slash + 1 : argv[0];
  if (where_source() != NULL)
    strings_take(&config->words, lab_format("bazel run //bench:%s --", name));
  else
    strings_add(&config->words, name);
  for (int i = 1; i < argc; i++)
    strings_add(&config->words, argv[i]);
}

void config_parse(struct config *config, int argc, char **argv, const char *about,
                  const char *usage) {
  struct argp argp = config_argp;
  memset(config, 0, sizeof *config);
  config->quick = true;
  config->rss_runs = -1;
  config->touch = -1;
  config->timeout_s = 120;
  config->app = getenv("APP_CMD");
  config->app_name = getenv("APP_NAME");
  if (config->app != NULL && getenv("APP_RUNS") != NULL)
    config->runs = whole("runs (APP_RUNS)", getenv("APP_RUNS"), 1);
  take_words(config, argc, argv);
  argp.doc = about;
  argp.args_doc = usage;
  argp_err_exit_status = LAB_EXIT_REFUSED;
  if (argp_parse(&argp, argc, argv, 0, NULL, config) != 0)
    exit(LAB_EXIT_REFUSED);
  if (usage == NULL && config->rest.n > 0)
    lab_refuse("'%s' is not an option; see --help.", config->rest.at[0]);
  if (config->resume != NULL && config->out != NULL)
    lab_refuse("--resume and --out name two folders; say one.");
  if (config->linked && config->objects.n > 0)
    lab_refuse("--linked measures what the tree links; --so names an object to preload: say one.");
  if (config->linked && config->app != NULL)
    lab_refuse("--linked cannot link a program of the machine (--app) to an allocator.");
}

void config_settle(struct config *c) {
  bool whole_default = c->runs == 0 && c->seconds <= 0;
  if (c->runs == 0)
    c->runs = c->quick ? 3 : 11;
  if (c->rss_runs < 0)
    c->rss_runs = c->quick ? 1 : 3;
  c->short_args = c->quick && c->scale <= 0;
  if (c->scale <= 0)
    c->scale = 1;
  if (c->quick && c->budget_s <= 0 && whole_default)
    c->budget_s = 285;
  if (c->seconds <= 0)
    c->seconds = c->quick ? 1 : 10;
  if (!c->lanes_said)
    lanes_named(&c->lanes, c->quick ? "quick" : "standard");
  if (!c->seed_said)
    c->seed = random_fresh_seed();
}
