#include "hz4/front_cpu.h"

#include <fcntl.h>

#include "common/arena/arena.h"
#include "common/fail/check.h"
#include "common/os/syscall.h"
#include "hz4/exchange.h"

struct hz4_cpus hz4_cpus;

// As many CPUs as any kernel numbers; a table is made for those that this one may have.
#define CPUS_MAX 8192u

static struct hz4_cache *cache_of(unsigned cpu) {
  return (struct hz4_cache *)(hz4_cpus.tagged - 1 + ((uintptr_t)cpu << HZ4_CACHE_SHIFT));
}

// ---- the operations of exchange.h

struct hz4_cache *hz4_cpu_here(void) {
  unsigned cpu = hz_rseq_cpu(hz4_cpus.area_offset);
  return cache_of(cpu < hz4_cpus.count ? cpu : 0); // whichever: what is done to it is atomic
}

static void **exchange(unsigned cls, void **top) {
  return hz4_rseq_swap(hz4_cpus.area_offset, hz4_cpus.tagged, cls, top, HZ4_TOP_STOPPED);
}

// prev, spare and debt belong to sequences as the bins do, and not to atomic swaps: these wait for
// every store that the program has under way, which on a hand-over costs more than all the rest.
// Each works on the CPU it runs on, which may no longer be c's: as good.

static void **prev_take(struct hz4_cache *c, unsigned cls) {
  if (hz_load_relaxed(&c->prev[cls]) == NULL)
    return NULL;
  return hz4_rseq_unstack(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_PREV + cls,
                          HZ4_TOP_STOPPED);
}

static void **prev_take_all(struct hz4_cache *c, unsigned cls) {
  if (hz_load_relaxed(&c->prev[cls]) == NULL)
    return NULL;
  void **old = hz4_rseq_swap(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_PREV + cls, NULL,
                             HZ4_TOP_STOPPED);
  return old == HZ4_TOP_STOPPED ? NULL : old;
}

static bool prev_put(struct hz4_cache *c, unsigned cls, void **top) {
  (void)c;
  return hz4_rseq_stack(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_PREV + cls, top,
                        hz4_top_count(top), HZ4_TOP_STOPPED);
}

// Returns: one of the CPU's own spares, NULL when it has none.
static struct hz4_magazine *spare_pop(struct hz4_cache *c) {
  if (hz_load_relaxed(&c->spare) == NULL)
    return NULL;
  void **spare =
      hz4_rseq_unstack(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_SPARE, HZ4_TOP_STOPPED);
  return spare ? hz4_magazine_of(spare) : NULL;
}

void hz4_cpu_spares_put(void) {
  struct hz4_cache *c = hz4_cpu_here();
  for (struct hz4_magazine *m; (m = spare_pop(c)) != NULL;)
    hz4_magazine_put(m, c->shard);
}

static struct hz4_magazine *spare_get(struct hz4_cache *c) {
  struct hz4_magazine *m = spare_pop(c);
  return m ? m : hz4_magazine_get(c->shard);
}

static void spare_put(struct hz4_cache *c, struct hz4_magazine *m) {
  if (!hz4_spare_has_room(c) || !hz4_rseq_stack(hz4_cpus.area_offset, hz4_cpus.tagged,
                                                HZ4_WORD_SPARE, m->slot, 1, HZ4_TOP_STOPPED))
    hz4_magazine_put(m, c->shard);
}

static void owe(struct hz4_cache *c, int64_t bytes) {
  (void)c;
  int64_t debt = hz4_rseq_add(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_DEBT, bytes);
  if (HZ_UNLIKELY(hz4_depot_owes_much(debt))) {
    // By as much as was seen: what others on this CPU add meanwhile stays.
    hz4_rseq_add(hz4_cpus.area_offset, hz4_cpus.tagged, HZ4_WORD_DEBT, -debt);
    hz4_depot_settle(debt);
  }
}

static const struct hz4_front_ops cpu_ops = {
    hz4_cpu_here, exchange, prev_take, prev_take_all, prev_put, spare_get, spare_put, owe,
    SIZE_MAX, // who runs on the CPU next may go the other way
};

