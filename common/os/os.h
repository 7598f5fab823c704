// The operating system's memory, and nothing else of it: the only memory system calls of an
// allocator.
//
// Owns: the calls, their counters, the page size, the state of transparent huge pages, the seam
// through which tests make calls fail. Does not own: any address; callers do.
// Thread rule: every function may be called by any thread at any time; none takes a lock, none
// allocates, none changes errno. No lock of the caller may be held (fork handlers excepted).
// Failure: reported by the result, never fatal. Units: bytes; addresses and lengths are multiples
// of hz_os_page_bytes() unless a line says otherwise.
#ifndef HZ_COMMON_OS_OS_H_
#define HZ_COMMON_OS_OS_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// Returns: the kernel's page size (AT_PAGESZ; 4, 16 or 64 KiB), and of a transparent huge page (0:
// none).
size_t hz_os_page_bytes(void);
size_t hz_os_huge_page_bytes(void);

// Reserves addresses without memory behind them: PROT_NONE, not counted as committed.
// Requires: align a power of two >= page. Returns: address, or NULL when refused.
void *hz_os_reserve(size_t bytes, size_t align);

// Maps fresh zeroed memory exactly at `at` if no mapping is there (MAP_FIXED_NOREPLACE; on kernels
// before 4.17 by hint and comparison). Returns: false when refused or occupied.
bool hz_os_map_at(void *at, size_t bytes);

// Makes part of a reservation readable and writable. Returns: false when the kernel refuses memory.
bool hz_os_commit(void *at, size_t bytes);
// Gives memory and access back, keeps the addresses: replaced by a fresh PROT_NONE mapping.
bool hz_os_decommit(void *at, size_t bytes);

// Gives memory back, keeps access; the next read finds zeroes (MADV_DONTNEED).
bool hz_os_purge(void *at, size_t bytes);
// Like purge, at the kernel's leisure; content is undefined until written (MADV_FREE).
bool hz_os_purge_lazily(void *at, size_t bytes);

// Unmaps. Addresses may be anybody's afterwards.
bool hz_os_release(void *at, size_t bytes);

// Moves the pages of [from, from+bytes) to the committed range at `to` without copying; `from`
// stays reserved, its content reads as zeroes or is inaccessible until committed again. Returns:
// false when it cannot be done; then nothing has changed and the caller copies.
bool hz_os_move_pages(void *from, void *to, size_t bytes);

// Makes a stand-alone mapping / grows or moves it (mremap MAYMOVE) / for blocks outside the arena.
void *hz_os_map(size_t bytes, size_t align);
void *hz_os_remap(void *at, size_t old_bytes, size_t new_bytes);

// Asks for (or against) huge pages in a committed range. Quietly false where the kernel has none.
bool hz_os_huge(void *at, size_t bytes, bool on);
// Makes pages resident now (MADV_POPULATE_WRITE). Quietly false where the kernel lacks it.
bool hz_os_populate(void *at, size_t bytes);
// Returns: how many of the first pages of a range are resident, 0 when the kernel does not tell
// (mincore). Not counted among the calls: it changes nothing.
#define HZ_OS_RESIDENT_MOST 512u
size_t hz_os_resident_pages(void *at, size_t bytes);
// Access for guard pages.
bool hz_os_protect_none(void *at, size_t bytes);

// Monotonic clock, about 5 ns, tick precision (CLOCK_MONOTONIC_COARSE). Units: milliseconds.
uint64_t hz_os_now_ms(void);
// Returns: on how many CPUs this process may run, as of now; at least 1.
unsigned hz_os_cpus_allowed(void);
// Processor time of this thread, the kernel's on its behalf included. Units: nanoseconds.
uint64_t hz_os_thread_ns(void);
// Up to 256 random bytes; never blocks; weaker sources are used where getrandom is refused.
void hz_os_random(void *out, size_t bytes);

// Calls so far, by kind. Cold, so always counted (relaxed adds: totals, nothing depends on order).
enum hz_os_call {
  HZ_OS_CALL_RESERVE,
  HZ_OS_CALL_MAP,
  HZ_OS_CALL_COMMIT,
  HZ_OS_CALL_DECOMMIT,
  HZ_OS_CALL_PURGE,
  HZ_OS_CALL_PURGE_LAZILY,
  HZ_OS_CALL_RELEASE,
  HZ_OS_CALL_REMAP,
  HZ_OS_CALL_HUGE,
  HZ_OS_CALL_POPULATE,
  HZ_OS_CALL_PROTECT,
  HZ_OS_CALL_KINDS
};
struct hz_os_stats {
  uint64_t calls[HZ_OS_CALL_KINDS];
  uint64_t failures[HZ_OS_CALL_KINDS];
  uint64_t bytes[HZ_OS_CALL_KINDS];
};
void hz_os_stats_read(struct hz_os_stats *out);
const char *hz_os_call_name(enum hz_os_call kind);

// The seam of tests. Every call above asks this function first; when it returns true the call fails
// with ENOMEM without reaching the kernel. Here it is a weak "no" that a program replaces by
// linking os_seam: the code of a test and of a release is the same, and a release has no pointer to
// overwrite and no name to hook from outside.
HZ_HIDDEN bool hz_os_seam_fails(enum hz_os_call kind, size_t bytes);
#if HZ_OS_SEAM
// What //common/os:os_seam asks; NULL (the default) lets every call through.
extern bool (*hz_os_seam)(enum hz_os_call kind, size_t bytes);
#endif

HZ_EXTERN_C_END

#endif // HZ_COMMON_OS_OS_H_
