// The figures of hz3: for malloc_info and its kin in every variant, and for the lines that variant
// observe prints when the program ends.
//
// Owns: nothing. Thread rule: any thread, no lock held.
#ifndef HZ3_STATS_H_
#define HZ3_STATS_H_

#include "common/abi/stats.h"

HZ_EXTERN_C_BEGIN

#define HZ3_VERSION "0.1.0"

// Effect: fills *out; sums of what rooms say one after the other, not one moment's.
void hz3_stats(struct hz_stats *out);

// Effect: what this thread's bins, the transfer layer, the cache of large blocks and free runs hold
// goes back to the OS; keep_bytes is a wish of glibc's that has no meaning here.
// Returns: whether anything was given back.
bool hz3_trim(size_t keep_bytes);

HZ_EXTERN_C_END

#endif // HZ3_STATS_H_
