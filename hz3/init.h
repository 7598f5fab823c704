// Beginning, end of threads, fork: hz3 as common/process sees it.
//
// Owns: the order in which the rooms start, lock and unlock. Thread rule: any thread.
#ifndef HZ3_INIT_H_
#define HZ3_INIT_H_

#include "common/process/process.h"

HZ_EXTERN_C_BEGIN

extern const struct hz_process_hooks hz3_process_hooks;

// Effect: on return hz3 is initialised. Returns: false for the thread that is in the middle of it.
HZ_INLINE bool hz3_init_ensure(void) {
  return HZ_LIKELY(hz_process_ready()) || hz_process_enter(&hz3_process_hooks);
}

HZ_EXTERN_C_END

#endif // HZ3_INIT_H_
