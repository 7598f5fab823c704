// Shelves: free blocks of a CPU, between the threads' bins and the transfer layer. Where threads
// outnumber CPUs, a thread's part of the bound is a few blocks of each class; what one thread lays
// down here the next one on this CPU takes up, and it is still warm.
//
// Owns: the blocks that lie on them. Does not own bins (cache.h) or what is behind (transfer.h).
// Thread rule: any thread, any time, nobody waits: a row is locked by a try, and who does not get
// it goes to the transfer layer.
//
//   shelf of a CPU     row of class 1    [ lock takes count low | block | block | ... ]
//                      row of class 2    [ ...                    oldest       newest ]
//
//   lock         a claim of its CPU (common/rseq): threads on that CPU lock it without a locked
//                instruction, others take it away. Where there are no restartable sequences any
//                thread swaps it, and any thread may use any shelf.
//   invariants   count <= HZ3_ROW_BLOCKS
//                sum over rows of count * block bytes == bytes, but for lost additions
//
// Bound: bytes <= hz3_shelf_limit_bytes, looked at before blocks come; the limit of all together is
// given by ticks (tick.h). What lies on a shelf anybody may take away: a thread that sleeps holds
// none of it back. The low-water mark of an interval is what nobody needed in it.
#ifndef HZ3_SHELF_H_
#define HZ3_SHELF_H_

#include "common/base/units.h"
#include "common/fail/fail.h"
#include "common/rseq/rseq.h"
#include "common/sync/atomic.h"
#include "hz3/shape.h"

HZ_EXTERN_C_BEGIN

#define HZ3_ROW_BLOCKS 62u
#define HZ3_SHELVES_MOST 256u // CPUs beyond share, or have none where a shelf is its CPU's alone

struct hz3_row {
  uint32_t lock;   // 0: free; only ever tried
  uint32_t takes;  // how often threads came for blocks; a guess: additions may be lost
  uint16_t count;  // of blocks; written by the holder of the lock
  uint16_t low;    // least count since the last tick; a guess: it may be above count
  uint32_t moving; // blocks are being moved down: a forked child drops the row
  void *blocks[HZ3_ROW_BLOCKS];
};
_Static_assert(sizeof(struct hz3_row) == 512, "eight lines");

struct hz3_shelf {
  // In all rows. Written without a lock, so that additions may be lost; each tick counts anew.
  uint64_t bytes HZ_ALIGNED(HZ_NO_SHARE_BYTES);
  uint32_t cpu;
  struct hz3_row rows[HZ_CLASS_COUNT] HZ_ALIGNED(HZ_NO_SHARE_BYTES);
};

extern HZ_HIDDEN uint64_t hz3_shelf_limit_bytes; // of one shelf
extern HZ_HIDDEN struct hz3_shelf *hz3_shelves[HZ3_SHELVES_MOST];
struct hz3_shelf_cpu {
  uintptr_t area; // common/rseq
  bool known;     // a thread's CPU is to be had
  bool claims;    // rows are claimed by the CPU: constant after init
};
extern HZ_HIDDEN struct hz3_shelf_cpu hz3_shelf_cpu;

// Called once, before the first allocation.
void hz3_shelf_init(void);
// Out of line: the first time on a CPU.
struct hz3_shelf *hz3_shelf_make(unsigned cpu);

// Returns: the shelf of this CPU; where the system does not say which it is, one chosen by `hint`.
// NULL when there is no memory for it, no shelf for so many CPUs, or nobody registered the thread.
HZ_INLINE struct hz3_shelf *hz3_shelf_here(const void *hint) {
  size_t cpu = ((uintptr_t)hint >> 12) * 0x9e3779b1u >> 16;
  if (HZ_LIKELY(hz3_shelf_cpu.known))
    cpu = hz_rseq_cpu(hz3_shelf_cpu.area);
  if (HZ_UNLIKELY(cpu >= HZ3_SHELVES_MOST)) {
    if (hz3_shelf_cpu.claims)
      return NULL;
    cpu %= HZ3_SHELVES_MOST;
  }
  // Acquire: its memory reads as zero; partner: the release in hz3_shelf_make.
  struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[cpu]);
  return HZ_LIKELY(s != NULL) ? s : hz3_shelf_make((unsigned)cpu);
}

// Effect: up to `want` blocks, the newest, leave the row. Returns: how many.
unsigned hz3_shelf_take(struct hz3_shelf *s, unsigned cls, void **out, unsigned want);

// Effect: `count` blocks lie here, or none of them. Where there is no room the row's oldest blocks
// make some, at most `most`: *moved of them are the caller's, in `out`. Returns: whether they lie
// here.
bool hz3_shelf_give(struct hz3_shelf *s, unsigned cls, void *const *blocks, unsigned count,
                    void **out, unsigned most, unsigned *moved);

// Effect: everything of the class that lies on this shelf goes back to spans; nothing where the row
// is in use this moment, or the thread no longer runs on this CPU. Returns: how many blocks.
size_t hz3_shelf_clear_row(struct hz3_shelf *s, unsigned cls, enum hz_api api);
// Effect: the same on all shelves for each cls with classes[cls] (NULL: for all classes). Costs a
// barrier, an interrupt on other CPUs, for each 32 rows where something lies. Returns: likewise.
size_t hz3_shelf_clear(const bool *classes, enum hz_api api);
// Effect: the same for what nobody needed since the last call, of all classes.
size_t hz3_shelf_age(void);
// Returns: blocks of a class on all shelves; a sum without locks.
size_t hz3_shelf_blocks(unsigned cls);
// Returns: whether no shelf holds as much as its equal part of `bytes`.
bool hz3_shelf_is_idle(uint64_t bytes);
// Effect: all shelves together may hold so many bytes; their sums are counted anew. Returns: what
// they hold.
uint64_t hz3_shelf_tick(uint64_t bytes);

// Returns: whether the invariants above hold, and no block lies here twice. Requires: nobody else
// uses it.
bool hz3_shelf_is_valid(const struct hz3_shelf *s);

void hz3_shelf_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ3_SHELF_H_
