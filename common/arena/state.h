// The arena from inside: what its own files share. Nobody else includes this.
//
// Owns: the one state of the arena. Thread rule: every field is guarded by `lock` (rank
// HZ_RANK_RUNS) unless its line says otherwise; the lock is never held across a system call.
//
//   0          end         committed                                        window      (granules)
//   |  runs     |   ready   |  PROT_NONE, or not mapped yet                   |
//
// A system call on the arena's memory is made by a thread that first noted, under the lock, what it
// works on: `growing` for the frontier, a busy run for a purge. Who is refused memory while others
// are in such a call waits for them and tries again (hz_arena_wait), so that no refusal is false.
#ifndef HZ_COMMON_ARENA_STATE_H_
#define HZ_COMMON_ARENA_STATE_H_

#include "common/arena/arena.h"
#include "common/arena/free_index.h"
#include "common/sync/lock.h"

// Every array with an element for so and so many granules: committed as the arena grows.
enum hz_table {
  HZ_TABLE_RECORDS,
  HZ_TABLE_NODES,
  HZ_TABLE_DIRTY,
  HZ_TABLE_SETS0,
  HZ_TABLE_SETS1,
  HZ_TABLE_SIDE,
  HZ_TABLES
};

struct hz_window {
  uintptr_t base;
  uint64_t granules;     // length of the window
  bool mapped_as_needed; // not reserved: pieces are mapped as the frontier moves
  struct {
    unsigned char *at;
    size_t element_bytes;
    uint64_t element_granules;
    size_t committed_bytes; // whole pages, from `at`
  } table[HZ_TABLES];
};

// Invariants (hz_arena_is_valid), in granules:
//   end <= committed <= window
//   end = used + free.free + free.busy + holes; empty <= used
//   records of free granules have tag NONE
#define HZ_HUGE_WITNESSES 4
struct hz_huge_witness {
  uint64_t granule, count; // a large block in small pages; count 0: none
};

struct hz_arena_state {
  struct hz_lock lock;
  uint32_t event;   // futex: raised whenever a system call noted here has ended
  uint32_t waiting; // threads in hz_arena_wait
  bool growing;     // a thread moves `committed`: window and huge_* are its own meanwhile
  struct hz_window window;
  struct hz_arena_config config;
  uint64_t end; // as hz_arena.end
  uint64_t committed;
  uint64_t holes; // granules below `end` that are not ours: somebody else's, or lost
  uint64_t used, peak_used;
  uint64_t empty;  // of `used`: purged by their holders, who keep the addresses
  uint64_t level;  // used - empty, as purge.c was told last; also read without the lock
  uint64_t coming; // wanted by threads that are growing: they count against the memory limit
  struct hz_free_index free;

  // Retention (purge.c).
  uint64_t interval_start_ms;
  uint64_t taken[2];  // granules of dirty, or purged in vain: this interval, the one before
  uint64_t purged[2]; // granules purged in these intervals and not taken again
  uint64_t high[2];   // largest used - empty: this interval, the one before
  bool falling;       // used - empty is far below its recent height: nobody comes back soon
  // Returns: used - empty fell to a half of `crest` or less, to `trough`, and half of that came
  // back.
  uint64_t crest, trough;          // the height since the last return; the lowest level since then
  uint64_t trough_ms;              // when the level last was that low
  uint64_t fallen_from, fallen_to; // crest and trough of the last return
  uint64_t returned[2];            // the most that rose from one's fallen_to: this period, before
  uint32_t returns[2];             // how many there were: likewise
  uint64_t period_start_ms;        // of returned[0]
  uint64_t purge_again_ms;         // the kernel refused a purge: not before this time
  uint64_t due_ms; // when a tick has work, UINT64_MAX: never; also read without the lock

