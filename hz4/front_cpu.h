// The front end of CPUs: the same bins, one set for each CPU, worked on by restartable sequences
// (rseq, Linux 4.18), so that sixteen threads on two CPUs keep two sets of blocks, not sixteen, and
// anybody can drain them.
//
// Owns: the CPUs' caches, the sequences, their draining. Does not own: the kernel's rseq area of a
// thread, which libc registers (glibc 2.35 and later); of it only rseq_cs is written.
// Thread rule: any thread that libc registered, signal handlers included.
//
// A sequence reads the CPU's number, the bin's word, does its work and stores the word: one store
// is the commit. A thread that is preempted, migrated or interrupted by a signal before the commit
// starts again from the beginning, so none is ever overtaken:
//
//   pop     top = bin; p = *top; p == NULL → slow;      COMMIT bin = top - 1
//   push    top = bin; top full  → slow; top[1] = p;     COMMIT bin = top + 1
//   swap    old = word; old == STOPPED → refused;        COMMIT word = new         (slow path only)
//   stack   STOPPED → refused; new.below = word;         COMMIT word = new         (slow path only)
//   unstack NULL, STOPPED → refused;                     COMMIT word = word.below  (slow path only)
//   add     sum = word + n;                              COMMIT word = sum         (slow path only)
//
// swap loads bins; stack, unstack and swap (for all of it) serve the second magazines of a class
// (prev), stack and unstack the spare ones, add the account with the depot. A slot above top that
// an aborted push has written is nobody's: the next push overwrites it. unstack may read a magazine
// that a drain has in hand; the drain waits for it (2) before it lets go of the memory, and the
// commit fails or comes first.
//
// Drain, by a thread on any CPU, for CPU k, of its bins, second magazines and spare ones:
//
//   1  old = exchange(word of k, STOPPED)   sequences on k that begin from now on see STOPPED: it
//                                           is empty and full, never swapped, and not NULL
//   2  membarrier(RSEQ, k)                  those that had read `old` have committed or died
//   3  word == STOPPED ?                    `old` is ours: nobody can have read it any more
//      else                                 one had committed over STOPPED in 1..2: `old` lives on
//                                           there or was taken, nothing is ours
//   4  word: STOPPED → NOTHING              it may be loaded again
//      (prev, spare: NULL)
//
// Bins of one drain are stopped together and share one membarrier. No lock is held meanwhile: a
// drain claims its CPU by one swap, and whoever finds it claimed goes on without. Idea of stopping:
// google/tcmalloc.
#ifndef HZ4_FRONT_CPU_H_
#define HZ4_FRONT_CPU_H_

#include "common/sync/atomic.h"
#include "hz4/cache.h"

#if defined(__x86_64__)
#include "hz4/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "hz4/rseq_aarch64.h"
#else
#error "hz4 knows the restartable sequences of x86-64 and aarch64"
#endif

HZ_EXTERN_C_BEGIN

struct hz4_cpus {
  uintptr_t area_offset; // of the thread's rseq area from its thread pointer
  uintptr_t tagged;      // address of the caches + 1, for hz4_self.cache; 0: not to be had
  unsigned count;        // CPUs that the kernel may ever number
};
extern HZ_HIDDEN struct hz4_cpus hz4_cpus;

// The hot path. `tagged` is hz4_self.cache.
HZ_INLINE void *hz4_cpu_pop(uintptr_t tagged, intptr_t bin) {
  return hz4_rseq_pop(hz4_cpus.area_offset, tagged, bin);
}
// Returns: false when the bin is full, or its last block is p.
HZ_INLINE bool hz4_cpu_push(uintptr_t tagged, intptr_t bin, void *p) {
  return hz4_rseq_push(hz4_cpus.area_offset, tagged, bin, p);
}

// Slow paths.
void *hz4_cpu_miss(unsigned cls);
void hz4_cpu_overflow(unsigned cls, void *p);

// Effect: makes the caches and registers with membarrier. Returns: whether CPUs' caches are to be
// had: libc registers rseq, and the kernel has the barrier for it.
bool hz4_cpu_init(void);
// The cache of the CPU we are on, or were on a moment ago.
struct hz4_cache *hz4_cpu_here(void);
// Effect: the empty magazines of this CPU are anybody's.
void hz4_cpu_spares_put(void);
// Whether the kernel keeps this thread's rseq area.
bool hz4_cpu_thread_is_registered(void);
// Whether p is the last block freed into this CPU's bin (for the fault's sake; a hint).
bool hz4_cpu_top_is(unsigned cls, const void *p);

// Effect: empties the caches of CPUs without an exchange for idle_ms. Returns: bytes.
size_t hz4_cpu_drain_idle(uint64_t now_ms, uint64_t idle_ms);
size_t hz4_cpu_drain_all(void);

void hz4_cpu_caches_each(void (*visit)(struct hz4_cache *c, void *context), void *context);

// fork: a drain may be under way in the parent; the child opens what it had stopped.
void hz4_cpu_after_fork_child(void);

HZ_EXTERN_C_END

#endif // HZ4_FRONT_CPU_H_
