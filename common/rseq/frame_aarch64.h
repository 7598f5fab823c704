// The frame of a restartable sequence, and the claim, for aarch64. Kernel ABI: as in
// frame_x86_64.h.
#ifndef HZ_COMMON_RSEQ_FRAME_AARCH64_H_
#define HZ_COMMON_RSEQ_FRAME_AARCH64_H_

#include "common/base/units.h"

// clang-format off
// `scratch`: the name of an output operand that the sequence may use from here on. The operand
// `area` is the area's address.
#define HZ_RSEQ_BEGIN(scratch)                                                                     \
  ".pushsection __rseq_cs, \"aw\"\n\t"                                                             \
  ".balign 32\n"                                                                                   \
  "33:\n\t"                                                                                        \
  ".word 0, 0\n\t"                                                                                 \
  ".quad 31f, 32f - 31f, 34f\n\t"                                                                  \
  ".popsection\n\t"                                                                                \
  "adrp %[" scratch "], 33b\n\t"                                                                   \
  "add %[" scratch "], %[" scratch "], :lo12:33b\n\t"                                              \
  "str %[" scratch "], [%[area], #8]\n"                                                            \
  "31:\n\t"

// The word before 34: brk #0x45e0, the signature.
#define HZ_RSEQ_END                                                                                \
  "32:\n\t"                                                                                        \
  ".pushsection .text.hz_rseq_abort, \"ax\"\n\t"                                                   \
  ".inst 0xd428bc00\n"                                                                             \
  "34:\n\t"                                                                                        \
  "b %l[again]\n\t"                                                                                \
  ".popsection\n\t"
// clang-format on

HZ_INLINE uintptr_t hz_rseq_area_at(uintptr_t offset) {
  return (uintptr_t)__builtin_thread_pointer() + offset;
}

HZ_INLINE unsigned hz_rseq_cpu(uintptr_t offset) {
  return *(volatile unsigned *)(hz_rseq_area_at(offset) + 4);
}

HZ_INLINE bool hz_rseq_claim(uintptr_t offset, unsigned cpu, uint32_t *word) {
  uintptr_t scratch, area = hz_rseq_area_at(offset);
again:
  __asm__ goto volatile(HZ_RSEQ_BEGIN("scratch") "ldr %w[scratch], [%[area], #4]\n\t"
                                                 "cmp %w[scratch], %w[cpu]\n\t"
                                                 "b.ne %l[refused]\n\t"
                                                 "ldar %w[scratch], [%[word]]\n\t"
                                                 "cbnz %w[scratch], %l[refused]\n\t"
                                                 "mov %w[scratch], #1\n\t"
                                                 "str %w[scratch], [%[word]]\n" // commit
                        HZ_RSEQ_END
                        : [scratch] "=&r"(scratch)
                        : [area] "r"(area), [cpu] "r"(cpu), [word] "r"(word)
                        : "memory", "cc"
                        : again, refused);
  return true;
refused:
  return false;
}

#endif // HZ_COMMON_RSEQ_FRAME_AARCH64_H_
