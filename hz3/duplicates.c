// A hash table of slots on the stack. See duplicates.h.
#include "hz3/duplicates.h"

#include <string.h>

#include "common/sizeclass/sizeclass.h"
#include "hz3/shape.h"

// 8 KiB of stack, whatever the bin holds: more blocks are looked at in shares, by their hash. Up to
// there eight slots for each block: a probe that is not the last one costs a branch that nobody
// could predict, which is more than clearing a few slots.
#define TABLE_BITS 12u
#define TABLE_SLOTS (1u << TABLE_BITS)
#define SLOTS_EACH 8u
_Static_assert(HZ3_BIN_MOST < UINT16_MAX, "a slot holds an index + 1");

#define FEW 12u // so many are compared with each other faster than a table is cleared

static void refuse_among_few(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  for (unsigned i = 1; i < count; i++)
    for (unsigned j = 0; j < i; j++)
      if (HZ_UNLIKELY(blocks[i] == blocks[j]))
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
}

static uint32_t hash_of(const void *p) {
  return (uint32_t)((uintptr_t)p >> 4) * 0x9e3779b1u;
}

// Of the blocks those whose hash begins with `share` (of share_bits bits). Requires: 2^bits slots.
static void refuse_by_table(uint16_t *table, unsigned bits, uint32_t share, unsigned share_bits,
                            void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  uint32_t mask = (1u << bits) - 1, most = mask - mask / 4, entered = 0;
  memset(table, 0, sizeof table[0] << bits);
  for (unsigned i = 0; i < count; i++) {
    uint64_t hash = (uint64_t)hash_of(blocks[i]) << share_bits;
    if (hash >> 32 != share || entered == most) // so full by no hash that we know
      continue;
    uint32_t at = (uint32_t)hash >> (32 - bits);
    for (; table[at] != 0; at = (at + 1) & mask)
      if (HZ_UNLIKELY(blocks[table[at] - 1] == blocks[i]))
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
    table[at] = (uint16_t)(i + 1);
    entered++;
  }
}

void hz3_duplicates_refuse(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  if (count <= FEW) {
    refuse_among_few(blocks, count, cls, api);
    return;
  }
  uint16_t table[TABLE_SLOTS]; // index + 1 of the block that hashes here, 0 = none
  unsigned bits = 32 - (unsigned)__builtin_clz(SLOTS_EACH * count - 1);
  unsigned share_bits = 0; // so that a table is never more than half full
  while (TABLE_SLOTS << share_bits < 2 * count)
    share_bits++;
  for (uint32_t share = 0; share < 1u << share_bits; share++)
    refuse_by_table(table, hz_min(bits, TABLE_BITS), share, share_bits, blocks, count, cls, api);
}
