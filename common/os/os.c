// See os.h. Every memory system call of an allocator is in this file, raw (os/syscall.h), so errno
// is never touched and no replaced wrapper of libc can call back into malloc.
#include "common/os/os.h"

#include "common/base/bits.h"
#include "common/os/syscall.h"
#include "common/sync/atomic.h"

#include <fcntl.h>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

// Constants that headers older than the kernels we run on may lack.
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define HZ_OS_GRND_NONBLOCK 1
#define HZ_OS_GRND_INSECURE 4

// ---- counters and seam ----

// Totals only, nothing is ordered by them: relaxed adds, relaxed reads.
static struct hz_os_stats os_totals;

static void count(enum hz_os_call kind, size_t bytes, bool succeeded) {
  hz_add_relaxed(&os_totals.calls[kind], 1);
  if (succeeded)
    hz_add_relaxed(&os_totals.bytes[kind], bytes);
  else
    hz_add_relaxed(&os_totals.failures[kind], 1);
}

__attribute__((weak)) bool hz_os_seam_fails(enum hz_os_call kind, size_t bytes) {
  (void)kind;
  (void)bytes;
  return false;
}

// Returns: whether a test wants this call to fail; it is then counted as a failed call.
static bool seam_fails(enum hz_os_call kind, size_t bytes) {
  if (!hz_os_seam_fails(kind, bytes))
    return false;
  count(kind, bytes, false);
  return true;
}

void hz_os_stats_read(struct hz_os_stats *out) {
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    out->calls[kind] = hz_load_relaxed(&os_totals.calls[kind]);
    out->failures[kind] = hz_load_relaxed(&os_totals.failures[kind]);
    out->bytes[kind] = hz_load_relaxed(&os_totals.bytes[kind]);
  }
}

const char *hz_os_call_name(enum hz_os_call kind) {
  static const char *const names[HZ_OS_CALL_KINDS] = {
      "reserve", "map",   "commit", "decommit", "purge",   "purge_lazily",
      "release", "remap", "huge",   "populate", "protect",
  };
  return (unsigned)kind < HZ_OS_CALL_KINDS ? names[kind] : "unknown";
}

// ---- page sizes ----

size_t hz_os_page_bytes(void) {
  static size_t cached;
  size_t bytes = hz_load_relaxed(&cached); // relaxed: every thread computes the same value
  if (HZ_UNLIKELY(bytes == 0)) {
    bytes = getauxval(AT_PAGESZ);
    if (bytes == 0)
      bytes = 4096; // a kernel without auxiliary vector has the smallest page
    hz_store_relaxed(&cached, bytes);
  }
  return bytes;
}

// Reads at most cap - 1 bytes of a small file. Returns: the length, 0 when it cannot be read.
static size_t read_small_file(const char *path, char *out, size_t cap) {
  long fd = hz_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (hz_syscall_failed(fd))
    return 0;
  long got = hz_syscall3(SYS_read, fd, out, cap - 1);
  hz_syscall1(SYS_close, fd);
  size_t length = hz_syscall_failed(got) ? 0 : (size_t)got;
  out[length] = '\0';
  return length;
}

static size_t read_huge_page_bytes(void) {
  char text[64];
  if (read_small_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) == 0)
    return 0;
  for (const char *c = text; *c; c++)
    if (c[0] == '[' && c[1] == 'n') // [never]
      return 0;
  if (read_small_file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof text) == 0)
    return 0;
  size_t bytes = 0;
  for (const char *c = text; *c >= '0' && *c <= '9'; c++)
    bytes = bytes * 10 + (size_t)(*c - '0');
  return hz_is_pow2(bytes) ? bytes : 0;
}

size_t hz_os_huge_page_bytes(void) {
  static size_t cached_plus_one;
  size_t plus_one = hz_load_relaxed(&cached_plus_one); // relaxed: as in hz_os_page_bytes
  if (plus_one == 0) {
    plus_one = read_huge_page_bytes() + 1;
    hz_store_relaxed(&cached_plus_one, plus_one);
  }
  return plus_one - 1;
}

// ---- mappings ----

