// null_malloc: an allocator that does nothing, to measure what a workload costs without one.
//
// Owns: libnull.so, preloaded like any other allocator. Not for programs that mean it.
// Thread rule: each thread bumps through a chunk of its own; chunks of finished threads are reused.
//
// malloc advances a pointer; free returns at once. Memory stays bounded because a thread that
// reaches the end of its chunk starts over at its beginning:
//
//     chunk   |---- kept ----|------------------ bump, wrap ------------------|
//             first chunk only: what libc allocates before main's loop is never overwritten
//
// So blocks that are alive share memory with younger ones. What that means:
//  - the floor is honest in time: every malloc returns distinct, writable, 16-aligned memory at the
//    cost of an addition and a compare, and free costs a call;
//  - contents do not survive: never use it with --check, nor under a program that reads back what
//    it wrote. calloc'ed memory is zeroed and never reused, since libc keeps thread state in it;
//    when CALLOC_BYTES are used up the program ends with a sentence;
//  - realloc copies as many bytes as the new size, whatever the old one was;
//  - touched lanes find a small chunk in the cache that a real allocator's blocks would have left:
//    for them the floor is a lower bound;
//  - memory: CHUNK_BYTES per thread alive at once, and WIDE_BYTES more for threads that ask for
//    blocks above CHUNK_BYTES / 4; a block above WIDE_BYTES / 2 is refused with ENOMEM;
//  - malloc_usable_size answers 0, "unknown", since no sizes are kept.
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define GRAIN_BYTES ((size_t)16)
#define CHUNK_BYTES ((size_t)4 << 20)
#define WIDE_BYTES ((size_t)128 << 20)
#define KEPT_BYTES ((size_t)256 << 10)
#define CALLOC_BYTES ((size_t)256 << 20)

struct chunk {
  struct chunk *next; // in the list of free chunks
  size_t bytes;       // constant
  char *end;          // constant
  char *restart;      // where bumping starts over
  char *at;           // next block
};

struct thread {
  char *at;  // == chunk->at of the current chunk, kept here for the hot path
  char *end; // at <= end; NULL before the first block
  struct chunk *chunk;
  struct chunk *wide; // NULL until a large block is asked for
};

// initial-exec: a preloaded library's variables lie at a constant offset from the thread pointer.
static __thread struct thread self __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards the four below
static struct chunk *free_chunks;
static struct chunk *free_wide;
static char *calloc_at;
static char *calloc_end;

static pthread_key_t key; // its destructor gives chunks back
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int first_chunk_made; // under lock

