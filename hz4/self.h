// What a thread knows of itself: where its bins are.
//
//   cache   even: address of a cache: its own, or hz4_cache_none
//           odd:  address of the CPUs' caches + 1 (front_cpu.h)
//
// Owns: the thread-local words. Thread rule: each thread its own.
#ifndef HZ4_SELF_H_
#define HZ4_SELF_H_

#include "common/fail/fail.h"
#include "hz4/cache.h"

HZ_EXTERN_C_BEGIN

enum hz4_state {
  HZ4_STATE_NEW,  // has not allocated yet
  HZ4_STATE_OWN,  // has a cache of its own
  HZ4_STATE_CPU,  // uses the caches of the CPUs
  HZ4_STATE_BARE, // has none: exiting, or there was no memory for one
};

struct hz4_self {
  uintptr_t cache;
  const uint8_t *classes; // of hz_class_tables: its cache's set
  uint8_t state;          // enum hz4_state
  uint8_t api; // enum hz_api: what the program called, for faults found in the slow paths
};
extern HZ_HIDDEN __thread struct hz4_self hz4_self;

HZ_INLINE enum hz_api hz4_api(void) {
  return (enum hz_api)hz4_self.api;
}

HZ_EXTERN_C_END

#endif // HZ4_SELF_H_
