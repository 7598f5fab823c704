// Pages of blocks of more than 2 KiB that are free in a span that goes on: else one that is out, or
// lies in the bin of a thread that sleeps, would hold all of its span.
//
// Owns: nothing. Thread rule: any thread, no lock held: this makes system calls. Meanwhile the
// blocks count as out (span.h), so nobody is handed one and no span runs empty.
#ifndef HZ3_PURGE_H_
#define HZ3_PURGE_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// Effect: pages that lie wholly in neighbouring free blocks go back to the OS, in spans to which no
// block came back for so many ticks. Returns: bytes.
size_t hz3_purge_blocks(uint32_t ticks);

HZ_EXTERN_C_END

#endif // HZ3_PURGE_H_
