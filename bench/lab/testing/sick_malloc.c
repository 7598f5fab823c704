/* Allocators with a known sickness, to prove that the lab sees it. They hand every request on to
 * the C library.
 *
 * SICK_DEAD_LOCK: after SICK_AFTER calls two locks are taken in opposite orders by different
 * threads. SICK_LIVE_LOCK: after SICK_AFTER calls every thread waits, spinning, for another to go
 * first. SICK_SLOW: every malloc also counts to SICK_LOOPS: a handicap of known size. SICK_CRASH:
 * after SICK_AFTER calls it aborts. The modes are macros, 0 or 1, and always defined. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void __libc_free(void *block);

#define EXPORT __attribute__((visibility("default")))

static unsigned long calls;

#if SICK_DEAD_LOCK
static pthread_mutex_t lock[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

static void be_sick(unsigned long call) {
  unsigned first = call & 1;
  pthread_mutex_lock(&lock[first]);
  usleep(1000);
  pthread_mutex_lock(&lock[!first]); /* never returns once both orders are under way */
  pthread_mutex_unlock(&lock[!first]);
  pthread_mutex_unlock(&lock[first]);
}
#elif SICK_LIVE_LOCK
static void be_sick(unsigned long call) {
  volatile unsigned long turns = call;
  for (;;)
    turns++;
}
#elif SICK_CRASH
static void be_sick(unsigned long call) {
  if (call > 0)
    abort();
}
#elif !SICK_SLOW
#error "no sickness is chosen"
#endif

static inline void count(void) {
#if SICK_SLOW
  for (volatile unsigned i = 0; i < SICK_LOOPS; i++)
    continue;
#else
  /* Relaxed: only the number matters, not its order with anything. */
  unsigned long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  if (call > SICK_AFTER)
    be_sick(call);
#endif
}

EXPORT void *malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}

EXPORT void *calloc(size_t n, size_t bytes) {
  return __libc_calloc(n, bytes);
}
EXPORT void *realloc(void *block, size_t bytes) {
  return __libc_realloc(block, bytes);
}
EXPORT void free(void *block) {
  __libc_free(block);
}

unsigned long sick_calls(void);
EXPORT unsigned long sick_calls(void) {
  return calls;
}
