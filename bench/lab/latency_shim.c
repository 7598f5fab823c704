/* liblatency.so: stands before the allocator in LD_PRELOAD and times one malloc and one free in
 * SAMPLE_EVERY.
 *
 * The histogram is log-linear (16 parts to a doubling: at most 6 % wide), shared by all threads,
 * touched only by sampled calls. At exit one line on stdout: LATENCY samples=… p50_ns=… … max_ns=…
 * latency_floor_ns=…, where latency_floor_ns is what two readings of the clock cost by themselves;
 * it is in every figure.
 *
 * Thread rule: any thread; the allocator behind it is found once, by whoever comes first. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A prime, so that a program's own rhythm does not decide which calls are seen. */
enum { SAMPLE_EVERY = 61, PARTS = 16, PARTS_LOG = 4, BUCKETS = 64 * PARTS, BOOT_BYTES = 65536 };

#define EXPORT __attribute__((visibility("default")))

typedef void *malloc_function(size_t);
typedef void free_function(void *);

static malloc_function *next_malloc;
static free_function *next_free;
static uint64_t buckets[BUCKETS];
static uint64_t longest_ticks;
static uint64_t start_ticks;
static uint64_t timer_ticks;
static struct timespec start_time;
static __thread unsigned countdown __attribute__((tls_model("initial-exec")));
static __thread unsigned is_resolving __attribute__((tls_model("initial-exec")));

/* What dlsym asks for while the allocator is being found. */
static _Alignas(16) char boot[BOOT_BYTES];
static size_t boot_used;

static inline uint64_t ticks(void) {
#if defined(__x86_64__)
  unsigned cpu;
  return __builtin_ia32_rdtscp(&cpu);
#else
  uint64_t value;
  __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
  return value;
#endif
}

static unsigned bucket_of(uint64_t value) {
  if (value < PARTS)
    return (unsigned)value;
  unsigned log = 63 - (unsigned)__builtin_clzll(value);
  return (log - PARTS_LOG + 1) * PARTS + (unsigned)(value >> (log - PARTS_LOG) & (PARTS - 1));
}

/* Returns: the largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket) {
  if (bucket < PARTS)
    return bucket;
  unsigned log = bucket / PARTS + PARTS_LOG - 1;
  return ((uint64_t)(PARTS + bucket % PARTS + 1) << (log - PARTS_LOG)) - 1;
}

static void record(uint64_t took) {
  /* Relaxed: counters, read after every thread is done. */
  __atomic_fetch_add(&buckets[bucket_of(took)], 1, __ATOMIC_RELAXED);
  uint64_t seen = __atomic_load_n(&longest_ticks, __ATOMIC_RELAXED);
  while (took > seen && !__atomic_compare_exchange_n(&longest_ticks, &seen, took, 1,
                                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    continue;
}

static void resolve(void) {
  is_resolving = 1;
  malloc_function *found_malloc = (malloc_function *)dlsym(RTLD_NEXT, "malloc");
  free_function *found_free = (free_function *)dlsym(RTLD_NEXT, "free");
  is_resolving = 0;
  /* Release; partners are the acquire loads in malloc and free. Whoever else resolves finds the
   * same. */
  __atomic_store_n(&next_free, found_free, __ATOMIC_RELEASE);
  __atomic_store_n(&next_malloc, found_malloc, __ATOMIC_RELEASE);
}

static void *boot_malloc(size_t bytes) {
  size_t at = __atomic_fetch_add(&boot_used, (bytes + 15) & ~(size_t)15, __ATOMIC_RELAXED);
  return at + bytes <= BOOT_BYTES ? boot + at : NULL;
}

static int is_sampled(void) {
  if (countdown-- != 0)
    return 0;
  countdown = SAMPLE_EVERY - 1;
  return 1;
}

EXPORT void *malloc(size_t bytes) {
  if (is_resolving)
    return boot_malloc(bytes);
  if (__atomic_load_n(&next_malloc, __ATOMIC_ACQUIRE) == NULL)
    resolve();
  if (!is_sampled())
    return next_malloc(bytes);
  uint64_t start = ticks();
  void *block = next_malloc(bytes);
  record(ticks() - start);
  return block;
}

EXPORT void free(void *block) {
  if ((char *)block >= boot && (char *)block < boot + BOOT_BYTES)
    return;
  if (__atomic_load_n(&next_free, __ATOMIC_ACQUIRE) == NULL) {
    if (is_resolving)
      return;
    resolve();
  }
  if (!is_sampled()) {
    next_free(block);
    return;
  }
  uint64_t start = ticks();
  next_free(block);
  record(ticks() - start);
}

static double ns_per_tick(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double ns =
      (double)(now.tv_sec - start_time.tv_sec) * 1e9 + (double)(now.tv_nsec - start_time.tv_nsec);
  return ns / (double)(ticks() - start_ticks);
}

static double percentile(uint64_t total, double share, double scale) {
  uint64_t wanted = (uint64_t)((double)total * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += buckets[i];
    if (seen > wanted) {
      uint64_t top = bucket_top(i);
      return (double)(top < longest_ticks ? top : longest_ticks) * scale;
    }
  }
  return (double)longest_ticks * scale;
}

__attribute__((constructor)) static void begin(void) {
  clock_gettime(CLOCK_MONOTONIC, &start_time);
  start_ticks = ticks();
  timer_ticks = UINT64_MAX;
  for (int i = 0; i < 1000; i++) {
    uint64_t start = ticks(), took = ticks() - start;
    timer_ticks = took < timer_ticks ? took : timer_ticks;
  }
}

__attribute__((destructor)) static void end(void) {
  char line[320];
  double scale = ns_per_tick();
  uint64_t total = 0;
  for (unsigned i = 0; i < BUCKETS; i++)
    total += buckets[i];
  if (total == 0)
    return;
  int n = snprintf(line, sizeof line,
                   "LATENCY samples=%llu p50_ns=%.1f p99_ns=%.1f p999_ns=%.1f p9999_ns=%.1f "
                   "max_ns=%.1f latency_floor_ns=%.1f\n",
                   (unsigned long long)total, percentile(total, 0.5, scale),
                   percentile(total, 0.99, scale), percentile(total, 0.999, scale),
                   percentile(total, 0.9999, scale), (double)longest_ticks * scale,
                   (double)timer_ticks * scale);
  if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) != n)
    return;
}
