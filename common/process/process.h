// The life of a process and of its threads, as an allocator meets it: first use, thread exit, fork.
//
// Owns: the gate of initialisation, the thread-exit key, the fork handlers' registration.
// Thread rule: any thread. Nothing here allocates on the way that a first malloc takes.
#ifndef HZ_COMMON_PROCESS_PROCESS_H_
#define HZ_COMMON_PROCESS_PROCESS_H_

#include "common/base/units.h"
#include "common/sync/atomic.h"

HZ_EXTERN_C_BEGIN

struct hz_process_hooks {
  // Runs once, inside the first malloc of the process or the library's constructor, whichever comes
  // first; must not allocate. A failure to get memory is for the first allocation to report.
  void (*init)(void);
  // Runs in the exiting thread with the value given to hz_thread_arm, after which the thread may
  // still allocate and free (other keys' destructors): it is then served without a cache.
  void (*thread_exit)(void *cache);
  // Around fork, in the forking thread. before: takes every lock in rank order.
  void (*before_fork)(void);
  void (*after_fork_parent)(void);
  void (*after_fork_child)(void);
};

extern uint32_t hz_process_state; // 2 = ready

// Effect: on return initialisation is complete. Other threads wait on a futex, never spin; the
// thread that runs init and re-enters returns false (it must be served without state, or fail).
bool hz_process_enter(const struct hz_process_hooks *hooks);

// Acquire: pairs with the release in hz_process_enter, so that what init wrote is seen.
HZ_INLINE bool hz_process_ready(void) {
  return hz_load_acquire(&hz_process_state) == 2;
}

// Effect: thread_exit will run with `cache` when this thread ends. Call with every cache created.
// Returns: false when the libc has no key left; the cache then must be found by other means.
bool hz_thread_arm(void *cache);

// Registers key and fork handlers; called by the library's constructor, after which libc is ready.
// Idempotent. Before it, hz_thread_arm remembers at most the initial thread's cache.
void hz_process_libc_ready(void);

HZ_EXTERN_C_END

#endif // HZ_COMMON_PROCESS_PROCESS_H_
