// One life of a program while the OS layer refuses what a plan says (refusal.h): small, mid and
// large blocks, realloc growth, alignment, zeroed memory, threads, trimming and fork. sweep_test
// starts it once for every refusal.
//
// Whatever is refused: an allocation that fails says so by NULL and ENOMEM and leaves everything as
// it was, no block loses its content, free works and keeps errno. Then memory is back: every kind
// of block can be had again, the whole life is played once more without one refusal, everything is
// freed, and one line says what is left, with malloc_info below it:
//
//   asked N refused N kinds MASK nulls N live BYTES used BYTES mapped_kib N
//
// Anything else ends the program with 9 and one sentence. No stdio before that, no memory of
// libc's.
#include "common/conformance/sweep/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

enum { KEPT_MAX = 4000, THREADS = 3, STEPS = 300, BOX_PLACES = 48, ERRNO_MARK = 4711 };

struct held {
  unsigned char *block;
  size_t bytes;
  uint64_t seed;
};

static struct held kept[KEPT_MAX];
static size_t kept_count;
static uint64_t nulls; // allocations that were refused
static uint64_t next_seed = 1;

__attribute__((format(printf, 1, 2), noreturn)) static void fault(const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (write(STDERR_FILENO, text, (size_t)length) != length || write(STDERR_FILENO, "\n", 1) != 1)
    _exit(8);
  _exit(9);
}

// ---- contents: every word of a block up to 64 KiB, fewer of larger ones, and the end

static uint64_t word_at(uint64_t seed, size_t i) {
  return (seed + i) * 0x9e3779b97f4a7c15u;
}

static size_t stride(size_t bytes) {
  return bytes > MIB ? 16392 : bytes > 64 * KIB ? 512 : 8;
}

static void fill(unsigned char *p, size_t bytes, uint64_t seed) {
  for (size_t i = 0; i + 8 <= bytes; i += stride(bytes)) {
    uint64_t word = word_at(seed, i);
    memcpy(p + i, &word, 8);
  }
  for (size_t i = bytes - bytes % 8; i < bytes; i++)
    p[i] = (unsigned char)word_at(seed, i);
}

// `bytes` is what the block was filled as, `upto` how much of it must still be there.
static void check(const unsigned char *p, size_t bytes, size_t upto, uint64_t seed,
                  const char *when) {
  for (size_t i = 0; i + 8 <= upto; i += stride(bytes)) {
    uint64_t word = word_at(seed, i);
    if (memcmp(p + i, &word, 8) != 0)
      fault("%s: byte %zu of a block of %zu is not as written", when, i, bytes);
  }
  for (size_t i = bytes - bytes % 8; i < bytes && i < upto; i++)
    if (p[i] != (unsigned char)word_at(seed, i))
      fault("%s: byte %zu of a block of %zu is not as written", when, i, bytes);
}

// ---- calls, each judged by what C says of it

static void expect_errno(const void *p, const char *what) {
  if (p == NULL && errno != ENOMEM)
    fault("%s: NULL with errno %d instead of ENOMEM", what, errno);
  if (p != NULL && errno != ERRNO_MARK)
    fault("%s: succeeded and changed errno to %d", what, errno);
  if (p == NULL)
    __atomic_add_fetch(&nulls, 1, __ATOMIC_RELAXED);
}

static void *get(size_t bytes) {
  errno = ERRNO_MARK;
  void *p = malloc(bytes); // NOLINT(clang-analyzer-optin.portability.UnixAPI): 0 is a case too
  expect_errno(p, "malloc");
  return p;
}

static void give(void *p) {
  errno = ERRNO_MARK;
  free(p);
  if (errno != ERRNO_MARK)
    fault("free changed errno to %d", errno);
}

static void *get_zeroed(size_t count, size_t size) {
  errno = ERRNO_MARK;
  unsigned char *p = calloc(count, size);
  expect_errno(p, "calloc");
  if (p != NULL && (p[0] != 0 || memcmp(p, p + 1, count * size - 1) != 0))
    fault("calloc: %zu bytes are not all zero", count * size);
  return p;
}

static void *get_aligned(size_t align, size_t bytes, bool posix) {
  void *p = NULL;
  errno = ERRNO_MARK;
  if (posix) {
    int result = posix_memalign(&p, align, bytes);
    if (result != 0 && result != ENOMEM)
      fault("posix_memalign: %d", result);
    if (errno != ERRNO_MARK)
      fault("posix_memalign changed errno to %d", errno);
    if (result != 0) {
      __atomic_add_fetch(&nulls, 1, __ATOMIC_RELAXED);
      p = NULL;
    }
  } else {
    p = aligned_alloc(align, bytes);
    expect_errno(p, "aligned_alloc");
  }
  if ((uintptr_t)p % align != 0)
    fault("%p is not aligned to %zu", p, align);
  return p;
}

