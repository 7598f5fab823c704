// The tables of sizeclass.h as constant data. The compiler computes each entry from the formulas
// below; sizeclass_test.cc checks every one of them against the definition.
#include "common/sizeclass/sizeclass.h"

#define EACH_OF_8(f, i, step)                                                                      \
  f(i), f((i) + (step)), f((i) + 2 * (step)), f((i) + 3 * (step)), f((i) + 4 * (step)),            \
      f((i) + 5 * (step)), f((i) + 6 * (step)), f((i) + 7 * (step))

// The class of a request of n bytes, n a multiple of 16: the n/16-th up to 128 bytes; above, the
// position of n - 1 within its doubling [2^k, 2^(k+1)), in eighths. Small n take part in the second
// formula too, where their value is not used but must exist: hence the bit that keeps them large.
#define LOG2(x) (63 - __builtin_clzl(x))
#define ABOVE_128(n)                                                                               \
  (8 + 8 * (LOG2((n)-1) - 7) + (((n)-1 - (1ul << LOG2((n)-1))) >> (LOG2((n)-1) - 3)) + 1)
#define PLAIN_OF(i) ((i) == 0 ? 1 : (i) <= 8 ? (i) : ABOVE_128((i)*16ul | ((i) <= 8) << 12))

// What a class would have without stagger: 16 c up to 8; above, (9..16) sixteenths of a doubling,
// which begins anew every 8 classes.
#define PLAIN_BYTES(c)                                                                             \
  ((c) <= 8 ? 16ul * (c) : (9ul + (((c)-9) & 7)) << (4 + (((c) <= 8 ? 9 : (c)) - 9) / 8))
#define STAGGERED(c) (PLAIN_BYTES(c) < 65536 && PLAIN_BYTES(c) % 4096 == 0)

// A request that just passes a plain size may still fit into the staggered block.
#define BACK(i) ((i) > 4096 / 16 ? (i)-HZ_CLASS_STAGGER_BYTES / 16 : (i))
#define CLASS_OF(i) (STAGGERED(PLAIN_OF(BACK(i))) ? PLAIN_OF(BACK(i)) : PLAIN_OF(i))

#define CLASSES_1(i) (uint8_t) CLASS_OF(i)
#define CLASSES_8(i) EACH_OF_8(CLASSES_1, i, 1)
#define CLASSES_64(i)                                                                              \
  CLASSES_8(i), CLASSES_8((i) + 8), CLASSES_8((i) + 16), CLASSES_8((i) + 24), CLASSES_8((i) + 32), \
      CLASSES_8((i) + 40), CLASSES_8((i) + 48), CLASSES_8((i) + 56)
#define CLASSES_512(i)                                                                             \
  CLASSES_64(i), CLASSES_64((i) + 64), CLASSES_64((i) + 128), CLASSES_64((i) + 192),               \
      CLASSES_64((i) + 256), CLASSES_64((i) + 320), CLASSES_64((i) + 384), CLASSES_64((i) + 448)
#define CLASSES_4096(i)                                                                            \
  CLASSES_512(i), CLASSES_512((i) + 512), CLASSES_512((i) + 1024), CLASSES_512((i) + 1536),        \
      CLASSES_512((i) + 2048), CLASSES_512((i) + 2560), CLASSES_512((i) + 3072),                   \
      CLASSES_512((i) + 3584)

const uint8_t hz_class_table[HZ_CLASS_MAX_BYTES / 16 + 1] = {CLASSES_4096(0), CLASSES_4096(4096),
                                                             CLASSES_1(8192)};

// The classes for aligned requests: the multiples of 4 KiB that staggered blocks are not.
#define ALIGNED_BYTES(c) (4096ul * ((c)-HZ_CLASS_REQUEST_LAST))
#define BYTES_OF(c)                                                                                \
  ((c) > HZ_CLASS_REQUEST_LAST ? ALIGNED_BYTES(c)                                                  \
                               : PLAIN_BYTES(c) + (STAGGERED(c) ? HZ_CLASS_STAGGER_BYTES : 0ul))

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

#define EACH_CLASS(f)                                                                              \
  EACH_OF_8(f, 1, 1), EACH_OF_8(f, 9, 1), EACH_OF_8(f, 17, 1), EACH_OF_8(f, 25, 1),                \
      EACH_OF_8(f, 33, 1), EACH_OF_8(f, 41, 1), EACH_OF_8(f, 49, 1), EACH_OF_8(f, 57, 1),          \
      EACH_OF_8(f, 65, 1), EACH_OF_8(f, 73, 1), EACH_OF_8(f, 81, 1), EACH_OF_8(f, 89, 1), f(97),   \
      f(98), f(99), f(100), f(101), f(102), f(103)

const uint32_t hz_class_bytes_table[HZ_CLASS_COUNT] = {0, EACH_CLASS(BYTES_OF)};
const struct hz_class_layout hz_class_layout_table[HZ_CLASS_COUNT] = {{0, 0}, EACH_CLASS(LAYOUT)};

// Returns: the smallest of classes first..last that holds it at that alignment; sizes rise there.
static unsigned smallest_aligned(unsigned first, unsigned last, size_t bytes, size_t align) {
  for (unsigned cls = first; cls <= last; cls++)
    if (hz_class_bytes(cls) >= bytes && hz_is_aligned(hz_class_bytes(cls), align))
      return cls;
  return HZ_CLASS_NONE;
}

unsigned hz_class_of_aligned(size_t bytes, size_t align) {
  // Spans start at granules, and no further alignment is theirs to give.
  if (bytes > HZ_CLASS_MAX_BYTES || align > 65536)
    return HZ_CLASS_NONE;
  unsigned cls =
      smallest_aligned(hz_class_of(hz_max(bytes, align)), HZ_CLASS_REQUEST_LAST, bytes, align);
  unsigned other = smallest_aligned(HZ_CLASS_REQUEST_LAST + 1, HZ_CLASS_LAST, bytes, align);
  bool better = other != HZ_CLASS_NONE &&
                (cls == HZ_CLASS_NONE || hz_class_bytes(other) < hz_class_bytes(cls));
  return better ? other : cls;
}
