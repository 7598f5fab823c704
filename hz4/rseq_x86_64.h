// The restartable sequences of front_cpu.h for x86-64.
//
// Frame and kernel ABI: common/rseq/frame_x86_64.h. Offsets: tagged is odd, so 15 is top[] at 16;
// caches are 4 KiB apart (cache.h).
#ifndef HZ4_RSEQ_X86_64_H_
#define HZ4_RSEQ_X86_64_H_

#include "common/rseq/rseq.h"

// clang-format off
#define HZ4_RSEQ_BEGIN(bins)                                                                       \
  HZ_RSEQ_BEGIN(bins)                                                                              \
  "movl %%fs:4(%[area]), %k[" bins "]\n\t"                                                         \
  "shlq $12, %[" bins "]\n\t"                                                                      \
  "addq %[tagged], %[" bins "]\n\t"
// clang-format on

HZ_INLINE void *hz4_rseq_pop(uintptr_t area, uintptr_t tagged, intptr_t bin) {
  uintptr_t bins, top;
  void *p;
again:
  __asm__ goto volatile(HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[top]\n\t"
                                               "movq (%[top]), %[p]\n\t"
                                               "testq %[p], %[p]\n\t"
                                               "jz %l[empty]\n\t"
                                               "subq $8, %[top]\n\t"
                                               "movq %[top], 15(%[bins],%[cls],8)\n" // commit
                        HZ_RSEQ_END
                        : [p] "=&r"(p), [bins] "=&r"(bins), [top] "=&r"(top)
                        : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"(bin)
                        : "memory", "cc"
                        : again, empty);
  if (p == NULL)
    __builtin_unreachable(); // known to the sequence, not to the compiler
  return p;
empty:
  return NULL;
}

HZ_INLINE bool hz4_rseq_push(uintptr_t area, uintptr_t tagged, intptr_t bin, void *p) {
  uintptr_t bins, top;
again:
  if (HZ_FAST) {
    __asm__ goto volatile(HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[top]\n\t"
                                                 "addq $8, %[top]\n\t"
                                                 "testl $511, %k[top]\n\t"
                                                 "jz %l[full]\n\t"
                                                 "movq %[p], (%[top])\n\t"
                                                 "movq %[top], 15(%[bins],%[cls],8)\n" // commit
                          HZ_RSEQ_END
                          : [bins] "=&r"(bins), [top] "=&r"(top)
                          : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"(bin), [p] "r"(p)
                          : "memory", "cc"
                          : again, full);
  } else {
    __asm__ goto volatile(HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[top]\n\t"
                                                 "cmpq %[p], (%[top])\n\t"
                                                 "je %l[full]\n\t"
                                                 "addq $8, %[top]\n\t"
                                                 "testl $511, %k[top]\n\t"
                                                 "jz %l[full]\n\t"
                                                 "movq %[p], (%[top])\n\t"
                                                 "movq %[top], 15(%[bins],%[cls],8)\n" // commit
                          HZ_RSEQ_END
                          : [bins] "=&r"(bins), [top] "=&r"(top)
                          : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"(bin), [p] "r"(p)
                          : "memory", "cc"
                          : again, full);
  }
  return true;
full:
  return false;
}

// `word` counts words from the beginning of the bins (cache.h).

// Effect: the CPU's word holds `top`. Returns: what it held; `refused` when it held that,
// unchanged.
HZ_INLINE void **hz4_rseq_swap(uintptr_t area, uintptr_t tagged, unsigned word, void **top,
                               void **refused) {
  uintptr_t bins;
  void **old;
again:
  __asm__ goto volatile(HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[old]\n\t"
                                               "cmpq %[refused], %[old]\n\t"
                                               "je %l[stopped]\n\t"
                                               "movq %[top], 15(%[bins],%[cls],8)\n" // commit
                        HZ_RSEQ_END
                        : [old] "=&r"(old), [bins] "=&r"(bins)
                        : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word),
                          [top] "r"(top), [refused] "r"(refused)
                        : "memory", "cc"
                        : again, stopped);
  return old;
stopped:
  return refused;
}

// Effect: the magazine known by `top`, with `count` blocks, lies on the stack whose head the CPU's
// word is (magazine.h: stacked at 12, below at 16). Returns: false, nothing changed, when the word
// is `refused`.
HZ_INLINE bool hz4_rseq_stack(uintptr_t area, uintptr_t tagged, unsigned word, void **top,
                              unsigned count, void **refused) {
  uintptr_t bins, sum, magazine = (uintptr_t)top & ~(uintptr_t)511;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[sum]\n\t"
                             "cmpq %[refused], %[sum]\n\t"
                             "je %l[stopped]\n\t"
                             "movq %[sum], 16(%[magazine])\n\t"
                             "testq %[sum], %[sum]\n\t"
                             "jz 35f\n\t"
                             "andq $-512, %[sum]\n\t"
                             "movzwl 12(%[sum]), %k[sum]\n"
                             "35:\n\t"
                             "addl %[count], %k[sum]\n\t"
                             "movw %w[sum], 12(%[magazine])\n\t"
                             "movq %[top], 15(%[bins],%[cls],8)\n" // commit
      HZ_RSEQ_END
      : [sum] "=&r"(sum), [bins] "=&r"(bins)
      : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word), [top] "r"(top),
        [magazine] "r"(magazine), [count] "r"(count), [refused] "r"(refused)
      : "memory", "cc"
      : again, stopped);
  return true;
stopped:
  return false;
}

// Effect: the head leaves the stack. Returns: it; NULL when there is none or the word is `refused`.
HZ_INLINE void **hz4_rseq_unstack(uintptr_t area, uintptr_t tagged, unsigned word, void **refused) {
  uintptr_t bins, below;
  void **old;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[old]\n\t"
                             "testq %[old], %[old]\n\t"
                             "jz %l[none]\n\t"
                             "cmpq %[refused], %[old]\n\t"
                             "je %l[none]\n\t"
                             "movq %[old], %[below]\n\t"
                             "andq $-512, %[below]\n\t"
                             "movq 16(%[below]), %[below]\n\t"
                             "movq %[below], 15(%[bins],%[cls],8)\n" // commit
      HZ_RSEQ_END
      : [old] "=&r"(old), [bins] "=&r"(bins), [below] "=&r"(below)
      : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word), [refused] "r"(refused)
      : "memory", "cc"
      : again, none);
  return old;
none:
  return NULL;
}

// Effect: adds to the CPU's word. Returns: the sum.
HZ_INLINE int64_t hz4_rseq_add(uintptr_t area, uintptr_t tagged, unsigned word, int64_t value) {
  uintptr_t bins;
  int64_t sum;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN("bins") "movq 15(%[bins],%[cls],8), %[sum]\n\t"
                             "addq %[value], %[sum]\n\t"
                             "movq %[sum], 15(%[bins],%[cls],8)\n" // commit
      HZ_RSEQ_END
      : [sum] "=&r"(sum), [bins] "=&r"(bins)
      : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word), [value] "r"(value)
      : "memory", "cc"
      : again);
  return sum;
}

#endif // HZ4_RSEQ_X86_64_H_