  // Huge pages (huge.c). Written by the thread that grows; granules.
  uint64_t huge_first;    // the lowest that was ever asked for; UINT64_MAX: none
  uint64_t huge_from;     // asked for from here on; UINT64_MAX: not yet; window.granules: refused
  uint64_t huge_passed;   // asked for and used, below huge_from
  uint64_t huge_pass_to;  // between hz_huge_pass_begin and _end
  uint64_t huge_due_ms;   // when to look whether growth goes on; UINT64_MAX: need not
  uint64_t huge_seen_end; // `end` at the last look
  uint64_t huge_pause_to; // small pages below it: huge ones were dear
  uint64_t huge_pause;    // huge pages that the next such pause lasts; 0: as the first

  // Huge pages of large blocks (huge_blocks.c).
  uint64_t asked_units, asked_pieces; // huge pages with asked != 0; stretches of them
  uint32_t blocks_seen;               // large blocks that were candidates
  bool blocks_dense;                  // what witnesses say
  uint32_t blocks_skip, blocks_pause; // small pages for so many blocks: huge ones were dear; next
  uint64_t blocks_timed;              // a granule inside the block that was timed last; 0: none
  uint32_t witness_next;
  struct hz_huge_witness witness[HZ_HUGE_WITNESSES];
};
extern struct hz_arena_state hz_arena_state;

// What of `used` may be resident.
HZ_INLINE uint64_t hz_arena_filled(void) {
  return hz_arena_state.used - hz_arena_state.empty;
}

// ---- window.c: addresses. No lock held; only the thread that initialises or grows calls.

// Effect: finds and reserves a window and its tables. Returns: false when there is none.
bool hz_window_open(struct hz_window *w, size_t side_bytes);
// Effect: makes the elements of [0, granules) of every table readable and writable.
bool hz_window_commit_tables(struct hz_window *w, uint64_t granules);
// Effect: makes granules [from, to) readable and writable. Returns: whether that succeeded. Where
// pieces are mapped as needed, the piece may lie higher because the addresses are taken: *from and
// *to are moved.
bool hz_window_commit(struct hz_window *w, uint64_t *from, uint64_t *to);
// Effect: granules [from, to) are mapped afresh: all zero, one mapping with what is beside them.
// Returns: HZ_LOST when they are no longer accessible, and maybe somebody else's.
enum hz_refreshed { HZ_REFRESHED, HZ_UNCHANGED, HZ_LOST };
enum hz_refreshed hz_window_refresh(const struct hz_window *w, uint64_t from, uint64_t to);
// Returns: what the tables take, and will take when they reach `granules`.
size_t hz_window_table_bytes(const struct hz_window *w, uint64_t granules);

// ---- arena.c

HZ_INLINE void hz_arena_lock(void) {
  hz_lock_acquire(&hz_arena_state.lock, HZ_RANK_RUNS);
}
HZ_INLINE void hz_arena_unlock(void) {
  hz_lock_release(&hz_arena_state.lock, HZ_RANK_RUNS);
}

// Effect: where no window was to be had, looks for one again. Requires: lock held (given up).
// Returns: whether there is one.
bool hz_arena_window_again(void);

// Effect: gives up the lock, waits until a system call noted in the state has ended, takes the lock
// again. Requires: lock held; growing or a busy run.
void hz_arena_wait(void);
// Effect: wakes the waiters. Requires: lock held.
void hz_arena_event(void);

// ---- grow.c. Requires: lock held (given up during system calls).

// Effect: takes granules at the frontier, growing it when it must; a free run that ends there is
// used first. Returns: false when refused.
bool hz_grow_take(uint64_t count, uint64_t align, struct hz_run *out);
// Effect: takes [from, from+count), which ends beyond `end`, whose part below `end` is free.
// Returns: false when that is not so, or refused.
bool hz_grow_take_from(uint64_t from, uint64_t count);

// Effect: `end` moves up to `to`; what lies between is nobody's, and the caller's to account for.
void hz_grow_skip(uint64_t to);

