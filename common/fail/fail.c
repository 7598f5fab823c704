// The lines of fail.h and the way out.
#include "common/fail/fail.h"

#include "common/fail/where.h"
#include "common/os/syscall.h"
#include "common/sync/atomic.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BYTES 512

static const char *generation = "malloc"; // written once, before the first allocation
static bool backtrace_wanted;             // likewise

void hz_fail_set_generation(const char *name) {
  generation = name;
}
void hz_fail_set_backtrace(bool on) {
  backtrace_wanted = on;
}

const char *hz_api_name(enum hz_api api) {
  static const char *const names[HZ_API_COUNT] = {
      [HZ_API_MALLOC] = "malloc",
      [HZ_API_FREE] = "free",
      [HZ_API_CALLOC] = "calloc",
      [HZ_API_REALLOC] = "realloc",
      [HZ_API_REALLOCARRAY] = "reallocarray",
      [HZ_API_POSIX_MEMALIGN] = "posix_memalign",
      [HZ_API_ALIGNED_ALLOC] = "aligned_alloc",
      [HZ_API_MEMALIGN] = "memalign",
      [HZ_API_VALLOC] = "valloc",
      [HZ_API_PVALLOC] = "pvalloc",
      [HZ_API_USABLE_SIZE] = "malloc_usable_size",
      [HZ_API_FREE_SIZED] = "free_sized",
      [HZ_API_FREE_ALIGNED_SIZED] = "free_aligned_sized",
      [HZ_API_CFREE] = "cfree",
      [HZ_API_NEW] = "operator new",
      [HZ_API_NEW_ARRAY] = "operator new[]",
      [HZ_API_DELETE] = "operator delete",
      [HZ_API_DELETE_ARRAY] = "operator delete[]",
      [HZ_API_MALLOC_TRIM] = "malloc_trim",
      [HZ_API_THREAD_EXIT] = "thread exit",
  };
  return (unsigned)api < HZ_API_COUNT ? names[api] : "an unknown function";
}

// ---- the way out ----

static void on_alarm(int signal) {
  (void)signal;
  abort();
}

// The unwinder may wait for the loader's lock, and its holder for one of ours: five seconds, then
// out.
static void bound_the_backtrace(void) {
  struct sigaction action = {.sa_handler = on_alarm};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigaction(SIGALRM, &action, NULL);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  alarm(5);
}

static _Noreturn HZ_COLD void end_with(const char *line, size_t length) {
  hz_write_all(STDERR_FILENO, line, length);
  if (backtrace_wanted) {
    bound_the_backtrace();
    hz_backtrace_write(STDERR_FILENO);
  }
  abort();
}

static unsigned thread_id(void) {
  return (unsigned)hz_syscall0(SYS_gettid);
}

// GEN: FAULT: 0xADDRESS passed to FUNCTION (DETAIL), thread TID
static _Noreturn HZ_COLD void fault(const char *what, const void *p, enum hz_api api,
                                    const char *detail) {
  char line[LINE_BYTES];
  bool some = detail[0] != '\0';
  size_t n =
      hz_format(line, sizeof line, "%s: %s: %p passed to %s%s%s%s, thread %u\n", generation, what,
                p, hz_api_name(api), some ? " (" : "", detail, some ? ")" : "", thread_id());
  end_with(line, n);
}

static _Noreturn HZ_COLD void fault_in_block(const char *what, const void *p, size_t bytes,
                                             enum hz_api api) {
  char detail[64] = "";
  if (bytes != 0)
    hz_format(detail, sizeof detail, "%zu-byte block", bytes);
  fault(what, p, api, detail);
}

// ---- one reporter for each fault ----

void hz_fail_double_free(const void *p, size_t bytes, enum hz_api api) {
  fault_in_block("double free", p, bytes, api);
}

void hz_fail_invalid_free(const void *p, size_t bytes, enum hz_api api) {
  char detail[64] = "in no block";
  if (bytes != 0)
    hz_format(detail, sizeof detail, "not the start of a %zu-byte block", bytes);
  fault("invalid free", p, api, detail);
}

void hz_fail_foreign_pointer(const void *p, enum hz_api api) {
  char detail[128];
  hz_where_describe(p, detail, sizeof detail);
  fault("foreign pointer", p, api, detail);
}

void hz_fail_size_mismatch(const void *p, size_t given, size_t actual, enum hz_api api) {
  char detail[96];
  hz_format(detail, sizeof detail, "size %zu given, %zu-byte block", given, actual);
  fault("size mismatch", p, api, detail);
}

void hz_fail_overflow(const void *p, size_t asked, size_t bytes, enum hz_api api) {
  char detail[96];
  if (asked == SIZE_MAX)
    hz_format(detail, sizeof detail, "%zu-byte block", bytes);
  else
    hz_format(detail, sizeof detail, "%zu bytes in a %zu-byte block", asked, bytes);
  fault("overflow", p, api, detail);
}

void hz_fail_write_after_free(const void *p, size_t bytes, enum hz_api api) {
  fault_in_block("write after free", p, bytes, api);
}

void hz_fail_family_mismatch(const void *p, size_t asked, enum hz_api got, enum hz_api freed) {
  char detail[96];
  hz_format(detail, sizeof detail, "%zu bytes allocated by %s", asked, hz_api_name(got));
  fault("family mismatch", p, freed, detail);
}

void hz_fail_corrupt(const void *p, const char *what) {
  char line[LINE_BYTES];
  size_t n = hz_format(line, sizeof line, "%s: corrupt metadata: %p (%s), thread %u\n", generation,
                       p, what, thread_id());
  end_with(line, n);
}

void hz_fail_assert(const char *text, const char *file, int line_number) {
  char line[LINE_BYTES];
  size_t n =
      hz_format(line, sizeof line, "%s: internal fault: %s does not hold at %s:%u, thread %u\n",
                generation, text, file, (unsigned)line_number, thread_id());
  end_with(line, n);
}

void hz_warn(const char *text) {
  char line[1024];
  size_t n = hz_format(line, sizeof line - 1, "%s: %s", generation, text);
  line[n] = '\n';
  hz_write_all(STDERR_FILENO, line, n + 1);
}
