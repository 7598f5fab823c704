// The beginning of hz4, its forks and its end.
//
// Owns: the order in which parts begin, and in which fork takes locks. Thread rule: any thread.
#ifndef HZ4_INIT_H_
#define HZ4_INIT_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ4_VERSION "0.1.0"

// Effect: hz4 is ready. Returns: false for the thread that is just making it so.
bool hz4_init(void);

HZ_EXTERN_C_END

#endif // HZ4_INIT_H_
