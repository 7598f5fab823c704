// Which front end serves a thread: a cache of its own while there are few threads, the CPUs' caches
// once threads outnumber CPUs.
//
// A cache of its own is the shorter path (no sequence to announce); but sixteen threads on two CPUs
// then keep sixteen sets of blocks of which fourteen sleep. So a thread starts with its own, and
// changes over at its next slow path when threads are more than CPUs + 1 (the one that waits for
// the others), and back when they have not been more for half a second.
//
//   threads   <= CPUs + 1      more            <= CPUs + 1        ... half a second later
//   crowded   0                1               1                  0
//   new ones  a cache each     CPUs' caches    CPUs' caches       a cache each
//
// A thread that ends leaves its cache, as it is, to the next one that begins (front_thread.h): a
// successor works on where it stopped, on blocks that are near. For a few rounds of the tick; the
// last thread but one leaves nothing.
//
// Owns: the count of threads and the choice. Thread rule: any thread.
#ifndef HZ4_FRONT_H_
#define HZ4_FRONT_H_

#include "hz4/self.h"

HZ_EXTERN_C_BEGIN

enum hz4_front_mode { HZ4_FRONT_AUTO, HZ4_FRONT_THREAD, HZ4_FRONT_CPU };

struct hz4_front {
  uint32_t crowded;  // threads shall use the CPUs' caches; only ever set where these exist
  uint32_t threads;  // alive that have allocated
  uint32_t limit;    // threads with caches of their own
  uint32_t mode;     // enum hz4_front_mode
  uint64_t crowd_ms; // when threads were last more than the limit
};
extern HZ_HIDDEN struct hz4_front hz4_front;

// Effect: chooses; makes the CPUs' caches where they are wanted and to be had.
void hz4_front_init(enum hz4_front_mode mode);

// Effect: the calling thread has bins from now on, of either kind. At its first slow path.
void hz4_front_enter(void);
// Effect: a thread that has a cache of its own gives it up for the CPUs', or the other way round.
void hz4_front_change_over(void);
// Effect: the calling thread has none any more. At its exit.
void hz4_front_leave(void);
// Effect: the empty magazines that the calling thread's cache, or its CPU's, keeps are anybody's.
// When memory is short: bits of spans lie in such pieces.
void hz4_front_spares_put(void);
// Effect: a crowd that is gone for half a second is no crowd any more.
void hz4_front_tick(uint64_t now_ms);
// In a forked child: the calling thread is the only one.
void hz4_front_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ4_FRONT_H_
