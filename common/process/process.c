// The gate of initialisation, thread exit and fork.
#include "common/process/process.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fail/check.h"

// 0 not begun → 1 running (owner known) → 2 ready; only forward.
uint32_t hz_process_state;

static uint32_t gate_owner; // thread id of the one that runs init; written before anybody can wait
static struct hz_process_hooks hooks;
static pthread_key_t exit_key;
static uint32_t exit_key_ready;
static void *early_cache; // of the initial thread, until the key exists

static uint32_t thread_id(void) {
  return (uint32_t)syscall(SYS_gettid);
}

static void futex(uint32_t *word, int op, uint32_t value) {
  syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void gate_run(const struct hz_process_hooks *h) {
  // Relaxed: only this thread can find its own id here; others compare against theirs.
  hz_store_relaxed(&gate_owner, thread_id());
  hooks = *h;
  h->init();
  // Release: all that init wrote; partner: the acquires in hz_process_ready and hz_process_enter.
  hz_store_release(&hz_process_state, 2u);
  futex(&hz_process_state, FUTEX_WAKE, INT32_MAX);
}

bool hz_process_enter(const struct hz_process_hooks *h) {
  if (hz_process_ready())
    return true;
  int saved_errno = errno;
  uint32_t seen = 0;
  bool entered = true;
  // Acquire on failure: seen == 2 must bring what init wrote (release in gate_run).
  if (hz_cas_acquire(&hz_process_state, &seen, 1u)) {
    gate_run(h);
  } else if (seen == 1 && hz_load_relaxed(&gate_owner) == thread_id()) {
    entered = false;
  } else {
    while (hz_load_acquire(&hz_process_state) != 2)
      futex(&hz_process_state, FUTEX_WAIT, 1u);
  }
  errno = saved_errno;
  return entered;
}

static void on_thread_exit(void *cache) {
  hooks.thread_exit(cache);
}

bool hz_thread_arm(void *cache) {
  // Acquire: exit_key was written before the flag; partner: release in hz_process_libc_ready.
  if (hz_load_acquire(&exit_key_ready))
    return pthread_setspecific(exit_key, cache) == 0;
  // Before libc is ready there is one thread, so a plain store will do.
  early_cache = cache;
  return true;
}

void hz_process_libc_ready(void) {
  if (hz_load_acquire(&exit_key_ready))
    return;
  if (pthread_key_create(&exit_key, on_thread_exit) == 0) {
    hz_store_release(&exit_key_ready, 1u); // partner: acquire in hz_thread_arm
    if (early_cache)
      (void)pthread_setspecific(exit_key, early_cache);
  }
  // Registered in a constructor of a library that is loaded first: of all fork handlers our
  // `before` runs last and our `after` first, so that other handlers may allocate.
  (void)pthread_atfork(hooks.before_fork, hooks.after_fork_parent, hooks.after_fork_child);
}