HZ_NOINLINE void *hz4_cpu_miss(unsigned cls) {
  return hz4_miss(&cpu_ops, cls);
}
HZ_NOINLINE void hz4_cpu_overflow(unsigned cls, void *p) {
  hz4_overflow(&cpu_ops, cls, p);
}

bool hz4_cpu_top_is(unsigned cls, const void *p) {
  void **top = hz_load_relaxed(&hz4_cpu_here()->top[cls]);
  return *top == p;
}

// ---- beginning

// Returns: one more than the highest number in a list such as "0-3,8-11\n"; 0 when it is none.
static unsigned count_of_list(const char *text, size_t length) {
  unsigned value = 0;
  size_t i = length;
  while (i > 0 && (text[i - 1] < '0' || text[i - 1] > '9'))
    i--;
  size_t end = i;
  while (i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9')
    i--;
  for (; i < end && value < CPUS_MAX; i++)
    value = value * 10 + (unsigned)(text[i] - '0');
  return end == 0 ? 0 : value + 1;
}

static unsigned possible_cpus(void) {
  char text[128];
  long fd = hz_syscall4(SYS_openat, AT_FDCWD, "/sys/devices/system/cpu/possible",
                        O_RDONLY | O_CLOEXEC, 0);
  if (!hz_syscall_failed(fd)) {
    long n = hz_syscall3(SYS_read, fd, text, sizeof text);
    hz_syscall1(SYS_close, fd);
    unsigned count = n > 0 && n < (long)sizeof text ? count_of_list(text, (size_t)n) : 0;
    if (count > 0 && count <= CPUS_MAX)
      return count;
  }
  // The kernel's own mask is as long as it numbers CPUs.
  uint64_t mask[CPUS_MAX / 64];
  long bytes = hz_syscall3(SYS_sched_getaffinity, 0, sizeof mask, mask);
  return bytes > 0 ? (unsigned)bytes * 8 : 0;
}

bool hz4_cpu_thread_is_registered(void) {
  // Negative: not registered, or the kernel refused.
  return (int)hz_rseq_cpu(hz4_cpus.area_offset) >= 0;
}

bool hz4_cpu_init(void) {
  if (!hz_rseq_area(&hz4_cpus.area_offset))
    return false;
  unsigned count = possible_cpus();
  if (count == 0 || !hz4_cpu_thread_is_registered() || !hz_rseq_barrier_register())
    return false;
  void *memory = hz_meta_alloc((size_t)count << HZ4_CACHE_SHIFT, HZ4_CACHE_BYTES);
  if (!memory)
    return false;
  hz4_cpus.count = count;
  hz4_cpus.tagged = (uintptr_t)memory + 1;
  for (unsigned cpu = 0; cpu < count; cpu++) {
    hz4_cache_init(cache_of(cpu));
    cache_of(cpu)->drained = true;
    cache_of(cpu)->shard = hz4_shard_of(cpu);
    cache_of(cpu)->set = cpu % HZ_CLASS_SETS;
  }
  return true;
}

// ---- draining: steps 1 to 4 of front_cpu.h

static void blocks_give(struct hz4_cache *c, unsigned cls, void **top, uint64_t now_ms,
                        size_t *bytes) {
  unsigned count = hz4_top_count(top);
  hz4_shared_leave(cls, c->shard, top + 1 - count, count, now_ms);
  hz4_magazine_put(hz4_magazine_of(top), c->shard);
  *bytes += count * hz_class_bytes(cls);
}

// The words that are drained: top[0] ..., prev[0] ... behind it, and spare.
enum { WORDS = HZ4_WORD_SPARE + 1 };
static void ***word_of(struct hz4_cache *c, unsigned word) {
  return hz4_bin(c, (intptr_t)word);
}
// What a word holds that holds no magazine.
static void **nothing_in(unsigned word) {
  return word < HZ4_WORD_PREV ? HZ4_TOP_NOTHING : NULL;
}

// Effect: the CPU's magazines that could be had, in taken[]; NULL where none.
static void words_take(unsigned cpu, void **taken[WORDS]) {
  struct hz4_cache *c = cache_of(cpu);
  for (unsigned word = 0; word < WORDS; word++) {
    taken[word] = NULL;
    if (hz_load_relaxed(word_of(c, word)) != nothing_in(word))
      // Acquire: the slots as sequences on that CPU left them, as far as they are seen by now; the
      // barrier below brings the rest.
      taken[word] = hz_exchange_acquire(word_of(c, word), HZ4_TOP_STOPPED);
  }
  bool done = hz_rseq_barrier(cpu);
  for (unsigned word = 0; word < WORDS; word++) {
    if (!taken[word])
      continue;
    void **stopped = HZ4_TOP_STOPPED;
    // Nobody but this thread changes a stopped word. Without the barrier nothing is ours: put it
    // back.
    void **next = done ? nothing_in(word) : taken[word];
    bool was_stopped = hz_cas_release(word_of(c, word), &stopped, next);
    hz4_observe_add(HZ4_SEEN_RESTARTS, !was_stopped);
    if (!was_stopped || !done)
      taken[word] = NULL;
  }
}

static size_t drain(unsigned cpu, uint64_t now_ms) {
  struct hz4_cache *c = cache_of(cpu);
  void **taken[WORDS];
  size_t bytes = 0;
  uint32_t idle = 0;
  // A claim, not a lock: nobody ever waits for it, fork neither. Acquire: the bins as the last
  // drainer left them; partner: the release below.
  if (!hz_cas_acquire(&c->draining, &idle, 1u))
    return 0;
  uint64_t began = hz4_timed_begin(HZ4_TIMED_DRAIN);
  hz_store_relaxed(&c->drained, true);
  words_take(cpu, taken);
  hz_store_release(&c->draining, 0u);
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    if (hz4_top_is_real(taken[cls]))
      blocks_give(c, cls, taken[cls], now_ms, &bytes);
    for (void **below, **top = taken[HZ4_WORD_PREV + cls]; hz4_top_is_real(top); top = below) {
      below = hz4_magazine_of(top)->below;
      blocks_give(c, cls, top, now_ms, &bytes);
    }
    hz4_cap_release(c, cls, hz_load_relaxed(&c->cap[cls]), 0);
  }
  for (void **below, **top = taken[HZ4_WORD_SPARE]; hz4_top_is_real(top); top = below) {
    below = hz4_magazine_of(top)->below;
    hz4_magazine_put(hz4_magazine_of(top), c->shard);
  }
  hz4_timed_end(HZ4_TIMED_DRAIN, began);
  hz4_observe_add(HZ4_SEEN_DRAINS, 1);
  hz4_observe_add(HZ4_SEEN_DRAIN_BYTES, bytes);
  return bytes;
}

