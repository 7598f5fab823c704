// The table of options. See options.h.
#include "hz3/options.h"

#include "common/abi/deepbind.h"
#include "common/options/options.h"

#define NEVER_MS 3600000u // balanced: no purging on the way
#define DELAY_MS 100u
#define LEAN_CACHE_BYTES (4 * HZ_MIB)
#define CACHE_BYTES (32 * HZ_MIB)

struct hz3_options hz3_options = {
    .purge_delay_ms = DELAY_MS,
    .cache_max_bytes = CACHE_BYTES,
};

static const char *const profiles[] = {"speed", "balanced", "lean", NULL};
static const char *const on_fault[] = {"abort", "backtrace", NULL};
static const char *const on_off[] = {"on", "off", NULL};

static const struct hz_option table[] = {
    {"PROFILE", HZ_OPTION_WORD, profiles, 0, 0, &hz3_options.profile,
     "`balanced` does not purge on the way; `lean` keeps small caches, purges at once and uses no "
     "huge pages."},
    {"ON_FAULT", HZ_OPTION_WORD, on_fault, 0, 0, &hz3_options.on_fault,
     "What follows the line that names a fault."},
    {"PURGE_DELAY_MS", HZ_OPTION_NUMBER, NULL, 0, NEVER_MS, &hz3_options.purge_delay_ms,
     "How long free memory stays resident while the program is active (lean: 0, balanced: an "
     "hour)."},
    {"HUGE_PAGES", HZ_OPTION_WORD, on_off, 0, 0, &hz3_options.huge_pages,
     "`on` asks for them where the heap grows and is dense (lean: off)."},
    {"MEMORY_LIMIT", HZ_OPTION_BYTES, NULL, 0, 1024 * HZ_TIB, &hz3_options.memory_limit_bytes,
     "Allocations beyond it fail with ENOMEM; 0: no limit."},
    {"CACHE_MAX", HZ_OPTION_BYTES, NULL, 64 * HZ_KIB, HZ_TIB, &hz3_options.cache_max_bytes,
     "Most that threads' bins and the transfer layer hold together, while a quarter of the live "
     "bytes "
     "is less (lean: 4m)."},
    {"FAMILY_CHECK", HZ_OPTION_WORD, on_off, 0, 0, &hz3_options.family_check,
     "`off` lets `hardened` accept that operator delete frees what malloc made, and the like: for "
     "programs of which one library has a C++ runtime of its own."},
    {"DEEPBIND", HZ_OPTION_WORD, hz_deepbind_words, 0, 0, &hz3_options.deepbind,
     "Whether dlopen, where this library is preloaded, keeps or drops RTLD_DEEPBIND, under which a "
     "library would free our blocks by the C library's free."},
};
#define COUNT (sizeof table / sizeof table[0])

// A value that still is what it was before reading is the profile's to choose.
static void profile_apply(struct hz3_options *o) {
  if (o->profile == HZ3_PROFILE_BALANCED && o->purge_delay_ms == DELAY_MS)
    o->purge_delay_ms = NEVER_MS;
  if (o->profile != HZ3_PROFILE_LEAN)
    return;
  if (o->purge_delay_ms == DELAY_MS)
    o->purge_delay_ms = 0;
  if (o->cache_max_bytes == CACHE_BYTES)
    o->cache_max_bytes = LEAN_CACHE_BYTES;
  o->huge_pages = 1;
}

void hz3_options_read(void) {
  if (HZ_FAST)
    return;
  hz_options_read("HZ3", table, COUNT);
  profile_apply(&hz3_options);
}

void hz3_options_print(int fd) {
  hz_options_print(fd, "HZ3", table, COUNT);
}
