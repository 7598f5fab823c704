// The restartable sequences of front_cpu.h for aarch64. Frame: common/rseq/frame_aarch64.h;
// offsets: as in rseq_x86_64.h.
//
// Order: a magazine's slots were written by its filler before the swap that loaded it, and that
// swap was on this CPU (program order there) after an acquire; `p` depends on `top` by address.
#ifndef HZ4_RSEQ_AARCH64_H_
#define HZ4_RSEQ_AARCH64_H_

#include "common/rseq/rseq.h"

// clang-format off
#define HZ4_RSEQ_BEGIN                                                                             \
  HZ_RSEQ_BEGIN("bins")                                                                            \
  "ldr %w[bins], [%[area], #4]\n\t"                                                                \
  "add %[bins], %[tagged], %[bins], lsl #12\n\t"                                                   \
  "add %[bins], %[bins], %[cls], lsl #3\n\t"
// clang-format on

HZ_INLINE void *hz4_rseq_pop(uintptr_t offset, uintptr_t tagged, intptr_t bin) {
  uintptr_t bins, top, area = hz_rseq_area_at(offset);
  void *p;
again:
  __asm__ goto volatile(HZ4_RSEQ_BEGIN "ldur %[top], [%[bins], #15]\n\t"
                                       "ldr %[p], [%[top]]\n\t"
                                       "cbz %[p], %l[empty]\n\t"
                                       "sub %[top], %[top], #8\n\t"
                                       "stur %[top], [%[bins], #15]\n" // commit
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

HZ_INLINE bool hz4_rseq_push(uintptr_t offset, uintptr_t tagged, intptr_t bin, void *p) {
  uintptr_t bins, top, last, area = hz_rseq_area_at(offset);
again:
  __asm__ goto volatile(HZ4_RSEQ_BEGIN "ldur %[top], [%[bins], #15]\n\t"
                                       "ldr %[last], [%[top]], #8\n\t"
                                       "cmp %[last], %[p]\n\t"
                                       "b.eq %l[full]\n\t"
                                       "tst %[top], #511\n\t"
                                       "b.eq %l[full]\n\t"
                                       "str %[p], [%[top]]\n\t"
                                       "stur %[top], [%[bins], #15]\n" // commit
                        HZ_RSEQ_END
                        : [bins] "=&r"(bins), [top] "=&r"(top), [last] "=&r"(last)
                        : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"(bin), [p] "r"(p)
                        : "memory", "cc"
                        : again, full);
  return true;
full:
  return false;
}

HZ_INLINE void **hz4_rseq_swap(uintptr_t offset, uintptr_t tagged, unsigned word, void **top,
                               void **refused) {
  uintptr_t bins, area = hz_rseq_area_at(offset);
  void **old;
again:
  __asm__ goto volatile(HZ4_RSEQ_BEGIN "ldur %[old], [%[bins], #15]\n\t"
                                       "cmp %[old], %[refused]\n\t"
                                       "b.eq %l[stopped]\n\t"
                                       "stur %[top], [%[bins], #15]\n" // commit
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

HZ_INLINE bool hz4_rseq_stack(uintptr_t offset, uintptr_t tagged, unsigned word, void **top,
                              unsigned count, void **refused) {
  uintptr_t bins, sum, area = hz_rseq_area_at(offset), magazine = (uintptr_t)top & ~(uintptr_t)511;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN "ldur %[sum], [%[bins], #15]\n\t"
                     "cmp %[sum], %[refused]\n\t"
                     "b.eq %l[stopped]\n\t"
                     "str %[sum], [%[magazine], #16]\n\t"
                     "cbz %[sum], 35f\n\t"
                     "and %[sum], %[sum], #-512\n\t"
                     "ldrh %w[sum], [%[sum], #12]\n"
                     "35:\n\t"
                     "add %w[sum], %w[sum], %w[count]\n\t"
                     "strh %w[sum], [%[magazine], #12]\n\t"
                     "stur %[top], [%[bins], #15]\n" // commit
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

HZ_INLINE void **hz4_rseq_unstack(uintptr_t offset, uintptr_t tagged, unsigned word,
                                  void **refused) {
  uintptr_t bins, below, area = hz_rseq_area_at(offset);
  void **old;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN "ldur %[old], [%[bins], #15]\n\t"
                     "cbz %[old], %l[none]\n\t"
                     "cmp %[old], %[refused]\n\t"
                     "b.eq %l[none]\n\t"
                     "and %[below], %[old], #-512\n\t"
                     "ldr %[below], [%[below], #16]\n\t"
                     "stur %[below], [%[bins], #15]\n" // commit
      HZ_RSEQ_END
      : [old] "=&r"(old), [bins] "=&r"(bins), [below] "=&r"(below)
      : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word), [refused] "r"(refused)
      : "memory", "cc"
      : again, none);
  return old;
none:
  return NULL;
}

HZ_INLINE int64_t hz4_rseq_add(uintptr_t offset, uintptr_t tagged, unsigned word, int64_t value) {
  uintptr_t bins, area = hz_rseq_area_at(offset);
  int64_t sum;
again:
  __asm__ goto volatile(
      HZ4_RSEQ_BEGIN "ldur %[sum], [%[bins], #15]\n\t"
                     "add %[sum], %[sum], %[value]\n\t"
                     "stur %[sum], [%[bins], #15]\n" // commit
      HZ_RSEQ_END
      : [sum] "=&r"(sum), [bins] "=&r"(bins)
      : [area] "r"(area), [tagged] "r"(tagged), [cls] "r"((uintptr_t)word), [value] "r"(value)
      : "memory", "cc"
      : again);
  return sum;
}

#endif // HZ4_RSEQ_AARCH64_H_