static uint64_t seed_new(void) {
  return __atomic_add_fetch(&next_seed, 1, __ATOMIC_RELAXED) << 20;
}

static void keep(void *p, size_t bytes) {
  if (p == NULL)
    return;
  if (kept_count == KEPT_MAX)
    fault("the program's own table is full");
  kept[kept_count] = (struct held){p, bytes, seed_new()};
  fill(p, bytes, kept[kept_count].seed);
  kept_count++;
}

static void check_all(const char *when) {
  for (size_t i = 0; i < kept_count; i++)
    check(kept[i].block, kept[i].bytes, kept[i].bytes, kept[i].seed, when);
}

// Frees every `part`-th block.
static void free_some(size_t part, const char *when) {
  size_t left = 0;
  for (size_t i = 0; i < kept_count; i++) {
    if (i % part == 0) {
      check(kept[i].block, kept[i].bytes, kept[i].bytes, kept[i].seed, when);
      give(kept[i].block);
    } else {
      kept[left++] = kept[i];
    }
  }
  kept_count = left;
}

// ---- the phases of a life

static void small_blocks(void) {
  for (size_t i = 0; i < 900; i++)
    keep(get(i * 7 % 2048), i * 7 % 2048);
  free_some(2, "small");
  for (size_t i = 0; i < 200; i++)
    keep(get(1 + i % 100), 1 + i % 100);
}

static void mid_blocks(void) {
  for (size_t i = 0; i < 60; i++)
    keep(get(2 * KIB + i * 2087), 2 * KIB + i * 2087);
  free_some(3, "mid");
}

static void large_blocks(void) {
  for (size_t i = 0; i < 8; i++) {
    size_t bytes = 200 * KIB + i * 200 * KIB;
    keep(get(bytes), bytes);
    if (i % 3 == 2 && kept_count > 0) {
      kept_count--;
      check(kept[kept_count].block, kept[kept_count].bytes, kept[kept_count].bytes,
            kept[kept_count].seed, "large");
      give(kept[kept_count].block);
    }
  }
}

// Two blocks grow in turn, so that neither can always grow where it is; then they shrink.
static void growing_blocks(void) {
  struct held grown[2] = {{0}};
  size_t sizes[40], count = 0;
  for (size_t bytes = 24; bytes < 5 * MIB / 2; bytes = bytes * 8 / 5 + 8)
    sizes[count++] = bytes;
  for (size_t i = 0, up = count; i < 5; i++, up -= 5)
    sizes[count++] = sizes[up - 4];
  for (size_t i = 0; i < 2 * count; i++) {
    struct held *g = &grown[i % 2];
    size_t bytes = sizes[i / 2];
    errno = ERRNO_MARK;
    unsigned char *p = realloc(g->block, bytes);
    expect_errno(p, "realloc");
    if (p == NULL) { // the old one is as it was
      check(g->block, g->bytes, g->bytes, g->seed, "realloc refused");
      continue;
    }
    check(p, g->bytes, g->bytes < bytes ? g->bytes : bytes, g->seed, "realloc");
    *g = (struct held){p, bytes, seed_new()};
    fill(p, bytes, g->seed);
  }
  for (size_t i = 0; i < 2; i++) {
    if (grown[i].block != NULL)
      check(grown[i].block, grown[i].bytes, grown[i].bytes, grown[i].seed, "grown");
    give(grown[i].block);
  }
}

static void aligned_blocks(void) {
  for (size_t align = 16; align <= 2 * MIB; align *= 2) {
    keep(get_aligned(align, align * 2, true), align * 2);
    keep(get_aligned(align, align, false), align);
  }
}

static void zeroed_blocks(void) {
  for (size_t i = 0; i < 2; i++) {
    static const size_t sizes[] = {48, 3000, 40000, 300000, 2200000};
    void *blocks[5];
    for (size_t s = 0; s < 5; s++) {
      blocks[s] = get_zeroed(sizes[s] / 4, 4);
      if (blocks[s] != NULL)
        memset(blocks[s], 0xee, sizes[s]);
    }
    for (size_t s = 0; s < 5; s++)
      give(blocks[s]);
  }
}

// Blocks change hands here: what one thread made another checks and frees.
static struct {
  pthread_mutex_t lock;
  struct held places[BOX_PLACES];
} box = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct held box_swap(size_t at, struct held given) {
  pthread_mutex_lock(&box.lock);
  struct held taken = box.places[at % BOX_PLACES];
  box.places[at % BOX_PLACES] = given;
  pthread_mutex_unlock(&box.lock);
  return taken;
}

static pthread_key_t last_words;

