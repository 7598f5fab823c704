// Run-time options: environment variables with the generation's prefix, read once before its first
// allocation, described by one table.
//
// Owns: finding, parsing, complaining. Does not own the values: each option names its target.
// Thread rule: hz_options_read runs once, in initialisation, before any other thread can allocate.
// It neither allocates nor calls getenv; it works before libc has set environ (it then reads
// /proc/self/environ), and does nothing in set-user-id programs (AT_SECURE).
#ifndef HZ_COMMON_OPTIONS_OPTIONS_H_
#define HZ_COMMON_OPTIONS_OPTIONS_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

enum hz_option_kind {
  HZ_OPTION_WORD,   // one of `words`; target receives its index
  HZ_OPTION_NUMBER, // decimal, min..max
  HZ_OPTION_BYTES,  // decimal with optional k, m, g, t (binary), min..max
};

struct hz_option {
  const char *name; // without prefix: "PURGE_DELAY_MS"
  enum hz_option_kind kind;
  const char *const *words; // NULL-terminated, for HZ_OPTION_WORD
  uint64_t min, max;
  uint64_t *target; // holds the default before, the value after
  const char *help; // one sentence; the README's table is printed from here
};

// Effect: for each PREFIX_NAME in the environment sets the target. A value that is not accepted, or
// a variable PREFIX_* that the table does not know, is one line on stderr naming the value and what
// is accepted, and the default stays.
void hz_options_read(const char *prefix, const struct hz_option *table, size_t count);

// Effect: writes the table as Markdown to a descriptor (for README and its test).
void hz_options_print(int fd, const char *prefix, const struct hz_option *table, size_t count);

HZ_EXTERN_C_END

#endif // HZ_COMMON_OPTIONS_OPTIONS_H_