static void *kernel_mmap(void *at, size_t bytes, int protection, int flags) {
  long result = hz_syscall6(SYS_mmap, (long)at, (long)bytes, protection,
                            MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return hz_syscall_failed(result) ? NULL : (void *)result;
}

static void release_part(uintptr_t from, uintptr_t to) {
  if (from == to)
    return;
  long result = hz_syscall2(SYS_munmap, from, to - from);
  count(HZ_OS_CALL_RELEASE, to - from, !hz_syscall_failed(result));
}

// One mapping of `bytes` at a multiple of `align`: at first as the kernel likes it, then with slack
// that is cut off again.
static void *map_aligned(enum hz_os_call kind, size_t bytes, size_t align, int protection,
                         int flags) {
  if (seam_fails(kind, bytes))
    return NULL;
  size_t page = hz_os_page_bytes();
  size_t slack = align > page ? align - page : 0;
  size_t padded;
  if (bytes == 0 || __builtin_add_overflow(bytes, slack, &padded) || padded > PTRDIFF_MAX) {
    count(kind, bytes, false);
    return NULL;
  }
  void *at = kernel_mmap(NULL, bytes, protection, flags);
  count(kind, bytes, at != NULL);
  if (!at || hz_is_aligned((uintptr_t)at, align))
    return at;
  release_part((uintptr_t)at, (uintptr_t)at + bytes);

  at = kernel_mmap(NULL, padded, protection, flags);
  count(kind, padded, at != NULL);
  if (!at)
    return NULL;
  uintptr_t begin = (uintptr_t)at, aligned = hz_align_up(begin, align);
  release_part(begin, aligned);
  release_part(aligned + bytes, begin + padded);
  return (void *)aligned;
}

void *hz_os_reserve(size_t bytes, size_t align) {
  return map_aligned(HZ_OS_CALL_RESERVE, bytes, align, PROT_NONE, MAP_NORESERVE);
}

void *hz_os_map(size_t bytes, size_t align) {
  return map_aligned(HZ_OS_CALL_MAP, bytes, align, PROT_READ | PROT_WRITE, 0);
}

bool hz_os_map_at(void *at, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_MAP, bytes))
    return false;
  void *got = kernel_mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
  count(HZ_OS_CALL_MAP, bytes, got == at);
  if (got && got != at) // a kernel before 4.17 took the address for a hint
    release_part((uintptr_t)got, (uintptr_t)got + bytes);
  return got == at;
}

bool hz_os_commit(void *at, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_COMMIT, bytes))
    return false;
  long result = hz_syscall3(SYS_mprotect, at, bytes, PROT_READ | PROT_WRITE);
  count(HZ_OS_CALL_COMMIT, bytes, !hz_syscall_failed(result));
  return !hz_syscall_failed(result);
}

bool hz_os_decommit(void *at, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_DECOMMIT, bytes))
    return false;
  void *got = kernel_mmap(at, bytes, PROT_NONE, MAP_FIXED | MAP_NORESERVE);
  count(HZ_OS_CALL_DECOMMIT, bytes, got == at);
  return got == at;
}

bool hz_os_release(void *at, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_RELEASE, bytes))
    return false;
  long result = hz_syscall2(SYS_munmap, at, bytes);
  count(HZ_OS_CALL_RELEASE, bytes, !hz_syscall_failed(result));
  return !hz_syscall_failed(result);
}

bool hz_os_protect_none(void *at, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_PROTECT, bytes))
    return false;
  long result = hz_syscall3(SYS_mprotect, at, bytes, PROT_NONE);
  count(HZ_OS_CALL_PROTECT, bytes, !hz_syscall_failed(result));
  return !hz_syscall_failed(result);
}

// ---- pages ----

static bool advise(enum hz_os_call kind, void *at, size_t bytes, int advice) {
  if (seam_fails(kind, bytes))
    return false;
  long result = hz_syscall3(SYS_madvise, at, bytes, advice);
  count(kind, bytes, !hz_syscall_failed(result));
  return !hz_syscall_failed(result);
}

bool hz_os_purge(void *at, size_t bytes) {
  return advise(HZ_OS_CALL_PURGE, at, bytes, MADV_DONTNEED);
}

bool hz_os_purge_lazily(void *at, size_t bytes) {
  return advise(HZ_OS_CALL_PURGE_LAZILY, at, bytes, MADV_FREE);
}

