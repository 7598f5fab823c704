// A hash table of slots on the stack. See duplicates.h.
#include "hz3/duplicates.h"

#include <string.h>

#include "common/sizeclass/sizeclass.h"

#define TABLE_SLOTS 512u // a power of two, four times what it must hold

#define FEW 12u // so many are compared with each other faster than a table is cleared

static void refuse_among_few(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  for (unsigned i = 1; i < count; i++)
    for (unsigned j = 0; j < i; j++)
      if (HZ_UNLIKELY(blocks[i] == blocks[j]))
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
}

void hz3_duplicates_refuse(void *const *blocks, unsigned count, unsigned cls, enum hz_api api) {
  if (count <= FEW) {
    refuse_among_few(blocks, count, cls, api);
    return;
  }
  uint8_t table[TABLE_SLOTS]; // index + 1 of the block that hashes here, 0 = none
  memset(table, 0, sizeof table);
  for (unsigned i = 0; i < count; i++) {
    uint32_t hash = (uint32_t)((uintptr_t)blocks[i] >> 4) * 0x9e3779b1u >> 23;
    for (; table[hash] != 0; hash = (hash + 1) & (TABLE_SLOTS - 1))
      if (blocks[table[hash] - 1] == blocks[i])
        hz_fail_double_free(blocks[i], hz_class_bytes(cls), api);
    table[hash] = (uint8_t)(i + 1);
  }
}
