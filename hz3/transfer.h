// The transfer layer: for each class a lock-free stack of whole batches, between the threads' bins
// and the spans. A block freed anywhere is taken from here by whoever needs one next; nobody owns
// it.
//
// Owns: the batches on its stacks. Does not own bins (cache.h) or spans (span.h), which it feeds.
// Thread rule: any thread, any time, nobody waits; a batch moves by one compare-and-swap.
//
//   bin ── give ──▶ [batch]─[batch]─[batch] ── take ──▶ bin
//                        │  beyond the bound, or unused since the last tick (low-water mark)
//                        ▼
//                      spans
//
// Bound: at most hz3_transfer_limit(cls) blocks of a class wait here; over all classes that is
// below half of the bound on cached bytes (tick.h). The low-water mark of an interval is what
// nobody needed in it (Bonwick and Adams 2001).
#ifndef HZ3_TRANSFER_H_
#define HZ3_TRANSFER_H_

#include "common/fail/fail.h"
#include "common/sync/idstack.h"
#include "hz3/batch.h"

HZ_EXTERN_C_BEGIN

struct hz3_transfer {
  struct hz_idstack stack;
  uint32_t blocks; // on the stack; added after a push, subtracted after a pop, so it may lag
  uint32_t low;    // least of `blocks` since the last tick
  uint32_t takes;  // how often a thread needed blocks of this class (from here or from spans)
  uint32_t lost;   // races lost, for observation
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);
extern HZ_HIDDEN struct hz3_transfer hz3_transfer[HZ_CLASS_COUNT];

// Effect: writes up to `want` (1..63) addresses to out, from one batch or two. *spare is the
// caller's empty batch or 0; a batch emptied here becomes it. Returns: how many; 0 when there is
// none.
unsigned hz3_transfer_take(unsigned cls, void **out, unsigned want, uint32_t *spare);

// Effect: `count` (1..63) blocks wait here or, beyond the bound, go back to their spans. *spare as
// above. `api` names the public function if spans find a double free.
void hz3_transfer_give(unsigned cls, void *const *blocks, unsigned count, uint32_t *spare,
                       enum hz_api api);

// Effect: all that wait go back to spans. Returns: blocks moved.
size_t hz3_transfer_drain(unsigned cls, enum hz_api api);
// Effect: what was not needed since the last call goes back to spans.
void hz3_transfer_age(unsigned cls);

HZ_EXTERN_C_END

#endif // HZ3_TRANSFER_H_
