// The arena: one window of addresses, cut into granules of 64 KiB, handed out as runs of granules.
//
// Owns: the window, one 8-byte record per granule (the page map: any pointer → its span, by one
// subtraction, one range check and one load), the free runs beneath, their purging and their huge
// pages, and memory for metadata. Does not own: what a run is used for; generations write the
// records of the runs they hold. Thread rule: hz_arena is written by initialisation, and its `end`
// by growth; everything else behind the functions is guarded by one lock (rank HZ_RANK_RUNS), never
// held across a system call.
//
//   base                                              base + end*64K         base + window
//    | run | run | free run (dirty) | run | free (clean) | ... | never used, PROT_NONE |
//
//   granules[g]     8 bytes each, committed up to `end` with the runs they describe
//
// A pointer that is not ours is recognised from its address alone: out of range, or the tag of its
// granule is HZ_TAG_NONE. Idea of the flat map over an arena: snmalloc's pagemap; the record that
// also validates: musl mallocng's get_meta.
#ifndef HZ_COMMON_ARENA_ARENA_H_
#define HZ_COMMON_ARENA_ARENA_H_

#include "common/base/bits.h"
#include "common/base/units.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

#define HZ_GRANULE_SHIFT 16
#define HZ_GRANULE_BYTES ((size_t)1 << HZ_GRANULE_SHIFT)

// What free() must know of a pointer. Written by the holder of the run (under its own rules,
// relaxed atomics field by field; a block's record is complete before the block is first handed
// out, and the program's own hand-over of the pointer orders the rest).
//   tag == HZ_TAG_NONE  <=>  the granule holds no block that may be freed
//   span start = granule address - index * 64 KiB
//   a block of a class starts at span start + i * class bytes, and is below span start + limit * 16
struct hz_granule {
  uint32_t limit16; // 16-byte units from the span's start that have ever been handed out
  uint16_t index;   // of this granule within its span
  uint8_t tag;      // 1..124: class; or one of HZ_TAG_*
  uint8_t flags;    // the holder's own; kept when the run is freed, until it is used again
};
_Static_assert(sizeof(struct hz_granule) == 8, "one load");

#define HZ_TAG_NONE 0u
#define HZ_TAG_LARGE 255u        // first granule of a large block; its other fields: large.h
#define HZ_TAG_LARGE_INSIDE 254u // the others: never the start of a block

// Read on every free. `end` grows; a stale value only sends a pointer to the slow path, and a
// thread that was given a pointer was given `end` with it. Read `end` with hz_arena_end().
struct hz_arena {
  uintptr_t base; // 0 before initialisation; aligned to 1 GiB when the window allows, else to 2 MiB
  uint64_t end;   // granules ever handed out or ready; records exist below it
  struct hz_granule *granules; // [end]
};
extern HZ_HIDDEN struct hz_arena hz_arena;

// Relaxed: see above; writer: growth, under the lock.
HZ_INLINE uint64_t hz_arena_end(void) {
  return hz_load_relaxed(&hz_arena.end);
}

// The granule number of an address, >= hz_arena.end when it is not ours.
HZ_INLINE uint64_t hz_granule_of(const void *p) {
  return ((uintptr_t)p - hz_arena.base) >> HZ_GRANULE_SHIFT;
}
HZ_INLINE void *hz_granule_address(uint64_t granule) {
  return (void *)(hz_arena.base + (granule << HZ_GRANULE_SHIFT));
}

struct hz_arena_config {
  size_t side_bytes;         // per granule, of the generation's own descriptors (0 = none)
  uint32_t purge_delay_ms;   // free runs older than this are purged by the next tick; 0 = at once
  bool huge_pages;           // adaptive huge pages
  size_t memory_limit_bytes; // 0 = none; runs + metadata above it are refused
};

// Effect: reserves window and metadata; the largest window the system allows (16 TiB down to 64
// MiB; under RLIMIT_AS addresses are mapped only as they are needed). Idempotent is not: call once,
// before any other function. Returns: false when not even the smallest is to be had; then every
// hz_run_alloc looks again.
bool hz_arena_init(const struct hz_arena_config *config);

// The generation's descriptors: side_bytes for each granule, committed below `end`, zeroed before
// its granule is handed out for the first time and never touched by the arena afterwards; aligned
// to the largest power of two (up to the page) that divides side_bytes.
extern HZ_HIDDEN unsigned char *hz_arena_side;

struct hz_run {
  uint64_t granule;
  uint64_t count;
  bool zeroed; // every byte reads as zero: fresh from the OS or purged
};

// Effect: hands out `count` adjacent granules, readable and writable, whose first is a multiple of
// `align` granules from address 0 (align a power of two; 1 = any). Prefers dirty (resident) runs,
// the smallest that fits, the lowest of equals; then clean ones; then grows. Records have tag NONE.
// Returns: false when memory, the window or the memory limit is exhausted. Keeps errno.
bool hz_run_alloc(uint64_t count, uint64_t align, struct hz_run *out);

