// The C library's allocator with one fault, chosen by the environment variable BROKEN: what
// proof_test preloads to see each test of the suite fail once. Never linked into anything. Owns
// nothing but counters. Any thread.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);
size_t malloc_usable_size(void *block);
void *reallocarray(void *block, size_t count, size_t size);
void *memalign(size_t align, size_t size);
void *valloc(size_t size);
void *pvalloc(size_t size);
int malloc_trim(size_t pad);
int malloc_info(int options, FILE *stream);
void malloc_stats(void);
int mallopt(int parameter, int value);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);
void *_Znwm(size_t size);
void _ZdlPv(void *block);

// The value of BROKEN; read by the constructor, before which there is no fault.
static char fault[64];
static pthread_t first_thread;

__attribute__((constructor(101))) static void choose(void) {
  const char *value = getenv("BROKEN");
  first_thread = pthread_self();
  if (value != NULL)
    strncpy(fault, value, sizeof(fault) - 1);
}

static bool broken(const char *name) {
  return fault[0] != '\0' && strcmp(fault, name) == 0;
}

static pthread_mutex_t unforkable = PTHREAD_MUTEX_INITIALIZER;
static unsigned calls;
static void *given_twice;
static _Thread_local bool thread_has_paid;

void *malloc(size_t size) {
  if (broken("fork_deadlock")) {
    pthread_mutex_lock(&unforkable);
    void *block = __libc_malloc(size);
    pthread_mutex_unlock(&unforkable);
    return block;
  }
  if (broken("thread_leak") && !thread_has_paid) {
    thread_has_paid = true;
    void *lost = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lost != MAP_FAILED)
      memset(lost, 1, 65536);
  }
  if (broken("zero_is_null") && size == 0)
    return NULL;
  if (broken("huge_granted") && size > (size_t)1 << 47)
    size = 64;
  if (broken("given_twice") && size > 200 && size < 400) {
    if (++calls % 50 == 0 && given_twice != NULL)
      return given_twice;
    return given_twice = __libc_malloc(400);
  }
  if (broken("too_small") && size > 512 && size % 1024 == 0)
    return __libc_malloc(size - 64);
  const int before = errno;
  void *block = __libc_malloc(size);
  if (block == NULL && broken("no_enomem"))
    errno = before;
  if (block != NULL && broken("malloc_sets_errno"))
    errno = EAGAIN;
  if (block != NULL && broken("aligned_to_8") && size >= 8 && size < 16)
    return (char *)block + 8; // its free is excused below
  return block;
}

void free(void *block) {
  if (block == NULL) {
    if (broken("free_null_sets_errno"))
      errno = EINVAL;
    return;
  }
  if (broken("free_does_nothing"))
    return;
  if (broken("free_forgets_some") && ++calls % 200 == 0)
    return;
  if (broken("free_keeps_other_threads_blocks") && pthread_self() != first_thread)
    return;
  if (broken("aligned_to_8") && (uintptr_t)block % 16 != 0)
    return;
  if (broken("fork_deadlock")) {
    pthread_mutex_lock(&unforkable);
    __libc_free(block);
    pthread_mutex_unlock(&unforkable);
    return;
  }
  if (broken("given_twice") && block == given_twice)
    return;
  __libc_free(block);
  if (broken("free_sets_errno"))
    errno = EINVAL;
}

void *calloc(size_t count, size_t size) {
  if (broken("calloc_dirty") && count * size % 2 == 1) // not what the C library itself asks for
    return malloc(count * size);
  if (broken("calloc_wraps"))
    return __libc_calloc(1, count * size);
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  if (broken("realloc_leaks_zero") && size == 0 && block != NULL)
    return __libc_malloc(1);
  const size_t had = block != NULL ? malloc_usable_size(block) : 0;
  if (broken("realloc_frees_on_failure") && block != NULL && size > (size_t)1 << 47) {
    memset(block, 0, had);
    errno = ENOMEM;
    return NULL;
  }
  char *moved = __libc_realloc(block, size);
  if (moved == NULL)
    return NULL;
  if (broken("realloc_sets_errno"))
    errno = EAGAIN;
  if (broken("realloc_loses_a_byte") && moved != block && had > 0 && size > had)
    moved[had / 2] ^= 1;
  if (broken("realloc_loses_pages") && size > had && had > (1u << 20))
    moved[had / 2 / 4096 * 4096] ^= 1;
  return moved;
}

void *reallocarray(void *block, size_t count, size_t size) {
  if (broken("reallocarray_wraps"))
    return realloc(block, count * size);
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  return realloc(block, bytes);
}

static void *aligned(size_t align, size_t size) {
  if (broken("alignment_capped") && align > 4096)
    align = 4096;
  if (broken("alignment_wraps") && size > SIZE_MAX - align)
    size = 64;
  return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
  const bool bad = align == 0 || (align & (align - 1)) != 0 || align % sizeof(void *) != 0;
  if (bad && !broken("any_alignment_goes")) {
    if (broken("touches_out"))
      *out = NULL;
    return EINVAL;
  }
  const int before = errno;
  void *block = aligned(bad ? 16 : align, size);
  errno = before;
  if (block == NULL)
    return ENOMEM;
  *out = block;
  return 0;
}

void *aligned_alloc(size_t align, size_t size) {
  return aligned(align, size);
}
void *memalign(size_t align, size_t size) {
  return aligned(align, size);
}
void *valloc(size_t size) {
  return broken("valloc_is_malloc") ? malloc(size) : __libc_memalign(4096, size);
}
void *pvalloc(size_t size) {
  if (size > SIZE_MAX - 4095) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_memalign(4096, broken("pvalloc_is_valloc") ? size : (size + 4095) / 4096 * 4096);
}

void free_sized(void *block, size_t size) {
  if (broken("free_sized_is_strict") && block != NULL && malloc_usable_size(block) > size + 8)
    abort();
  free(block);
}
void free_aligned_sized(void *block, size_t align, size_t size) {
  (void)align;
  (void)size;
  if (broken("free_aligned_sized_aborts"))
    abort();
  free(block);
}

int malloc_trim(size_t pad) {
  (void)pad;
  return broken("trim_answers_7") ? 7 : 1;
}
int malloc_info(int options, FILE *stream) {
  if (options != 0 && !broken("info_takes_options"))
    return EINVAL;
  fputs(broken("info_unbalanced") ? "<malloc version=\"1\"><heap>\n</malloc>\n"
                                  : "<malloc version=\"1\">\n</malloc>\n",
        stream);
  return 0;
}
void malloc_stats(void) {
  fputs("stats\n", broken("stats_to_stdout") ? stdout : stderr);
}
int mallopt(int parameter, int value) {
  (void)parameter;
  (void)value;
  return broken("mallopt_answers_9") ? 9 : 1;
}

void *_Znwm(size_t size) {
  if (broken("new_returns_null"))
    return malloc(size);
  if (broken("new_never_asks") && size > (size_t)1 << 47)
    size = 64;
  static void *(*next)(size_t);
  if (next == NULL)
    next = (void *(*)(size_t))dlsym(RTLD_NEXT, "_Znwm");
  return next(size);
}

void _ZdlPv(void *block) {
  if (broken("delete_null_aborts") && block == NULL)
    abort();
  free(block);
}
