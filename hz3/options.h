// What a user may set, in the environment, under the prefix HZ3_. The table is in options.c.
//
// Owns: the values. Thread rule: read once by hz3_options_read, constant afterwards; variant fast
// does not read them.
#ifndef HZ3_OPTIONS_H_
#define HZ3_OPTIONS_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

enum hz3_profile { HZ3_PROFILE_SPEED, HZ3_PROFILE_BALANCED, HZ3_PROFILE_LEAN };

struct hz3_options {
  uint64_t profile;  // enum hz3_profile
  uint64_t on_fault; // 0 abort, 1 backtrace
  uint64_t purge_delay_ms;
  uint64_t huge_pages;         // 0 on (adaptive), 1 off
  uint64_t memory_limit_bytes; // 0 = none
  uint64_t cache_max_bytes;
  uint64_t family_check; // 0 on, 1 off
  uint64_t deepbind;     // of hz_deepbind_words
};
extern HZ_HIDDEN struct hz3_options hz3_options;

// Effect: environment → hz3_options; what the profile says holds for each value that was left
// alone.
void hz3_options_read(void);
// Effect: the table as Markdown, for the README.
void hz3_options_print(int fd);

HZ_EXTERN_C_END

#endif // HZ3_OPTIONS_H_
