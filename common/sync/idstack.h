// A lock-free stack of numbered nodes (Treiber 1986), for handing whole batches from thread to
// thread.
//
// Owns: the head word. Does not own the nodes: they live in an array of the caller's that is never
// unmapped, and each holds the number of the next.
// Thread rule: any thread, any time, async-signal-safe; push and pop are one compare-and-swap each.
//
//   head   [ version:32 | id:32 ]     id 0 = empty; nodes are numbered from 1
//
// ABA: a popper that read (v, a) and a's next, was descheduled, and finds a on top again after
// others popped and pushed it, fails because every successful push and pop raises the version. The
// version wraps after 2^32 operations within one descheduled pop; that window is accepted and
// stated here. A popper may read `next` of a node that another popped meanwhile: the node's memory
// stays mapped and `next` is only ever written atomically; the stale value is discarded by the
// failing swap.
#ifndef HZ_COMMON_SYNC_IDSTACK_H_
#define HZ_COMMON_SYNC_IDSTACK_H_

#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

struct hz_idstack {
  uint64_t head;
};

// How the caller's node number becomes the address of its next field.
typedef uint32_t *(*hz_idstack_next_fn)(uint32_t id);

HZ_INLINE uint64_t hz_idstack_word(uint64_t seen, uint32_t id) {
  return ((seen >> 32) + 1) << 32 | id;
}

// Effect: node id becomes the top. What the caller wrote into the node happens before the pop that
// returns it. Returns: the number of lost races (0 almost always), for observation.
HZ_INLINE unsigned hz_idstack_push(struct hz_idstack *s, hz_idstack_next_fn next, uint32_t id) {
  unsigned retries = 0;
  // Relaxed: the value is only compared; the swap below decides.
  uint64_t seen = hz_load_relaxed(&s->head);
  for (;;) {
    hz_store_relaxed(next(id), (uint32_t)seen); // read by pops, ordered by the release below
    // Release: publishes the node's content; partner: the acquire in hz_idstack_pop.
    if (hz_cas_release(&s->head, &seen, hz_idstack_word(seen, id)))
      return retries;
    retries++;
  }
}

// Returns: the number of the node taken, 0 when empty; *retries (if not NULL) grows by races lost.
HZ_INLINE uint32_t hz_idstack_pop(struct hz_idstack *s, hz_idstack_next_fn next,
                                  unsigned *retries) {
  // Acquire: so that next(id) and the node's content are as its pusher left them (release in push).
  uint64_t seen = hz_load_acquire(&s->head);
  while ((uint32_t)seen != 0) {
    uint32_t below = hz_load_relaxed(next((uint32_t)seen)); // may be stale: then the swap fails
    if (hz_cas_acquire(&s->head, &seen, hz_idstack_word(seen, below)))
      return (uint32_t)seen;
    if (retries)
      ++*retries;
  }
  return 0;
}

HZ_INLINE bool hz_idstack_is_empty(const struct hz_idstack *s) {
  return (uint32_t)hz_load_relaxed(&s->head) == 0; // a hint: may change at once
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_SYNC_IDSTACK_H_
