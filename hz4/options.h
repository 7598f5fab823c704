// The run-time options of hz4: HZ4_NAME in the environment, read once.
//
// Owns: the values. Thread rule: written in initialisation, constant afterwards. Variant `fast`
// does not read the environment: there the values are the defaults.
#ifndef HZ4_OPTIONS_H_
#define HZ4_OPTIONS_H_

#include "common/options/options.h"

HZ_EXTERN_C_BEGIN

enum hz4_profile { HZ4_PROFILE_SPEED, HZ4_PROFILE_BALANCED, HZ4_PROFILE_LEAN };
enum { HZ4_FAULT_ABORT, HZ4_FAULT_BACKTRACE };
enum { HZ4_HUGE_ON, HZ4_HUGE_OFF };

struct hz4_options {
  uint64_t profile; // enum hz4_profile
  uint64_t on_fault;
  uint64_t purge_delay_ms;
  uint64_t huge_pages;
  uint64_t memory_limit; // bytes; 0 = none
  uint64_t cache_max;    // bytes
  uint64_t magazine_max; // bytes
  uint64_t front;        // enum hz4_front_mode
  uint64_t family_check; // 0 on, 1 off
  uint64_t deepbind;     // of hz_deepbind_words
};
extern HZ_HIDDEN struct hz4_options hz4_options;

extern const struct hz_option hz4_options_table[];
extern const size_t hz4_options_count;

// Effect: reads the environment; what it does not name follows the profile.
void hz4_options_init(void);

HZ_EXTERN_C_END

#endif // HZ4_OPTIONS_H_
