// Restartable sequences (rseq, Linux 4.18; with the barrier 5.10): work on a CPU's own memory
// without a locked instruction, which would wait for every store that the program has under way.
//
// Owns: nothing. Does not own: the kernel's rseq area of a thread, which libc registers (glibc 2.35
// and later); of it only rseq_cs is written. Thread rule: any thread, signal handlers included; not
// the child of vfork, whose sequences on its parent's area nobody interrupts.
//
// A sequence reads the CPU's number, does its work and stores one word: that store is the commit. A
// thread that is preempted, migrated or interrupted by a signal before it begins again.
//
// A claim makes a word a lock that is only ever tried, by threads on one CPU:
//
//   claim    on another CPU, or word != 0 → refused;   COMMIT word = 1
//   leave    release store of 0, from whatever CPU the holder is on by now: nobody else writes to
//            a word that is claimed
//
// From another CPU the word is taken away, as google/tcmalloc stops a CPU's cache:
//
//   1  word: 0 → token, by a swap that compares     sequences that begin now are refused
//   2  hz_rseq_barrier                              every one that had read 0 has committed or died
//   3  word == token ?  it is ours, until a release store of 0
//      else             one had committed over the token in 1..2: nothing is ours
//
// ABA: a token is used once (hz_rseq_token), so a word that was claimed, left and taken away by a
// third thread in 1..3 does not hold it.
#ifndef HZ_COMMON_RSEQ_RSEQ_H_
#define HZ_COMMON_RSEQ_RSEQ_H_

#include "common/base/units.h"

#if defined(__x86_64__)
#include "common/rseq/frame_x86_64.h"
#elif defined(__aarch64__)
#include "common/rseq/frame_aarch64.h"
#else
#error "the restartable sequences of x86-64 and aarch64 are known"
#endif

HZ_EXTERN_C_BEGIN

// Returns: whether libc registers threads; *area: where, from the thread pointer (below: `area`).
bool hz_rseq_area(uintptr_t *area);

// frame_*.h:
//   unsigned hz_rseq_cpu(uintptr_t area)   the thread's CPU; as an int negative: not registered
//   bool hz_rseq_claim(uintptr_t area, unsigned cpu, uint32_t *word)   see above

// Effect: registers the process for the barrier; again in a forked child. Returns: false where the
// kernel has none.
bool hz_rseq_barrier_register(void);
// Effect: every sequence that runs on the CPU (hz_rseq_barrier_all: on any) has committed or will
// start again, and what those that committed stored is seen. A system call: a microsecond or two,
// and an interrupt on CPUs that run this process. Returns: false where the kernel refuses.
bool hz_rseq_barrier(unsigned cpu);
bool hz_rseq_barrier_all(void);

// Returns: a number other than 0 and 1, not used before (of 2^31).
uint32_t hz_rseq_token(void);

HZ_EXTERN_C_END

#endif // HZ_COMMON_RSEQ_RSEQ_H_
