// What the statistics functions of the surface say, from one struct hz_stats; the same for every
// generation.
//
// Owns: the texts. Thread rule: any thread. Only hz_stats_write_xml touches stdio, on a stream that
// the program gave; nothing here allocates by itself. Hold no lock.
#ifndef HZ_COMMON_ABI_REPORT_H_
#define HZ_COMMON_ABI_REPORT_H_

#include "common/abi/stats.h"
#include "common/base/units.h"

#include <stdio.h>

HZ_EXTERN_C_BEGIN

// Effect: errno = ENOMEM. Returns: NULL.
void *hz_abi_no_memory(void);
// Effect: errno = EINVAL. Returns: NULL.
void *hz_abi_bad_argument(void);

// The figures of mallinfo2. Equations: arena == uordblks + fordblks; hblkhd == live_large_bytes;
// uordblks + hblkhd == live_bytes; what the program could get without asking the OS is in fordblks,
// what malloc_trim could give back in keepcost.
struct hz_mallinfo {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
void hz_stats_mallinfo(const struct hz_stats *s, struct hz_mallinfo *out);

// What malloc_stats says, on a descriptor, without stdio.
void hz_stats_write_text(int fd, const struct hz_stats *s);

// What malloc_info says: glibc's elements with glibc's meaning, then ours.
void hz_stats_write_xml(FILE *out, const struct hz_stats *s);

// The pairs of `observe`: one line for each tag, "[TAG] KEY=value KEY=value ...".
void hz_stats_write_pairs(int fd, const struct hz_stats *s);
// The line of the OS calls for a tag such as "HZ4_OS_STATS": the system calls (mmap, munmap,
// madvise, mprotect, mremap), how many of them failed, then each kind of os.h with its failures and
// bytes.
void hz_stats_write_os_calls(int fd, const char *tag, const struct hz_stats *s);

// mallopt. Returns 1 for what holds here: the names that tune glibc's inner limits (M_MXFAST,
// M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_TEST, M_ARENA_MAX) are hints
// about mechanisms that do not exist here, so nothing can violate them; programs that check the
// result treat 0 as a fault. M_CHECK_ACTION holds when it asks for a message and an abort, which is
// what always happens. Returns 0 for what we would not do: M_PERTURB other than 0, a check action
// that lets a damaged program go on, a negative fast limit, and names that nobody knows.
int hz_abi_mallopt(int name, int value);

// new_handler.cc, for operator new whose allocation failed.
// Effect: calls the program's new handler if there is one. Returns: true when it ran, so that
// another attempt makes sense; false when there is none, or (may_throw false) when it threw. With
// may_throw and no handler throws std::bad_alloc, or ends the program where no C++ runtime is
// linked.
bool hz_new_handler_run(size_t bytes, bool may_throw);

HZ_EXTERN_C_END

#endif // HZ_COMMON_ABI_REPORT_H_