// Effect: as hz_run_alloc, but only a free run whose first `filled` granules are resident: who
// writes there meets no page fault. Returns: false when there is none; nothing is grown or purged.
bool hz_run_alloc_filled(uint64_t count, uint64_t filled, struct hz_run *out);

// Returns: how many granules the program has given back and come back for of late (purge.c); so
// much it will be allowed to keep.
uint64_t hz_runs_returned(void);

// Effect: `count` neighbouring blocks from `block` on, which read as zero because they were never
// handed out, are about to be: where the program writes what it gets (ahead.c) their pages, and
// those of the span up to the next few, may be made resident in one call (a system call: hold no
// lock). Nothing that can be read changes. Requires: the caller holds the blocks, and the granules
// up to the end of their span; their class has another span, or what many classes would not use is
// a good part of a small heap.
void hz_run_ahead(const void *block, unsigned count, size_t block_bytes);

// Effect: takes a run back (or the part of one: any granules that the caller holds). Sets its
// records to tag NONE. Merges with free neighbours. May purge other runs (system calls): hold no
// lock. What stays resident among free runs is bounded: at most 1 MiB (up to 24 MiB while
// much is used), plus what the program is likely to take again (purge.c); the rest is purged at
// once, oldest first.
void hz_run_free(uint64_t granule, uint64_t count);
// The same for n runs (1 at least) of `count` granules each: the lock is taken once.
void hz_runs_free(const uint64_t *granules, unsigned n, uint64_t count);
// The same by a caller who takes a run next: nothing is purged before.
void hz_run_free_for_next(uint64_t granule, uint64_t count);
// The same for a run whose pages hold nothing any more (its caller purged it).
void hz_run_free_purged(uint64_t granule, uint64_t count);
// The same for a run into or out of which pages were moved (hz_os_move_pages). Moved pages are a
// mapping of their own that never joins its neighbours again, and mappings are few
// (vm.max_map_count): the run is mapped afresh.
void hz_run_free_moved(uint64_t granule, uint64_t count);

// Effect: requests for huge pages in a run that is out are withdrawn, so that it is one mapping as
// far as it was one: pages are moved only out of one mapping.
void hz_run_unify(uint64_t granule, uint64_t count);

// Effect: so many granules of runs that are out hold no memory from now on (negative: no more so):
// their holder purged them and keeps nothing but their addresses. They are used, but they count
// neither under the memory limit nor where a share of what is used may stay resident.
void hz_runs_note_empty(int64_t granules);

// Effect: the run [granule, granule+count) grows to new_count in place if the granules behind it
// are free or not yet handed out. Their records have tag NONE, their content is anything. Returns:
// false when they are not to be had; then nothing has changed. Keeps errno.
bool hz_run_extend(uint64_t granule, uint64_t count, uint64_t new_count);

// Effect: purges free runs that have been free for longer than the delay; a few microseconds when
// there is nothing to do. Called by generations at batch boundaries with the time they already
// have.
void hz_runs_tick(uint64_t now_ms);
// Effect: purges every free run now. Returns: bytes given back.
size_t hz_runs_purge_all(void);

// Memory for metadata: zeroed, aligned to `align` (power of two, up to a page), never given back;
// callers keep their own free lists. Between guard pages. Returns NULL when the OS refuses.
void *hz_meta_alloc(size_t bytes, size_t align);

// Returns: of the pages of granules whose tag is a class, the part that is resident, in 4096ths
// (4..4096; 4096 when there are too few to tell). A sample of some dozens of system calls: hold no
// lock, and do not call it often. For bounds on what caches hold: blocks that a program never
// touches, or touches at their edges, cost addresses and not memory.
#define HZ_RESIDENT_WHOLE 4096u
uint32_t hz_arena_resident_share(void);

struct hz_arena_stats {
  size_t window_bytes; // addresses reserved (or set aside, when mapped as needed)
  size_t grown_bytes;  // ever handed out: end * 64 KiB
  size_t used_bytes;   // in runs that are out
  size_t peak_used_bytes;
  size_t free_dirty_bytes; // free and resident
  size_t free_clean_bytes; // free and purged
  size_t meta_bytes;       // metadata committed
  size_t huge_bytes;       // asked to be huge
  bool mapped_as_needed;   // the window could not be reserved as a whole
};
void hz_arena_stats_read(struct hz_arena_stats *out);

// Whether every invariant holds (see state.h). Slow: for debug builds and tests. Takes the lock.
bool hz_arena_is_valid(void);

// fork: taken before, released after in the parent, reset in the child.
void hz_arena_before_fork(void);
void hz_arena_after_fork_parent(void);
void hz_arena_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ_COMMON_ARENA_ARENA_H_
