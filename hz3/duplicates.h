// Finds an address that lies in one bin twice: a block freed twice by one thread.
//
// Owns: nothing but its stack frame. Thread rule: any thread.
#ifndef HZ3_DUPLICATES_H_
#define HZ3_DUPLICATES_H_

#include "common/fail/fail.h"

HZ_EXTERN_C_BEGIN

// Effect: a double free among the addresses ends the process, naming `api`. About 2 to 3 ns an
// address, beyond 2,048 of them 11. Requires: count <= HZ3_BIN_MOST.
void hz3_duplicates_refuse(void *const *blocks, unsigned count, unsigned cls, enum hz_api api);

HZ_EXTERN_C_END

#endif // HZ3_DUPLICATES_H_
