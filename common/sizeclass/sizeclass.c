// The tables of sizeclass.h as constant data. The compiler computes each entry from the formulas
// below; sizeclass_test.cc checks every one of them against the definition.
#include "common/sizeclass/sizeclass.h"

// The n-th block size for requests, without stagger: 16 n up to 8; above, (9..16) sixteenths of a
// doubling, which begins anew every 8 sizes. n == 0 is none.
#define PLAIN_BYTES(n)                                                                             \
  ((n) <= 8 ? 16ul * (n) : (9ul + (((n)-9) & 7)) << (4 + (((n) <= 8 ? 9 : (n)) - 9) / 8))
#define STAGGERED(n) ((n) != 0 && PLAIN_BYTES(n) < 65536 && PLAIN_BYTES(n) % 4096 == 0)
#define SIZE_BYTES(n) (PLAIN_BYTES(n) + (STAGGERED(n) ? HZ_CLASS_STAGGER_BYTES : 0ul))

// The classes of a size, and the size of a class (hz_class_size_number).
#define CLASS_OF_SIZE(n, set)                                                                      \
  ((n) <= HZ_CLASS_SET_SIZE ? (set)*HZ_CLASS_SET_SIZE + (n)                                        \
                            : (n) + (HZ_CLASS_SETS - 1) * HZ_CLASS_SET_SIZE)
#define SIZE_OF_CLASS(c)                                                                           \
  ((c) <= HZ_CLASS_SETS_LAST ? ((c)-1) % HZ_CLASS_SET_SIZE + 1                                     \
                             : (c) - (HZ_CLASS_SETS - 1) * HZ_CLASS_SET_SIZE)

// The requests that a size serves: those that the one before does not hold.
#define RUN(n, set) [SIZE_BYTES((n)-1) / 16 + 1 ... SIZE_BYTES(n) / 16] = CLASS_OF_SIZE(n, set)
#define RUNS(n, set)                                                                               \
  RUN(n, set), RUN((n) + 1, set), RUN((n) + 2, set), RUN((n) + 3, set), RUN((n) + 4, set),         \
      RUN((n) + 5, set), RUN((n) + 6, set), RUN((n) + 7, set)
#define TABLE(set)                                                                                 \
  {                                                                                                \
    [0] = CLASS_OF_SIZE(1, set), RUNS(1, set), RUNS(9, set), RUNS(17, set), RUNS(25, set),         \
    RUNS(33, set), RUNS(41, set), RUNS(49, set), RUNS(57, set), RUNS(65, set), RUNS(73, set),      \
    RUNS(81, set)                                                                                  \
  }

const uint8_t hz_class_tables[HZ_CLASS_SETS][HZ_CLASS_MAX_BYTES / 16 + 1] = {
    TABLE(0), TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7)};

// The classes for aligned requests: the multiples of 4 KiB that staggered blocks are not.
#define ALIGNED_BYTES(c) (4096ul * ((c)-HZ_CLASS_REQUEST_LAST))
#define BYTES_OF(c) ((c) > HZ_CLASS_REQUEST_LAST ? ALIGNED_BYTES(c) : SIZE_BYTES(SIZE_OF_CLASS(c)))

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
      EACH_OF_8(f, 81), EACH_OF_8(f, 89), EACH_OF_8(f, 97), EACH_OF_8(f, 105), EACH_OF_8(f, 113),  \
      f(121), f(122), f(123), f(124)

#define BYTES(c) (uint32_t) BYTES_OF(c)
const uint32_t hz_class_bytes_table[HZ_CLASS_COUNT] = {0, EACH_CLASS(BYTES)};
const struct hz_class_layout hz_class_layout_table[HZ_CLASS_COUNT] = {{0, 0}, EACH_CLASS(LAYOUT)};

// Returns: the smallest of classes first..last that holds it at that alignment. Sizes rise there,
// but for the sets, of which the first serves.
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
