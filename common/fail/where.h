// What lies at an address, and how we came here: for the second half of a fault message.
//
// Owns: reading /proc/self/maps, walking the stack. Private to common/fail.
// Thread rule: any thread, any state; neither allocates nor takes a lock of ours, no stdio, raw
// calls.
#ifndef HZ_COMMON_FAIL_WHERE_H_
#define HZ_COMMON_FAIL_WHERE_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// Effect: writes "in [stack]", "in libfoo.so", "in an anonymous mapping" or "not mapped"; nothing
// (an empty string) when /proc cannot be read.
void hz_where_describe(const void *p, char *out, size_t cap);

// Effect: writes the frames of the caller, one line each: number, address, module + offset. Uses
// the unwinder of the program's own runtime where there is one (libgcc_s); else it walks the words
// of the stack and shows those that follow a call instruction, marked as a guess. Only for a
// process that is about to end: one thread at a time, the others write nothing.
void hz_backtrace_write(int fd);

HZ_EXTERN_C_END

#endif // HZ_COMMON_FAIL_WHERE_H_
