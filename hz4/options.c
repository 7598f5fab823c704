#include "hz4/options.h"

#include "common/abi/deepbind.h"
#include "common/base/units.h"

// Profile `speed`.
#define DELAY_MS 100u
#define CACHE_BYTES (32 * HZ_MIB)
#define MAGAZINE_BYTES (4 * HZ_MIB)
#define NEVER_MS 3600000u // balanced: no purging on the way

struct hz4_options hz4_options = {
    .purge_delay_ms = DELAY_MS,
    .cache_max = CACHE_BYTES,
    .magazine_max = MAGAZINE_BYTES,
};

static const char *const profile_words[] = {"speed", "balanced", "lean", NULL};
static const char *const fault_words[] = {"abort", "backtrace", NULL};
static const char *const on_off[] = {"on", "off", NULL};
static const char *const front_words[] = {"auto", "thread", "cpu", NULL};

const struct hz_option hz4_options_table[] = {
    {"PROFILE", HZ_OPTION_WORD, profile_words, 0, 0, &hz4_options.profile,
     "`balanced` does not purge on the way; `lean` keeps small caches, purges promptly and uses no "
     "huge pages."},
    {"ON_FAULT", HZ_OPTION_WORD, fault_words, 0, 0, &hz4_options.on_fault,
     "What follows the line that names a fault."},
    {"PURGE_DELAY_MS", HZ_OPTION_NUMBER, NULL, 0, NEVER_MS, &hz4_options.purge_delay_ms,
     "How long memory stays unused before it goes back to the OS, while the program is active "
     "(lean: "
     "10, balanced: an hour)."},
    {"HUGE_PAGES", HZ_OPTION_WORD, on_off, 0, 0, &hz4_options.huge_pages,
     "`on` asks for them where the heap grows and is dense (lean: off)."},
    {"MEMORY_LIMIT", HZ_OPTION_BYTES, NULL, 0, 1024 * HZ_TIB, &hz4_options.memory_limit,
     "Allocations beyond it fail with ENOMEM; 0: no limit."},
    {"CACHE_MAX", HZ_OPTION_BYTES, NULL, 64 * HZ_KIB, HZ_TIB, &hz4_options.cache_max,
     "Most that bins and depot hold together, while a quarter of the live bytes is less (lean: "
     "4m)."},
    {"MAGAZINE_MAX", HZ_OPTION_BYTES, NULL, HZ_KIB, 64 * HZ_MIB, &hz4_options.magazine_max,
     "Most that the blocks of one magazine measure (lean: 64k)."},
    {"FRONT", HZ_OPTION_WORD, front_words, 0, 0, &hz4_options.front,
     "Bins of threads, of CPUs, or `auto`: of threads until these outnumber the CPUs."},
    {"FAMILY_CHECK", HZ_OPTION_WORD, on_off, 0, 0, &hz4_options.family_check,
     "`off` lets `hardened` accept that operator delete frees what malloc made, and the like: for "
     "programs of which one library has a C++ runtime of its own."},
    {"DEEPBIND", HZ_OPTION_WORD, hz_deepbind_words, 0, 0, &hz4_options.deepbind,
     "Whether dlopen, where this library is preloaded, keeps or drops RTLD_DEEPBIND, under which a "
     "library would free our blocks by the C library's free."},
};
const size_t hz4_options_count = sizeof hz4_options_table / sizeof hz4_options_table[0];

// A value that still is what it was before reading is the profile's to choose.
static void choose(uint64_t *value, uint64_t usual, uint64_t profiles) {
  if (*value == usual)
    *value = profiles;
}

void hz4_options_init(void) {
  if (HZ_FAST)
    return;
  struct hz4_options *o = &hz4_options;
  hz_options_read("HZ4", hz4_options_table, hz4_options_count);
  if (o->profile == HZ4_PROFILE_BALANCED)
    choose(&o->purge_delay_ms, DELAY_MS, NEVER_MS);
  if (o->profile != HZ4_PROFILE_LEAN)
    return;
  choose(&o->purge_delay_ms, DELAY_MS, 10);
  choose(&o->cache_max, CACHE_BYTES, 4 * HZ_MIB);
  choose(&o->magazine_max, MAGAZINE_BYTES, 64 * HZ_KIB);
  o->huge_pages = HZ4_HUGE_OFF;
}
