// The depot: where whole magazines change hands. A thread that frees passes sixty blocks to one
// that allocates in one compare-and-swap; nothing is atomic per block and no block is touched.
//
// Owns: the lock-free stacks of magazines, one per class in each shard, and what is counted of
// them. Does not own: capacity policy (bound.h), what becomes of a magazine it refuses (the caller:
// back to spans). Thread rule: any thread, any time, lock-free. Blocks of a thread that never runs
// again are not here alone for it: whoever comes next takes them.
//
//   put   write count and addresses ──release──> head          get   head ──acquire──> read them
//         own shard                                                  own shard, then the others
//
// Divided into shards (shard.h): the CPUs' caches belong to those of their CPUs, caches of threads
// are dealt to them in turn.
//
// ABA: common/sync/idstack.h. Trimming: Bonwick and Adams' working set: what has not been needed
// since the last interval, by the low-water mark, goes back to the spans.
#ifndef HZ4_DEPOT_H_
#define HZ4_DEPOT_H_

#include "common/sizeclass/sizeclass.h"
#include "common/sync/idstack.h"
#include "hz4/magazine.h"
#include "hz4/shard.h"

HZ_EXTERN_C_BEGIN

struct hz4_depot_class {
  struct hz_idstack full;
  int64_t blocks; // in it; relaxed, may lag the stack by the calls under way
  int64_t low;    // smallest `blocks` since the last trim (near enough: racing minima may be lost)
  uint64_t last_ms; // when it was last used
} HZ_ALIGNED(HZ_NO_SHARE_BYTES);
extern HZ_HIDDEN struct hz4_depot_class hz4_depot[HZ4_SHARDS_MAX][HZ_CLASS_COUNT];

// Returns: blocks of the class in all shards, near enough.
size_t hz4_depot_blocks(unsigned cls);

// Effect: passes the magazine on, unless the depot holds enough already. Returns: false when
// refused; the magazine stays the caller's. *retries grows by races lost. Bytes are the caller's to
// account for: hz4_depot_owe.
bool hz4_depot_put(unsigned cls, unsigned shard, void **top, uint64_t now_ms, unsigned *retries);
// Returns: the top of a magazine with blocks, the caller's now; NULL when there is none.
void **hz4_depot_get(unsigned cls, unsigned shard, uint64_t now_ms, unsigned *retries);

// An owner keeps up to this much to itself before it touches the common counter: on many cores that
// line would be the one everybody waits for.
#define HZ4_DEBT_MAX_BYTES ((int64_t)(64 * HZ_KIB))
HZ_INLINE bool hz4_depot_owes_much(int64_t debt) {
  return debt >= HZ4_DEBT_MAX_BYTES || debt <= -HZ4_DEBT_MAX_BYTES;
}
// Effect: tells the common counter what an owner owes.
void hz4_depot_settle(int64_t debt);

// Effect: if the depot holds more than it may by now, or the class recedes (shared.h), a magazine
// of the class goes back to its spans.
void hz4_depot_recede(unsigned cls, unsigned shard, uint64_t now_ms);

// Effect: gives back to the spans what lay unused since the last trim, all of it where the class
// was not used for idle_ms. Returns: bytes.
size_t hz4_depot_trim(uint64_t now_ms, uint64_t idle_ms);
// Effect: gives back everything. Returns: bytes.
size_t hz4_depot_empty(void);

HZ_EXTERN_C_END

#endif // HZ4_DEPOT_H_
