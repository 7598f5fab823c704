// A generation that only writes down what the surface asks of it: the witness of common/abi's
// tests.
//
// Owns: a pool that is handed out once and never taken back, and the record of the last calls.
// Thread rule: any thread may allocate (one atomic add); the record is for tests of one thread.
#ifndef HZ_COMMON_ABI_TRIAL_TRIAL_H_
#define HZ_COMMON_ABI_TRIAL_TRIAL_H_

#include "common/abi/stats.h"
#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

enum trial_function {
  TRIAL_NONE,
  TRIAL_ALLOC,
  TRIAL_FREE,
  TRIAL_ALLOC_ALIGNED,
  TRIAL_ALLOC_ZEROED,
  TRIAL_REALLOC,
  TRIAL_USABLE,
  TRIAL_FREE_SIZED,
  TRIAL_TRIM,
  TRIAL_STATS,
};

// The last call; recorded only while trial_recording, so that a test's own tools do not disturb it.
struct trial_call {
  enum trial_function function;
  enum hz_api api;
  const void *p;
  size_t align, bytes;
};
extern struct trial_call trial_last;
extern unsigned trial_calls;
extern bool trial_recording;

// So many of the next allocations fail with ENOMEM, of those recorded.
extern unsigned trial_failures;

// What trial_stats answers.
extern struct hz_stats trial_answer;
extern bool trial_trims;

HZ_EXTERN_C_END

#endif // HZ_COMMON_ABI_TRIAL_TRIAL_H_
