// System calls without libc: no errno, no cancellation point, no wrapper that a program may have
// replaced by one that allocates.
//
// Owns: the calling convention. Thread rule: any thread, any time, async-signal-safe.
// Returns: the kernel's result; -4095..-1 is a negated errno.
#ifndef HZ_COMMON_OS_SYSCALL_H_
#define HZ_COMMON_OS_SYSCALL_H_

#include "common/base/units.h"

#include <sys/syscall.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "Linux on x86-64 and aarch64 are supported"
#endif

HZ_INLINE long hz_syscall6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#endif
}

#define hz_syscall0(n) hz_syscall6((n), 0, 0, 0, 0, 0, 0)
#define hz_syscall1(n, a) hz_syscall6((n), (long)(a), 0, 0, 0, 0, 0)
#define hz_syscall2(n, a, b) hz_syscall6((n), (long)(a), (long)(b), 0, 0, 0, 0)
#define hz_syscall3(n, a, b, c) hz_syscall6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define hz_syscall4(n, a, b, c, d)                                                                 \
  hz_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define hz_syscall5(n, a, b, c, d, e)                                                              \
  hz_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

HZ_INLINE bool hz_syscall_failed(long result) {
  return (unsigned long)result > -4096UL;
}

#endif // HZ_COMMON_OS_SYSCALL_H_