// Runs after the allocator's own clean-up in its second round.
static void on_thread_end(void *value) {
  uintptr_t left = (uintptr_t)value;
  give(get(100));
  give(get(90000));
  if (left > 1)
    pthread_setspecific(last_words, (void *)(left - 1));
}

static void *thread_body(void *arg) {
  uint64_t state = (uintptr_t)arg;
  pthread_setspecific(last_words, (void *)(uintptr_t)3);
  for (int i = 0; i < STEPS; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    size_t at = (size_t)(state >> 33), shape = at % 64;
    size_t bytes = shape == 0 ? 150000 + at % 250000 : shape < 8 ? 2000 + at % 40000 : 1 + at % 900;
    struct held mine = {get(bytes), bytes, seed_new()};
    if (mine.block != NULL)
      fill(mine.block, bytes, mine.seed);
    else
      mine.bytes = 0;
    struct held other = box_swap(at / 64, mine);
    if (other.block != NULL)
      check(other.block, other.bytes, other.bytes, other.seed, "handed over");
    give(other.block);
  }
  return NULL;
}

static void threads(void) {
  pthread_t ids[THREADS];
  bool started[THREADS];
  for (uintptr_t t = 0; t < THREADS; t++) {
    int result = pthread_create(&ids[t], NULL, thread_body, (void *)(t + 1));
    started[t] = result == 0;
    if (result != 0 && result != EAGAIN && result != ENOMEM)
      fault("pthread_create: %d", result);
    if (result != 0)
      thread_body((void *)(t + 1)); // no memory for its stack or its thread-local storage
  }
  for (size_t t = 0; t < THREADS; t++)
    if (started[t])
      pthread_join(ids[t], NULL);
  for (size_t at = 0; at < BOX_PLACES; at++) {
    struct held left = box_swap(at, (struct held){0});
    if (left.block != NULL)
      check(left.block, left.bytes, left.bytes, left.seed, "left behind");
    give(left.block);
  }
}

static void trim(void) {
  for (size_t i = 0; i < 6; i++)
    give(get((1 + i) * 700 * KIB));
  free_some(2, "trim");
  malloc_trim(0);
  check_all("after trim");
}

static void child_life(void) {
  check_all("in the child");
  for (size_t i = 0; i < 20; i++) {
    void *p = get(i * i * 1000);
    if (p != NULL)
      fill(p, i * i * 1000, i);
    give(p);
  }
  free_some(1, "in the child");
}

static void forking(void) {
  pid_t child = fork();
  if (child == 0) {
    child_life();
    _exit(0);
  }
  if (child < 0)
    return; // the kernel's own refusal
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fault("the child ended with status %x", (unsigned)status);
}

static void life(void) {
  small_blocks();
  mid_blocks();
  large_blocks();
  growing_blocks();
  aligned_blocks();
  zeroed_blocks();
  threads();
  trim();
  forking();
  check_all("at the end");
}

// ---- memory is back

static void full_service(void) {
  uint64_t before = nulls;
  for (size_t bytes = 1; bytes <= 3 * MIB; bytes = bytes * 4 / 3 + 1) {
    void *p = get(bytes);
    if (p == NULL)
      fault("memory is back, but malloc(%zu) is refused", bytes);
    fill(p, bytes, bytes);
    check(p, bytes, bytes, bytes, "full service");
    give(p);
  }
  give(get_aligned(MIB, 3 * MIB, true));
  give(get_zeroed(5, MIB));
  life();
  if (nulls != before)
    fault("memory is back, but %lu allocations were refused", (unsigned long)(nulls - before));
}

static size_t mapped_kib(void) {
  char text[128] = {0};
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  return got > 0 ? strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) / KIB : 0;
}

int main(void) {
  if (pthread_key_create(&last_words, on_thread_end) != 0)
    fault("no key");
  life();
  uint64_t asked = refusal_asked();
  refusal_end();
  check_all("when memory is back");
  full_service();
  free_some(1, "at the very end");
  // What a variant keeps back from reuse is the same in every life: these.
  for (size_t i = 0; i < 256; i++)
    give(get(i % 4 == 0 ? 200 * KIB : 100));
  malloc_trim(0);
  malloc_trim(0);
  struct mallinfo2 left = mallinfo2();
  char text[256];
  int length =
      snprintf(text, sizeof text,
               "asked %lu refused %lu kinds %lu nulls %lu live %zu used %zu mapped_kib %zu\n",
               (unsigned long)asked, (unsigned long)refusal_refused(),
               (unsigned long)refusal_kinds(), (unsigned long)nulls, left.uordblks + left.hblkhd,
               left.arena + left.hblkhd - left.keepcost, mapped_kib());
  if (write(STDOUT_FILENO, text, (size_t)length) != length)
    return 8;
  return malloc_info(0, stdout) == 0 ? 0 : 8;
}
