#include "hz4/options.h"

#include "common/base/units.h"

// Not given: the profile decides.
#define BY_PROFILE UINT64_MAX

struct hz4_options hz4_options = {
    .purge_delay_ms = BY_PROFILE,
    .huge_pages = BY_PROFILE,
    .cache_max = BY_PROFILE,
    .magazine_max = BY_PROFILE,
};

static const char *const profile_words[] = {"speed", "balanced", "lean", NULL};
static const char *const fault_words[] = {"abort", "backtrace", NULL};
static const char *const huge_words[] = {"adaptive", "on", "off", NULL};
static const char *const front_words[] = {"auto", "thread", "cpu", NULL};

const struct hz_option hz4_options_table[] = {
    {"PROFILE", HZ_OPTION_WORD, profile_words, 0, 0, &hz4_options.profile,
     "speed (default); balanced: no purging on the way; lean: small caches, prompt purging, no "
     "huge pages."},
    {"ON_FAULT", HZ_OPTION_WORD, fault_words, 0, 0, &hz4_options.on_fault,
     "What follows the line that names a fault: abort (default), or a raw backtrace and abort."},
    {"PURGE_DELAY_MS", HZ_OPTION_NUMBER, NULL, 0, 3600000, &hz4_options.purge_delay_ms,
     "How long memory stays unused before it goes back to the OS; default 100, lean 10, balanced "
     "10000."},
    {"HUGE_PAGES", HZ_OPTION_WORD, huge_words, 0, 0, &hz4_options.huge_pages,
     "adaptive (default), on, or off (lean): whether densely used memory asks for huge pages."},
    {"MEMORY_LIMIT", HZ_OPTION_BYTES, NULL, 0, UINT64_MAX / 2, &hz4_options.memory_limit,
     "Beyond so many bytes malloc returns NULL; default 0, no limit."},
    {"CACHE_MAX", HZ_OPTION_BYTES, NULL, 0, UINT64_MAX / 2, &hz4_options.cache_max,
     "Bytes that caches and depot may hold, or a quarter of the live bytes if that is more; "
     "default 32m, lean 4m."},
    {"MAGAZINE_MAX", HZ_OPTION_BYTES, NULL, 1024, 64 * 1024 * 1024, &hz4_options.magazine_max,
     "The most that the blocks of one magazine may measure; default 4m, lean 64k."},
    {"FRONT", HZ_OPTION_WORD, front_words, 0, 0, &hz4_options.front,
     "Caches of threads, of CPUs, or auto (default): of threads until these outnumber the CPUs."},
};
const size_t hz4_options_count = sizeof hz4_options_table / sizeof hz4_options_table[0];

struct by_profile {
  uint64_t purge_delay_ms, huge_pages, cache_max, magazine_max;
};
static const struct by_profile by_profile[] = {
    [HZ4_PROFILE_SPEED] = {100, HZ4_HUGE_ADAPTIVE, 32 * HZ_MIB, 4 * HZ_MIB},
    [HZ4_PROFILE_BALANCED] = {10000, HZ4_HUGE_ADAPTIVE, 32 * HZ_MIB, 4 * HZ_MIB},
    [HZ4_PROFILE_LEAN] = {10, HZ4_HUGE_OFF, 4 * HZ_MIB, 64 * HZ_KIB},
};

static void fill_in(uint64_t *value, uint64_t from_profile) {
  if (*value == BY_PROFILE)
    *value = from_profile;
}

void hz4_options_init(void) {
  if (!HZ_FAST)
    hz_options_read("HZ4_", hz4_options_table, hz4_options_count);
  const struct by_profile *p = &by_profile[hz4_options.profile];
  fill_in(&hz4_options.purge_delay_ms, p->purge_delay_ms);
  fill_in(&hz4_options.huge_pages, p->huge_pages);
  fill_in(&hz4_options.cache_max, p->cache_max);
  fill_in(&hz4_options.magazine_max, p->magazine_max);
}
