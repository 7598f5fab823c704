// Fail fast: one line on stderr that names fault, pointer and public function; then abort.
//
//   hz4: double free: 0x7f12a0010040 passed to free (48-byte block), thread 4242
//
// Owns: the text and the way out. Thread rule: any thread, any state, with any lock held; it
// neither allocates nor takes a lock nor uses stdio; correct with stderr closed. Does not return.
#ifndef HZ_COMMON_FAIL_FAIL_H_
#define HZ_COMMON_FAIL_FAIL_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// The public function that a program called: the second half of every message.
enum hz_api {
  HZ_API_MALLOC,
  HZ_API_FREE,
  HZ_API_CALLOC,
  HZ_API_REALLOC,
  HZ_API_REALLOCARRAY,
  HZ_API_POSIX_MEMALIGN,
  HZ_API_ALIGNED_ALLOC,
  HZ_API_MEMALIGN,
  HZ_API_VALLOC,
  HZ_API_PVALLOC,
  HZ_API_USABLE_SIZE,
  HZ_API_FREE_SIZED,
  HZ_API_FREE_ALIGNED_SIZED,
  HZ_API_CFREE,
  HZ_API_NEW,
  HZ_API_NEW_ARRAY,
  HZ_API_DELETE,
  HZ_API_DELETE_ARRAY,
  HZ_API_MALLOC_TRIM,
  HZ_API_THREAD_EXIT,
  HZ_API_COUNT
};
const char *hz_api_name(enum hz_api api); // "free", "operator delete[]", "thread exit" ...

// The generation names itself once, before its first allocation. Requires: a string constant.
void hz_fail_set_generation(const char *name);
// HZx_ON_FAULT=backtrace: a raw backtrace (addresses with module and offset) follows the line.
void hz_fail_set_backtrace(bool on);

// Each fault has its own reporter. `bytes` is the block's size, 0 when unknown.
_Noreturn void hz_fail_double_free(const void *p, size_t bytes, enum hz_api api);
// Inside our memory, but not the start of a block that is out: interior, never handed out,
// metadata.
_Noreturn void hz_fail_invalid_free(const void *p, size_t bytes, enum hz_api api);
// Not from this allocator: stack, static, another mapping, unmapped.
_Noreturn void hz_fail_foreign_pointer(const void *p, enum hz_api api);
_Noreturn void hz_fail_size_mismatch(const void *p, size_t given, size_t actual, enum hz_api api);
// asked: what the program asked for, SIZE_MAX when that is not known any more; bytes: the block's.
_Noreturn void hz_fail_overflow(const void *p, size_t asked, size_t bytes, enum hz_api api);
_Noreturn void hz_fail_write_after_free(const void *p, size_t bytes, enum hz_api api);
// asked: as above.
_Noreturn void hz_fail_family_mismatch(const void *p, size_t asked, enum hz_api got,
                                       enum hz_api freed);
_Noreturn void hz_fail_corrupt(const void *p, const char *what); // "corrupt metadata"
_Noreturn void hz_fail_assert(const char *text, const char *file, int line);

// One line on stderr without allocating, not fatal (options' complaints). Writes "GEN: text\n".
void hz_warn(const char *text);

// A formatter for messages and statistics: %s %u(unsigned) %lu(uint64_t) %zu %x(hex u64) %p %%.
// Writes at most cap - 1 characters and a NUL. Returns: the length written. Async-signal-safe.
size_t hz_format(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Writes all bytes to a descriptor with write(2), through EINTR; errno kept.
void hz_write_all(int fd, const char *text, size_t bytes);

HZ_EXTERN_C_END

#endif // HZ_COMMON_FAIL_FAIL_H_
