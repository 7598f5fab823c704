// A block that is twice in one batch was freed twice: found when the batch leaves its owner.
//
// Owns: nothing. Thread rule: on the caller's batch. Variant `fast` leaves it out.
#ifndef HZ4_DUPLICATE_H_
#define HZ4_DUPLICATE_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// Effect: ends the process, naming the block, when one of the `count` addresses up to *top is there
// twice. About a nanosecond a block.
void hz4_duplicate_find(unsigned cls, void *const *top, unsigned count);

HZ_INLINE void hz4_duplicate_check(unsigned cls, void *const *top, unsigned count) {
  if (!HZ_FAST)
    hz4_duplicate_find(cls, top, count);
}

HZ_EXTERN_C_END

#endif // HZ4_DUPLICATE_H_
