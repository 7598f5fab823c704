#include "hz4/duplicate.h"

#include <string.h>

#include "common/fail/fail.h"
#include "common/sizeclass/sizeclass.h"
#include "hz4/self.h"

// 2048 bits for at most 60 addresses: one in forty meets a bit that is set, and is then looked for.
#define FILTER_WORDS 32

void hz4_duplicate_find(unsigned cls, void *const *top, unsigned count) {
  uint64_t filter[FILTER_WORDS];
  memset(filter, 0, sizeof filter);
  void *const *first = top + 1 - count;
  for (unsigned i = 0; i < count; i++) {
    uint64_t hash = ((uintptr_t)first[i] >> 4) * 0x9e3779b97f4a7c15u >> 53;
    uint64_t bit = (uint64_t)1 << (hash & 63);
    uint64_t *word = &filter[hash >> 6];
    if (HZ_UNLIKELY(*word & bit))
      for (unsigned j = 0; j < i; j++)
        if (first[j] == first[i])
          hz_fail_double_free(first[i], hz_class_bytes(cls), hz4_api());
    *word |= bit;
  }
}
