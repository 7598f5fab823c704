// The frame of a restartable sequence, and the claim, for x86-64.
//
// Kernel ABI (linux/rseq.h): area + 4 cpu_id (read), area + 8 rseq_cs (written: address of a
// descriptor {version, flags, start, length, abort}). The abort address is preceded by the
// signature that libc registered with. An abort jumps to the label `again` before the sequence;
// registers are as at the interruption. `area` counts from the thread pointer.
#ifndef HZ_COMMON_RSEQ_FRAME_X86_64_H_
#define HZ_COMMON_RSEQ_FRAME_X86_64_H_

#include "common/base/units.h"

// clang-format off
// `scratch`: the name of an output operand that the sequence may use from here on.
#define HZ_RSEQ_BEGIN(scratch)                                                                     \
  ".pushsection __rseq_cs, \"aw\"\n\t"                                                             \
  ".balign 32\n"                                                                                   \
  "33:\n\t"                                                                                        \
  ".long 0, 0\n\t"                                                                                 \
  ".quad 31f, 32f - 31f, 34f\n\t"                                                                  \
  ".popsection\n\t"                                                                                \
  "leaq 33b(%%rip), %[" scratch "]\n\t"                                                            \
  "movq %[" scratch "], %%fs:8(%[area])\n"                                                         \
  "31:\n\t"

// The bytes before 34: ud1 with the signature 0x53053053 as its operand.
#define HZ_RSEQ_END                                                                                \
  "32:\n\t"                                                                                        \
  ".pushsection .text.hz_rseq_abort, \"ax\"\n\t"                                                   \
  ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                     \
  ".long 0x53053053\n"                                                                             \
  "34:\n\t"                                                                                        \
  "jmp %l[again]\n\t"                                                                              \
  ".popsection\n\t"
// clang-format on

HZ_INLINE unsigned hz_rseq_cpu(uintptr_t area) {
  unsigned cpu;
  __asm__ volatile("movl %%fs:4(%[area]), %[cpu]" : [cpu] "=r"(cpu) : [area] "r"(area));
  return cpu;
}

HZ_INLINE bool hz_rseq_claim(uintptr_t area, unsigned cpu, uint32_t *word) {
  uintptr_t scratch;
again:
  __asm__ goto volatile(HZ_RSEQ_BEGIN("scratch") "cmpl %[cpu], %%fs:4(%[area])\n\t"
                                                 "jne %l[refused]\n\t"
                                                 "cmpl $0, (%[word])\n\t"
                                                 "jne %l[refused]\n\t"
                                                 "movl $1, (%[word])\n" // commit
                        HZ_RSEQ_END
                        : [scratch] "=&r"(scratch)
                        : [area] "r"(area), [cpu] "r"(cpu), [word] "r"(word)
                        : "memory", "cc"
                        : again, refused);
  return true;
refused:
  return false;
}

#endif // HZ_COMMON_RSEQ_FRAME_X86_64_H_
