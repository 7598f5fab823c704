// The tables of sizeclass.h as constant data. The compiler computes each entry from the formulas
// below; sizeclass_test.cc checks every one of them against the definition.
#include "common/sizeclass/sizeclass.h"

// The class of a request of n bytes, n a multiple of 16: the n/16-th up to 128 bytes; above, the
// position of n - 1 within its doubling [2^k, 2^(k+1)), in eighths.
#define LOG2(x) (63 - __builtin_clzl(x))
#define ABOVE_128(n)                                                                               \
  (8 + 8 * (LOG2((n)-1) - 7) + (((n)-1 - (1ul << LOG2((n)-1))) >> (LOG2((n)-1) - 3)) + 1)
#define CLASS_OF(i) ((i) == 0 ? 1 : (i) <= 8 ? (i) : ABOVE_128((i)*16ul | ((i) <= 8) << 12))

#define X1(i) (uint8_t) CLASS_OF(i),
#define X8(i)                                                                                      \
  X1(i) X1((i) + 1) X1((i) + 2) X1((i) + 3) X1((i) + 4) X1((i) + 5) X1((i) + 6) X1((i) + 7)
#define X64(i)                                                                                     \
  X8(i) X8((i) + 8) X8((i) + 16) X8((i) + 24) X8((i) + 32) X8((i) + 40) X8((i) + 48) X8((i) + 56)
#define X512(i)                                                                                    \
  X64(i)                                                                                           \
  X64((i) + 64) X64((i) + 128) X64((i) + 192) X64((i) + 256) X64((i) + 320) X64((i) + 384)         \
      X64((i) + 448)
#define X4096(i)                                                                                   \
  X512(i)                                                                                          \
  X512((i) + 512) X512((i) + 1024) X512((i) + 1536) X512((i) + 2048) X512((i) + 2560)              \
      X512((i) + 3072) X512((i) + 3584)

const uint8_t hz_class_table[HZ_CLASS_MAX_BYTES / 16 + 1] = {X4096(0) X4096(4096) X1(8192)};

// The block size of a class: 16 c up to 8; above, (9..16) sixteenths of a doubling, which begins
// anew every 8 classes.
#define BYTES_OF(c)                                                                                \
  ((c) <= 8 ? 16ul * (c) : (9ul + (((c)-9) & 7)) << (4 + (((c) <= 8 ? 9 : (c)) - 9) / 8))

// The smallest run of granules whose tail is at most an eighth. 7 suffice for every class (the test
// says so); a run too small for one block has a tail of its whole self.
#define FITS(c, g) (((g) << 16) >= BYTES_OF(c) && (((g) << 16) % BYTES_OF(c)) * 8 <= ((g) << 16))
#define GRANULES(c)                                                                                \
  (FITS(c, 1ul)   ? 1ul                                                                            \
   : FITS(c, 2ul) ? 2ul                                                                            \
   : FITS(c, 3ul) ? 3ul                                                                            \
   : FITS(c, 4ul) ? 4ul                                                                            \
   : FITS(c, 5ul) ? 5ul                                                                            \
   : FITS(c, 6ul) ? 6ul                                                                            \
                  : 7ul)
#define LAYOUT(c)                                                                                  \
  { (uint16_t) GRANULES(c), (uint16_t)((GRANULES(c) << 16) / BYTES_OF(c)) }

#define EACH_OF_8(f, c)                                                                            \
  f(c), f((c) + 1), f((c) + 2), f((c) + 3), f((c) + 4), f((c) + 5), f((c) + 6), f((c) + 7)
#define EACH_CLASS(f)                                                                              \
  EACH_OF_8(f, 1), EACH_OF_8(f, 9), EACH_OF_8(f, 17), EACH_OF_8(f, 25), EACH_OF_8(f, 33),          \
      EACH_OF_8(f, 41), EACH_OF_8(f, 49), EACH_OF_8(f, 57), EACH_OF_8(f, 65), EACH_OF_8(f, 73),    \
      EACH_OF_8(f, 81)

const uint32_t hz_class_bytes_table[HZ_CLASS_COUNT] = {0, EACH_CLASS(BYTES_OF)};
const struct hz_class_layout hz_class_layout_table[HZ_CLASS_COUNT] = {{0, 0}, EACH_CLASS(LAYOUT)};

unsigned hz_class_of_aligned(size_t bytes, size_t align) {
  // Spans start at granules, and no further alignment is theirs to give.
  if (bytes > HZ_CLASS_MAX_BYTES || align > 65536)
    return HZ_CLASS_NONE;
  for (unsigned cls = hz_class_of(hz_max(bytes, align)); cls <= HZ_CLASS_LAST; cls++)
    if (hz_is_aligned(hz_class_bytes(cls), align))
      return cls;
  return HZ_CLASS_NONE;
}
