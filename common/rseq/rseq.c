#include "common/rseq/rseq.h"

#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "common/os/syscall.h"
#include "common/sync/atomic.h"

// Weak where the libc we are built against has none; strong where it has, because a linker that
// makes a program resolves a weak name that only the dynamic loader defines to zero.
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
bool hz_rseq_area(uintptr_t *area) {
  *area = (uintptr_t)__rseq_offset;
  return __rseq_size != 0;
}
#else
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
bool hz_rseq_area(uintptr_t *area) {
  if (!&__rseq_size || !&__rseq_offset)
    return false;
  *area = (uintptr_t)__rseq_offset;
  return __rseq_size != 0;
}
#endif

static bool membarrier(int command, unsigned flags, unsigned cpu) {
  return !hz_syscall_failed(hz_syscall3(SYS_membarrier, command, flags, cpu));
}

bool hz_rseq_barrier_register(void) {
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

bool hz_rseq_barrier_all(void) {
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

bool hz_rseq_barrier(unsigned cpu) {
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, cpu) ||
         hz_rseq_barrier_all();
}

uint32_t hz_rseq_token(void) {
  static uint32_t last;
  // Relaxed: only that no two are alike.
  return hz_add_relaxed(&last, 1u) | (uint32_t)1 << 31;
}