// ---- purge.c. Requires: lock held (given up during system calls).

// Effect: purges the oldest dirty granules until at most `keep` of them are left, those younger
// than `min_age_ms` excepted. Returns: granules purged.
uint64_t hz_purge_down_to(uint64_t keep, uint64_t min_age_ms, uint64_t now_ms);
// Effect: notes that granules left free runs.
void hz_purge_note_taken(uint64_t dirty, uint64_t clean);
// Effect: notes the level of what is used, after a run was taken or came back resident.
void hz_purge_note_level(uint64_t now_ms);
// Effect: the level is where it is, whatever it was.
void hz_purge_forget_returns(void);
// Returns: what the program has come back for of late, in granules.
uint64_t hz_purge_returned(void);
// How many dirty granules may stay.
uint64_t hz_purge_allowance(uint64_t now_ms);
// Effect: sets due_ms after the list of warm runs changed.
void hz_purge_schedule(void);

// ---- huge.c

// Effect: after growth to `to` asks for huge pages, or withdraws where the frontier has passed.
// Requires: no lock; the growing thread. `need`: what the growth was for.
void hz_huge_on_growth(uint64_t end, uint64_t need, uint64_t to, uint64_t used);
// Effect: makes one huge page resident. Returns: whether that took less time than the faults on
// small pages that it saves.
bool hz_huge_is_cheap(uint64_t unit_start);
// Effect: a large block taken at the frontier gets small pages. Requires: lock held (given up).
void hz_huge_on_take(uint64_t start, uint64_t count);
// Effect: when growth pauses (or at once) gives back what is left of the last huge page. Requires:
// lock held (given up).
void hz_huge_tick(uint64_t now_ms, bool at_once);
// Before granules below `top` are purged, what the frontier has passed is withdrawn: used again as
// huge pages they would be resident beyond what is counted as used. begin and end: lock held;
// between: not. Returns: whether there is something to withdraw; the caller is then the growing
// thread until the end.
bool hz_huge_pass_begin(uint64_t top);
void hz_huge_pass(void);
void hz_huge_pass_end(void);
// Effect: a range that was mapped afresh is advised like its neighbours. Requires: no lock.
void hz_huge_restore(uint64_t from, uint64_t to);
// Returns: the granules of a huge page when some were asked for, else 1. What is purged begins at
// its multiples.
uint64_t hz_huge_unit(void);
uint64_t hz_huge_granules(void);
// Returns: the granules of a huge page (0: none), and the multiples of it, as addresses, around a
// granule.
uint64_t hz_huge_page_granules(void);
uint64_t hz_huge_unit_down(uint64_t granule);
uint64_t hz_huge_unit_up(uint64_t granule);
// Returns: whether a heap of this size may ask at all.
bool hz_huge_may_ask(uint64_t used);

// ---- huge_blocks.c

// No huge page is smaller.
#define HZ_HUGE_LEAST_GRANULES 16

// Returns: whether a run with so many clean granules is to be shown to hz_huge_block. Requires:
// lock held.
bool hz_huge_blocks_may_ask(uint64_t count, uint64_t clean);
// Effect: asks for huge pages inside a run that the caller has just taken, if large blocks are
// dense. Requires: no lock.
void hz_huge_block(uint64_t granule, uint64_t count);
// Before something in [from, to) is purged, or used again in parts: forget (lock held) says whether
// anything there was asked for; then withdraw (no lock), while the range is still nobody's.
bool hz_huge_blocks_forget(uint64_t from, uint64_t to);
void hz_huge_blocks_withdraw(uint64_t from, uint64_t to);
// Requires: lock held.
bool hz_huge_blocks_are_valid(void);

// ---- meta.c
size_t hz_meta_bytes(void);
void hz_meta_before_fork(void);
void hz_meta_after_fork_parent(void);
void hz_meta_after_fork_child(void);

#endif // HZ_COMMON_ARENA_STATE_H_
