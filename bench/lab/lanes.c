#include "bench/lab/lanes.h"

#include <stdlib.h>
#include <string.h>

/* A family of mt_remote lanes: one lane for each remote share. */
struct family {
  const char *group;
  unsigned threads;
  unsigned long iters;
  unsigned max;
  unsigned ring;
  unsigned flags[3]; /* at r0, r50, r90 */
};

enum { STD = LANE_STANDARD | LANE_FULL, QUICK = STD | LANE_QUICK };

static const struct family families[] = {
    {"guard",
     16,
     2000000,
     2048,
     65536,
     {QUICK | LANE_GATE, QUICK | LANE_GATE, QUICK | LANE_GATE | LANE_QUICK_TOUCH}},
    {"main",
     16,
     2000000,
     32768,
     65536,
     {QUICK | LANE_GATE, QUICK | LANE_GATE, QUICK | LANE_GATE | LANE_QUICK_TOUCH}},
    {"cross64", 16, 2000000, 65536, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"cross128",
     16,
     2000000,
     131072,
     65536,
     {QUICK | LANE_HUNGRY, STD | LANE_HUNGRY, QUICK | LANE_HUNGRY | LANE_GATE}},
    {"cross128_safe", 16, 200000, 131072, 4096, {0, 0, 0}},
    {"small_t4", 4, 2000000, 2048, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"small_t8", 8, 2000000, 2048, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"small_t16", 16, 2000000, 2048, 65536, {0, 0, 0}},
    {"full_t4", 4, 2000000, 65536, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"full_t8", 8, 2000000, 65536, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"full_t16", 16, 2000000, 65536, 65536, {0, 0, 0}},
    {"main_t2", 2, 2000000, 32768, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"main_t4", 4, 2000000, 32768, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
    {"main_t8", 8, 2000000, 32768, 65536, {LANE_FULL, LANE_FULL, LANE_FULL}},
};

enum { ONE = LANE_ONE_THREAD | LANE_FULL, TIMED = LANE_FULL | LANE_BY_TIME };

static const struct lane plain[] = {
    {"main_t1_r0", "main_t1", "mt_remote", "1 2000000 400 16 32768 0 65536",
     "1 1000000000 400 16 32768 0 1024", ONE, NULL},
    {"random_mixed", "random_mixed", "random_mixed", "20000000 400 16 1024 1",
     "1000000000 400 16 1024 1", ONE | LANE_STANDARD | LANE_QUICK | LANE_GATE | LANE_OWN_SEED,
     NULL},
    {"args_2k", "args", "args", "20000000 400 16 2048", "1000000000 400 16 2048",
     ONE | LANE_STANDARD, NULL},
    {"args_4k_32k", "args", "args", "20000000 400 4096 32768", "1000000000 400 4096 32768",
     ONE | LANE_STANDARD, NULL},
    {"args_32k", "args", "args", "20000000 400 16 32768", "1000000000 400 16 32768",
     ONE | LANE_STANDARD | LANE_QUICK | LANE_GATE, NULL},
    {"dist_app", "dist", "dist", "app", "app 1000000000",
     ONE | LANE_STANDARD | LANE_QUICK | LANE_GATE, NULL},
    {"dist_bimodal", "dist", "dist", "bimodal", "bimodal 1000000000", ONE | LANE_STANDARD, NULL},
    {"dist_trimix", "dist", "dist", "trimix", "trimix 1000000000", ONE | LANE_STANDARD, NULL},
    {"mixed_large", "mixed_large", "mixed_large", "8 1048576", NULL, TIMED | LANE_ONE_THREAD, NULL},
    {"mixed_large_64k", "mixed_large", "mixed_large", "65536 1048576", NULL,
     TIMED | LANE_ONE_THREAD, NULL},
    {"larson_tiny", "larson", "larson", "tiny", NULL, TIMED, NULL},
    {"larson_8_1024", "larson", "larson", "small", NULL, TIMED, NULL},
    {"larson_mid", "larson", "larson", "mid", NULL, TIMED, NULL},
    {"larson_13k", "larson", "larson", "13k", NULL, TIMED, NULL},
    {"larson_large", "larson", "larson", "large", NULL, TIMED, NULL},
    {"cache_scratch", "cache", "cache_scratch", "", NULL, LANE_FULL, NULL},
    {"cache_thrash", "cache", "cache_thrash", "", NULL, LANE_FULL, NULL},
    {"malloc_large", "malloc_large", "malloc_large", "", NULL, TIMED | LANE_ONE_THREAD, NULL},
    {"xmalloc", "xmalloc", "xmalloc", "", NULL, TIMED, NULL},
    {"mstress", "mstress", "mstress", "", NULL, LANE_FULL, NULL},
    {"app_python3", "apps", "apps.sh", "python3", NULL, LANE_FULL | LANE_APP, "python3"},
    {"app_sqlite3", "apps", "apps.sh", "sqlite3", NULL, LANE_FULL | LANE_APP, "sqlite3"},
    {"app_perl", "apps", "apps.sh", "perl", NULL, LANE_FULL | LANE_APP, "perl"},
    {"app_lua", "apps", "apps.sh", "lua", NULL, LANE_FULL | LANE_APP, "lua"},
    {"app_cc1", "apps", "apps.sh", "cc1", NULL, LANE_FULL | LANE_APP, "gcc"},
    {"app_git", "apps", "apps.sh", "git", NULL, LANE_FULL | LANE_APP, "git"},
    {"app_redis", "apps", "apps.sh", "redis", NULL, LANE_FULL | LANE_APP,
     "redis-server redis-benchmark redis-cli"},
    {"app_memcached", "apps", "apps.sh", "memcached", NULL, LANE_FULL | LANE_APP,
     "memcached python3"},
};

enum {
  FAMILIES = sizeof families / sizeof families[0],
  PLAIN = sizeof plain / sizeof plain[0],
  LANES = 3 * FAMILIES + PLAIN
};

static const unsigned shares[3] = {0, 50, 90};

const struct lane *lanes_all(size_t *n) {
  static struct lane lanes[LANES];
  *n = LANES;
  if (lanes[0].name != NULL)
    return lanes;
  struct lane *next = lanes;
  for (int f = 0; f < FAMILIES; f++)
    for (int r = 0; r < 3; r++)
      *next++ = (struct lane){
          .name = lab_format("%s_r%u", families[f].group, shares[r]),
          .group = families[f].group,
          .workload = "mt_remote",
          .args = lab_format("%u %lu 400 16 %u %u %u", families[f].threads, families[f].iters,
                             families[f].max, shares[r], families[f].ring),
          .short_args = lab_format("%u 1000000000 400 16 %u %u %d", families[f].threads,
                                   families[f].max, shares[r], LANE_SHORT_RING),
          .flags = families[f].flags[r],
      };
  memcpy(next, plain, sizeof plain);
  return lanes;
}

const struct lane *lanes_find(const char *name) {
  size_t n;
  const struct lane *lanes = lanes_all(&n);
  for (size_t i = 0; i < n; i++)
    if (strcmp(lanes[i].name, name) == 0)
      return &lanes[i];
  return NULL;
}

struct set_word {
  const char *word;
  unsigned flags;
};

static const struct set_word sets[] = {
    {"quick", LANE_QUICK}, {"standard", LANE_STANDARD},     {"full", LANE_FULL},
    {"gate", LANE_GATE},   {"one-thread", LANE_ONE_THREAD},
};
enum { SETS = sizeof sets / sizeof sets[0] };

static bool is_meant(const struct lane *lane, const char *word) {
  if (strcmp(word, lane->name) == 0 || strcmp(word, lane->group) == 0 || strcmp(word, "all") == 0)
    return true;
  if (strcmp(word, "mt") == 0)
    return strcmp(lane->workload, "mt_remote") == 0;
  for (int i = 0; i < SETS; i++)
    if (strcmp(word, sets[i].word) == 0)
      return (lane->flags & sets[i].flags) != 0;
  return false;
}

bool lanes_named(struct strings *names, const char *word) {
  size_t n;
  bool found = false;
  const struct lane *lanes = lanes_all(&n);
  for (size_t i = 0; i < n; i++)
    if (is_meant(&lanes[i], word)) {
      found = true;
      if (!strings_has(names, lanes[i].name))
        strings_add(names, lanes[i].name);
    }
  return found;
}

char *lanes_known(void) {
  struct strings words = {0};
  size_t n;
  const struct lane *lanes = lanes_all(&n);
  strings_add(&words, "all");
  strings_add(&words, "mt");
  for (int i = 0; i < SETS; i++)
    strings_add(&words, sets[i].word);
  for (size_t i = 0; i < n; i++) {
    if (!strings_has(&words, lanes[i].group))
      strings_add(&words, lanes[i].group);
    if (!strings_has(&words, lanes[i].name))
      strings_add(&words, lanes[i].name);
  }
  char *text = strings_join(&words, ", ");
  strings_clear(&words);
  return text;
}
