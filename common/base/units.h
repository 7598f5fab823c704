// Units of size and the few compiler words that every room uses.
//
// Owns: names for byte counts, cache line, branch hints. Owns no state.
#ifndef HZ_COMMON_BASE_UNITS_H_
#define HZ_COMMON_BASE_UNITS_H_

#include "common/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HZ_KIB ((size_t)1024)
#define HZ_MIB (HZ_KIB * 1024)
#define HZ_GIB (HZ_MIB * 1024)
#define HZ_TIB (HZ_GIB * 1024)

// Two lines, because the adjacent-line prefetcher of x86-64 moves lines in pairs.
#define HZ_LINE_BYTES 64
#define HZ_NO_SHARE_BYTES 128

#define HZ_LIKELY(x) __builtin_expect(!!(x), 1)
#define HZ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HZ_INLINE static inline __attribute__((always_inline))
#define HZ_NOINLINE __attribute__((noinline))
#define HZ_COLD __attribute__((noinline, cold))
#define HZ_ALIGNED(n) __attribute__((aligned(n)))
// On the declaration of data that the hot path reads: one instruction instead of a load through the
// GOT.
#define HZ_HIDDEN __attribute__((visibility("hidden")))

// Effect: the compiler has the value in a register here, and has forgotten how it came by it. For
// an address of which a word is read and written on the hot path: recent cores (measured on one
// of Intel's) hand what was stored to the next load at once where both name one register, and only
// after five cycles where they name a base and an index. A chain of pushes: 1.6 ns each by base and
// index, 0.8 by a register. What it is: Agner Fog, "The microarchitecture of Intel, AMD and VIA
// CPUs", on mirrored memory operands.
#define HZ_IN_REGISTER(variable) __asm__("" : "+r"(variable))

// Headers of the allocators compile as C11 and as C++17 (tests); these are the words in which they
// differ.
#ifdef __cplusplus
#define HZ_EXTERN_C_BEGIN extern "C" {
#define HZ_EXTERN_C_END }
#ifndef _Static_assert
#define _Static_assert static_assert
#endif
#ifndef _Noreturn
#define _Noreturn [[noreturn]]
#endif
#else
#define HZ_EXTERN_C_BEGIN
#define HZ_EXTERN_C_END
#endif

// malloc's promise for every block: aligned for max_align_t.
#define HZ_MIN_ALIGN_BYTES 16

#endif // HZ_COMMON_BASE_UNITS_H_
