// A hash table of slots on the stack. See duplicates.h.
#include "hz3/duplicates.h"

#include <string.h>

#include "common/sizeclass/sizeclass.h"
#include "hz3/shape.h"

#define TABLE_BITS 12u // twice what a bin holds
#define TABLE_SLOTS (1u << TABLE_BITS)
_Static_assert(TABLE_SLOTS >= 2 * HZ3_BIN_MOST, "probes stay short");

#define FEW 12u // so many are compared with each other faster than a table is cleared

static void refuse_among_few(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  for (unsigned i = 1; i < count; i++)
    for (unsigned j = 0; j < i; j++)
      if (HZ_UNLIKELY(blocks[i] == blocks[j]))
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
}

// Requires: 2^bits slots, all 0, are at least twice as many as the blocks.
static void refuse_by_table(uint16_t *table, unsigned bits, void *const *blocks, unsigned count,
                            unsigned cls, enum hz_api api) {
  uint32_t mask = (1u << bits) - 1;
  for (unsigned i = 0; i < count; i++) {
    uint32_t hash = (uint32_t)((uintptr_t)blocks[i] >> 4) * 0x9e3779b1u >> (32 - bits);
    for (; table[hash] != 0; hash = (hash + 1) & mask)
      if (HZ_UNLIKELY(blocks[table[hash] - 1] == blocks[i]))
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
    table[hash] = (uint16_t)(i + 1);
  }
}

void hz3_duplicates_refuse(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  if (count <= FEW) {
    refuse_among_few(blocks, count, cls, api);
    return;
  }
  uint16_t table[TABLE_SLOTS]; // index + 1 of the block that hashes here, 0 = none
  unsigned bits = 32 - (unsigned)__builtin_clz(2 * count - 1);
  memset(table, 0, sizeof table[0] << bits);
  refuse_by_table(table, bits, blocks, count, cls, api);
}