size_t hz4_cpu_drain_idle(uint64_t now_ms, uint64_t idle_ms) {
  size_t bytes = 0;
  if (!hz4_cpus.tagged)
    return 0;
  for (unsigned cpu = 0; cpu < hz4_cpus.count; cpu++) {
    struct hz4_cache *c = cache_of(cpu);
    if (!hz_load_relaxed(&c->drained) && now_ms >= hz_load_relaxed(&c->last_ms) + idle_ms)
      bytes += drain(cpu, hz_load_relaxed(&c->last_ms));
  }
  return bytes;
}

size_t hz4_cpu_drain_all(void) {
  return hz4_cpu_drain_idle(UINT64_MAX, 0);
}

void hz4_cpu_caches_each(void (*visit)(struct hz4_cache *c, void *context), void *context) {
  for (unsigned cpu = 0; hz4_cpus.tagged && cpu < hz4_cpus.count; cpu++)
    visit(cache_of(cpu), context);
}

// ---- fork

// Effect: bins that a thread which is no more had stopped may be loaded again. What it had taken
// from them was in its hands and is lost, as with any thread that fork leaves behind: one CPU's
// bins at the most, and only where fork falls into the microseconds of a drain.
static void reopen(struct hz4_cache *c) {
  for (unsigned word = 0; word < WORDS; word++)
    if (hz_load_relaxed(word_of(c, word)) == HZ4_TOP_STOPPED)
      hz_store_relaxed(word_of(c, word), nothing_in(word));
  hz_store_relaxed(&c->draining, 0u);
}

void hz4_cpu_after_fork_child(void) {
  if (!hz4_cpus.tagged)
    return;
  for (unsigned cpu = 0; cpu < hz4_cpus.count; cpu++)
    reopen(cache_of(cpu));
  (void)hz_rseq_barrier_register(); // a new address space; where it fails, drains give up by
                                    // themselves
}