bool hz_os_huge(void *at, size_t bytes, bool on) {
  return advise(HZ_OS_CALL_HUGE, at, bytes, on ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool hz_os_populate(void *at, size_t bytes) {
  return advise(HZ_OS_CALL_POPULATE, at, bytes, MADV_POPULATE_WRITE);
}

size_t hz_os_resident_pages(void *at, size_t bytes) {
  unsigned char pages[HZ_OS_RESIDENT_MOST];
  size_t count = hz_min(bytes / hz_os_page_bytes(), sizeof pages), resident = 0;
  if (hz_syscall_failed(hz_syscall3(SYS_mincore, at, count * hz_os_page_bytes(), pages)))
    return 0;
  for (size_t i = 0; i < count; i++)
    resident += pages[i] & 1;
  return resident;
}

// ---- moving ----

static void *kernel_mremap(void *from, size_t old_bytes, size_t new_bytes, int flags, void *to) {
  long result = hz_syscall5(SYS_mremap, from, old_bytes, new_bytes, MREMAP_MAYMOVE | flags, to);
  return hz_syscall_failed(result) ? NULL : (void *)result;
}

void *hz_os_remap(void *at, size_t old_bytes, size_t new_bytes) {
  if (seam_fails(HZ_OS_CALL_REMAP, new_bytes))
    return NULL;
  void *got = kernel_mremap(at, old_bytes, new_bytes, 0, NULL);
  count(HZ_OS_CALL_REMAP, new_bytes, got != NULL);
  return got;
}

// Two moves instead of one with MREMAP_FIXED: that one unmaps its target first and may then still
// refuse (a source of several mappings), leaving a hole in the arena for somebody else's mmap to
// land in. The first move goes where the kernel likes and changes nothing if it fails; what it made
// is a single mapping that only we know, which the second puts in place.
bool hz_os_move_pages(void *from, void *to, size_t bytes) {
  if (seam_fails(HZ_OS_CALL_REMAP, bytes))
    return false;
  void *between = kernel_mremap(from, bytes, bytes, MREMAP_DONTUNMAP, NULL);
  count(HZ_OS_CALL_REMAP, bytes, between != NULL);
  if (!between)
    return false; // a kernel before 5.7, several mappings, or no memory: the caller copies
  bool moved = kernel_mremap(between, bytes, bytes, MREMAP_FIXED, to) == to;
  count(HZ_OS_CALL_REMAP, bytes, moved);
  if (moved)
    return true;
  // Out of mappings between the two calls: bring the pages back, by copying if need be.
  __builtin_memcpy(from, between, bytes);
  release_part((uintptr_t)between, (uintptr_t)between + bytes);
  return false;
}

// ---- time, CPUs and chance ----

uint64_t hz_os_now_ms(void) {
  struct timespec now = {0, 0};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now); // through the vdso
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

unsigned hz_os_cpus_allowed(void) {
  uint64_t mask[128] = {0};
  long bytes = hz_syscall3(SYS_sched_getaffinity, 0, sizeof mask, mask);
  unsigned count = 0;
  for (long i = 0; i < bytes / 8; i++)
    count += (unsigned)__builtin_popcountll(mask[i]);
  return count ? count : 1;
}

uint64_t hz_os_thread_ns(void) {
  struct timespec now = {0, 0};
  hz_syscall2(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// One step of splitmix64 (Steele, Lea and Flood, 2014).
static uint64_t mix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// From what the kernel gave at exec (AT_RANDOM), the clock and our own addresses.
static void random_without_kernel(unsigned char *out, size_t bytes) {
  static uint64_t calls;
  struct timespec now = {0, 0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t state = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32 ^ (uintptr_t)&state;
  state += hz_add_relaxed(&calls, 1) << 48; // relaxed: only to differ
  const unsigned char *given = (const unsigned char *)getauxval(AT_RANDOM);
  for (unsigned i = 0; given && i < 16; i++)
    state = mix(&state) ^ given[i];
  for (size_t i = 0; i < bytes; i++)
    out[i] = (unsigned char)mix(&state);
}

void hz_os_random(void *out, size_t bytes) {
  unsigned char *at = out;
  static const int flags[] = {HZ_OS_GRND_NONBLOCK, HZ_OS_GRND_INSECURE};
  for (unsigned i = 0; i < 2 && bytes > 0; i++) {
    long got = hz_syscall3(SYS_getrandom, at, bytes, flags[i]);
    if (hz_syscall_failed(got))
      continue;
    at += got;
    bytes -= (size_t)got;
  }
  if (bytes > 0)
    random_without_kernel(at, bytes);
}
