// See purge.h.
#include "hz3/purge.h"

#include "common/base/bits.h"
#include "common/os/os.h"
#include "hz3/shape.h"
#include "hz3/span.h"

enum { CLAIMS = 32, ROUNDS_MAX = 256 };
#define WORTH_BYTES (64 * HZ_KIB) // of one class: less is not worth a walk

// Returns: bytes.
static size_t stretches_purge(char *start, size_t bytes, uint64_t blocks) {
  size_t page = hz_os_page_bytes(), total = 0;
  while (blocks != 0) {
    unsigned first = hz_lowest_bit(blocks);
    uint64_t above = ~(blocks >> first);
    unsigned end = above != 0 ? first + hz_lowest_bit(above) : 64;
    uintptr_t from = hz_align_up((uintptr_t)start + first * bytes, page);
    uintptr_t to = hz_align_down((uintptr_t)start + end * bytes, page);
    if (from < to && hz_os_purge((void *)from, to - from))
      total += to - from;
    blocks = end < 64 ? blocks >> end << end : 0;
  }
  return total;
}

static size_t class_purge(unsigned cls, uint32_t ticks) {
  struct hz3_claim claims[CLAIMS];
  size_t total = 0;
  for (unsigned round = 0, n = CLAIMS; n == CLAIMS && round < ROUNDS_MAX; round++) {
    n = hz3_span_claim(cls, ticks, claims, CLAIMS);
    for (unsigned i = 0; i < n; i++)
      total += stretches_purge(hz_granule_address(claims[i].name - 1), hz_class_bytes(cls),
                               claims[i].blocks);
    hz3_span_unclaim(cls, claims, n);
  }
  return total;
}

size_t hz3_purge_blocks(uint32_t ticks) {
  size_t total = 0;
  for (unsigned cls = HZ_CLASS_LAST; cls >= HZ_CLASS_FIRST && hz3_span_has_pages(cls); cls--)
    // Without the lock, hence relaxed: a hint.
    if (hz_load_relaxed(&hz3_central[0][cls].blocks_unpurged) * hz_class_bytes(cls) >= WORTH_BYTES)
      total += class_purge(cls, ticks);
  return total;
}