static void *map(size_t bytes) {
  void *memory =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static size_t round_up(size_t bytes, size_t alignment) {
  return (bytes + alignment - 1) & ~(alignment - 1);
}

static void give_back(void *argument) {
  struct thread *thread = argument;
  pthread_mutex_lock(&lock);
  if (thread->chunk != NULL) {
    thread->chunk->at = thread->at;
    thread->chunk->next = free_chunks;
    free_chunks = thread->chunk;
  }
  if (thread->wide != NULL) {
    thread->wide->next = free_wide;
    free_wide = thread->wide;
  }
  pthread_mutex_unlock(&lock);
  *thread = (struct thread){0}; // a later block of this thread takes a chunk anew
}

static void make_key(void) {
  pthread_key_create(&key, give_back);
}

static struct chunk *make_chunk(size_t bytes) {
  struct chunk *chunk = map(bytes);
  if (chunk == NULL) {
    return NULL;
  }
  chunk->bytes = bytes;
  chunk->end = (char *)chunk + bytes;
  chunk->at = chunk->restart = (char *)chunk + round_up(sizeof(*chunk), GRAIN_BYTES);
  if (!first_chunk_made) {
    first_chunk_made = 1;
    chunk->restart = (char *)chunk + KEPT_BYTES;
  }
  return chunk;
}

static struct chunk *take_chunk(struct chunk **list, size_t bytes) {
  pthread_mutex_lock(&lock);
  struct chunk *chunk = *list;
  if (chunk != NULL) {
    *list = chunk->next;
  } else {
    chunk = make_chunk(bytes);
  }
  pthread_mutex_unlock(&lock);
  return chunk;
}

static void *out_of_memory(void) {
  errno = ENOMEM;
  return NULL;
}

static void *bump_wide(size_t bytes, size_t alignment) {
  if (bytes > WIDE_BYTES / 2 || alignment > WIDE_BYTES / 4) {
    return out_of_memory();
  }
  if (self.wide == NULL && (self.wide = take_chunk(&free_wide, WIDE_BYTES)) == NULL) {
    return out_of_memory();
  }
  struct chunk *wide = self.wide;
  char *block = (char *)round_up((size_t)wide->at, alignment);
  if (block + bytes > wide->end) {
    block = (char *)round_up((size_t)wide->restart, alignment);
  }
  wide->at = block + bytes;
  return block;
}

// The chunk is missing or full, or the block is large, or its alignment is.
static __attribute__((noinline)) void *slow(size_t bytes, size_t alignment) {
  if (bytes > PTRDIFF_MAX) {
    return out_of_memory();
  }
  pthread_once(&key_once, make_key);
  bytes = round_up(bytes > 0 ? bytes : 1, GRAIN_BYTES);
  if (self.chunk == NULL) {
    self.chunk = take_chunk(&free_chunks, CHUNK_BYTES);
    if (self.chunk == NULL) {
      return out_of_memory();
    }
    self.at = self.chunk->at;
    self.end = self.chunk->end;
    pthread_setspecific(key, &self);
  }
  if (bytes > CHUNK_BYTES / 4 || alignment > CHUNK_BYTES / 4) {
    return bump_wide(bytes, alignment);
  }
  char *block = (char *)round_up((size_t)self.at, alignment);
  if (block + bytes > self.end) {
    block = (char *)round_up((size_t)self.chunk->restart, alignment);
  }
  self.at = block + bytes;
  return block;
}

API void *malloc(size_t bytes) {
  // Below a quarter chunk the sum cannot overflow; 0 bytes get a grain of their own.
  const size_t rounded = (bytes + GRAIN_BYTES - 1 + (bytes == 0)) & ~(GRAIN_BYTES - 1);
  if (UNLIKELY(bytes > CHUNK_BYTES / 4 || rounded > (size_t)(self.end - self.at))) {
    return slow(bytes, GRAIN_BYTES);
  }
  char *block = self.at;
  self.at = block + rounded;
  return block;
}

API void free(void *block) {
  (void)block;
}

static _Noreturn void calloc_exhausted(void) {
  static const char text[] = "null_malloc: calloc has used up its memory; this allocator only "
                             "measures the floor of a workload\n";
  const ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
  (void)written;
  _exit(1);
}

API void *calloc(size_t count, size_t bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total) || total > CALLOC_BYTES) {
    return out_of_memory();
  }
  total = round_up(total > 0 ? total : 1, GRAIN_BYTES);
  pthread_mutex_lock(&lock);
  if (calloc_at == NULL && (calloc_at = map(CALLOC_BYTES)) != NULL) {
    calloc_end = calloc_at + CALLOC_BYTES;
  }
  if (calloc_at == NULL || total > (size_t)(calloc_end - calloc_at)) {
    calloc_exhausted();
  }
  void *block = calloc_at;
  calloc_at += total;
  pthread_mutex_unlock(&lock);
  return block;
}

// Returns: how many bytes can be read at BLOCK: to the end of the region it lies in.
static size_t readable(const char *block) {
  const struct chunk *chunks[] = {self.chunk, self.wide};
  for (unsigned i = 0; i < 2; i++) {
    const char *start = (const char *)chunks[i];
    if (start != NULL && block >= start && block < chunks[i]->end) {
      return (size_t)(chunks[i]->end - block);
    }
  }
  pthread_mutex_lock(&lock);
  const int zeroed = block < calloc_at && block >= calloc_end - CALLOC_BYTES;
  const size_t rest = zeroed ? (size_t)(calloc_end - block) : GRAIN_BYTES;
  pthread_mutex_unlock(&lock);
  return rest; // another thread's chunk: a grain is all that is sure
}

API void *realloc(void *block, size_t bytes) {
  void *moved = malloc(bytes);
  if (moved != NULL && block != NULL) {
    const size_t rest = readable(block);
    memmove(moved, block, bytes < rest ? bytes : rest);
  }
  return moved;
}

API void *memalign(size_t alignment, size_t bytes);
API void *memalign(size_t alignment, size_t bytes) {
  return slow(bytes, alignment > GRAIN_BYTES ? alignment : GRAIN_BYTES);
}

API void *aligned_alloc(size_t alignment, size_t bytes) {
  return memalign(alignment, bytes);
}

API int posix_memalign(void **block, size_t alignment, size_t bytes) {
  const int saved = errno;
  void *made = memalign(alignment, bytes);
  errno = saved;
  if (made == NULL) {
    return ENOMEM;
  }
  *block = made;
  return 0;
}

API void *valloc(size_t bytes) {
  return memalign((size_t)sysconf(_SC_PAGESIZE), bytes);
}

API void *pvalloc(size_t bytes);
API void *pvalloc(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return memalign(page, round_up(bytes, page));
}

API size_t malloc_usable_size(void *block);
API size_t malloc_usable_size(void *block) {
  (void)block;
  return 0;
}
