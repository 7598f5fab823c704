// broken_malloc: an allocator with a chosen fault, to prove that --check finds it.
//
// Owns: libbroken.so, for tests alone. BROKEN says the fault:
//   twice       every so many calls, the last block again though it is alive
//   overlap     every so many calls, a block that begins within the last one
//   misaligned  every so many calls, a block at 8 modulo 16
//   scribble    every so many calls, it writes in front of the block, over the end of the last
//   everyone    after the sound calls, one and the same block for every call
// anything else: none, which proves that it is the fault that is found.
// Thread rule: one lock around everything.
//
// It bumps through one mapping and never reuses it; the first SOUND_CALLS are faultless, so that
// the fault hits the workload and not libc's start.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define API __attribute__((visibility("default")))
#define ARENA_BYTES ((size_t)64 << 30) // of addresses; pages come as they are written
#define GRAIN_BYTES ((size_t)16)
#define SOUND_CALLS 200
#define FAULT_EVERY 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all below
static char *at;
static char *end;
static char *last;
static char *shared; // what `everyone` gets
static unsigned long calls;

static char fault(void) {
  const char *name = getenv("BROKEN");
  return name == NULL ? ' ' : name[0];
}

static char *bump(size_t bytes) {
  if (at == NULL) {
    at = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
      abort();
    }
    end = at + ARENA_BYTES;
  }
  bytes = (bytes + GRAIN_BYTES - 1 + (bytes == 0)) & ~(GRAIN_BYTES - 1);
  if (bytes > (size_t)(end - at)) {
    return NULL;
  }
  char *block = at;
  at += bytes;
  return block;
}

API void *malloc(size_t bytes) {
  pthread_mutex_lock(&lock);
  char *block = bump(bytes);
  const int due = ++calls > SOUND_CALLS && calls % FAULT_EVERY == 0 && bytes >= GRAIN_BYTES;
  if (due && block != NULL) {
    switch (fault()) {
    case 't':
      block = last;
      break;
    case 'o':
      block = last + GRAIN_BYTES;
      break;
    case 'm':
      block += 8;
      break;
    case 's':
      memset(block - GRAIN_BYTES, 0x77, GRAIN_BYTES);
      break;
    default:
      break;
    }
  }
  if (calls > SOUND_CALLS && fault() == 'e') {
    shared = shared == NULL ? block : shared;
    block = shared;
  }
  last = block;
  pthread_mutex_unlock(&lock);
  return block;
}

API void free(void *block) {
  (void)block;
}

API void *calloc(size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  pthread_mutex_lock(&lock);
  char *block = bump(total); // never written before, so zero
  pthread_mutex_unlock(&lock);
  return block;
}

API void *realloc(void *block, size_t bytes) {
  pthread_mutex_lock(&lock);
  char *moved = bump(bytes);
  if (moved != NULL && block != NULL) {
    memmove(moved, block, bytes); // what lies behind a smaller block is ours as well
  }
  pthread_mutex_unlock(&lock);
  return moved;
}
