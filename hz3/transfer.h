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
// Bound: at most `limit` blocks of a class wait here; ticks share out what the bound on cached
// bytes leaves for this layer (tick.h). The low-water mark of an interval is what nobody needed in
// it (Bonwick and Adams 2001).
#ifndef HZ3_TRANSFER_H_
#define HZ3_TRANSFER_H_

#include "common/fail/fail.h"
#include "common/sync/idstack.h"
#include "hz3/batch.h"

HZ_EXTERN_C_BEGIN

// One pair of lines holds all that an exchange touches beside the batch itself.
struct hz3_transfer {
  struct hz_idstack stack;
  uint32_t blocks; // on the stack; added after a push, subtracted after a pop, so it may lag
  uint32_t limit;  // of blocks; written by ticks
  uint32_t low;    // least of `blocks` since the last tick
  uint32_t takes;  // how often a thread needed blocks of this class; a guess: additions may be lost
  uint32_t asked;  // `takes` at the last tick
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);
extern HZ_HIDDEN struct hz3_transfer hz3_transfer[HZ_CLASS_COUNT];

// Effect: writes up to `want` addresses to out, from as many batches as that takes. *spare is the
// caller's empty batch or 0; a batch emptied here becomes it. Returns: how many; 0 when there is
// none.
unsigned hz3_transfer_take(unsigned cls, void **out, unsigned want, uint32_t *spare);

// Effect: `count` (1..63) blocks wait here or, beyond the bound, go back to their spans. *spare as
// above. `api` names the public function if spans find a double free.
void hz3_transfer_give(unsigned cls, void *const *blocks, unsigned count, uint32_t *spare,
                       enum hz_api api);

// Effect: notes that a thread needs blocks of this class: those who free them may keep them at
// hand.
HZ_INLINE void hz3_transfer_ask(unsigned cls) {
  struct hz3_transfer *t = &hz3_transfer[cls];
  hz_store_relaxed(&t->takes, hz_load_relaxed(&t->takes) + 1); // relaxed, unlocked: a guess
}
// Returns: blocks that wait here; may lag.
HZ_INLINE size_t hz3_transfer_waiting(unsigned cls) {
  uint32_t blocks = hz_load_relaxed(&hz3_transfer[cls].blocks);
  return (int32_t)blocks < 0 ? 0 : blocks;
}
// Returns: how often anybody asked since the last call. For ticks.
uint32_t hz3_transfer_asked(unsigned cls);

// Effect: all that wait go back to spans. Returns: blocks moved.
size_t hz3_transfer_drain(unsigned cls, enum hz_api api);
// Effect: what was not needed since the last call goes back to spans.
void hz3_transfer_age(unsigned cls);

HZ_EXTERN_C_END

#endif // HZ3_TRANSFER_H_
