// A program at the limits of its address space. It takes blocks of all kinds until there are no
// more, checks them, frees and takes again, with threads at the end; being refused is NULL and
// ENOMEM and nothing else. limits_test starts it under limits; what it prints is how much it got:
//
//   limits_program serve MOST_MIB          as much as it gets, MOST_MIB at the most
//   limits_program resident MOST_MIB       the same, every byte written
//   limits_program mappings MOST_MIB       first without one mapping left (vm.max_map_count), then
//   with limits_program crowded MOST_MIB ROOM_MIB   with all addresses taken but ROOM_MIB, since
//   before the
//                                          first constructor; prints malloc_info too
//
// Ends with 9 and a sentence when something is wrong.
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static void *(*volatile program_malloc)(size_t) = malloc;

_Noreturn static void fault(const char *what, size_t bytes) {
  dprintf(STDERR_FILENO, "limits_program: %s, %zu bytes, errno %d\n", what, bytes, errno);
  _exit(9);
}

// ---- every address taken, before any constructor

static void take_all_addresses(size_t room) {
  char *largest = NULL;
  size_t largest_bytes = 0;
  for (size_t bytes = (size_t)1 << 46; bytes >= 64 * KIB; bytes /= 2) {
    void *at;
    while ((at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      0)) != MAP_FAILED) {
      if (bytes > largest_bytes) {
        largest = at;
        largest_bytes = bytes;
      }
    }
  }
  // Not at a round address, and some MiB in another place for stacks of threads.
  if (largest_bytes < 2 * room || munmap(largest + 5 * 64 * KIB, room) != 0 ||
      munmap(largest + largest_bytes - 64 * MIB, 64 * MIB) != 0)
    _exit(8);
}

static void before_constructors(int argc, char **argv, char **environment) {
  (void)environment;
  if (argc == 4 && strcmp(argv[1], "crowded") == 0)
    take_all_addresses(strtoull(argv[3], NULL, 10) * MIB);
}
__attribute__((section(".preinit_array"),
               used)) static void (*const before)(int, char **, char **) = before_constructors;

// ---- blocks until there are no more; each is linked to the next, and marked at both ends

static bool all_written;

struct block {
  struct block *next;
  size_t bytes;
};

static size_t next_size(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  size_t draw = (size_t)(*state >> 33);
  switch (draw % 16) {
  case 0:
    return 200 * KIB + draw % (3 * MIB);
  case 1:
  case 2:
  case 3:
    return 4 * KIB + draw % (60 * KIB);
  default:
    return 32 + draw % 1500;
  }
}

// Returns: how much there was, `most` at the most.
static size_t take(struct block **list, size_t most) {
  uint64_t state = 7;
  size_t total = 0;
  int refusals = 0;
  while (total < most && refusals < 100) {
    size_t bytes = next_size(&state);
    errno = 0;
    struct block *b = program_malloc(bytes);
    if (b == NULL) {
      if (errno != ENOMEM)
        fault("NULL without ENOMEM", bytes);
      refusals++; // a smaller one may still be had
      continue;
    }
    if (all_written)
      memset(b, 'w', bytes);
    b->next = *list;
    b->bytes = bytes;
    ((unsigned char *)b)[bytes - 1] = (unsigned char)bytes;
    *list = b;
    total += bytes;
  }
  return total;
}

// Frees every second block, or all.
static void give(struct block **list, bool all) {
  bool free_it = true;
  for (struct block **link = list; *link != NULL;) {
    struct block *b = *link;
    if (((unsigned char *)b)[b->bytes - 1] != (unsigned char)b->bytes)
      fault("a block is not as written", b->bytes);
    if (free_it) {
      *link = b->next;
      free(b);
    } else {
      link = &b->next;
    }
    free_it = all || !free_it;
  }
}

static void *thread_body(void *arg) {
  struct block *list = NULL;
  *(size_t *)arg = take(&list, 8 * MIB);
  give(&list, true);
  return NULL;
}

static size_t serve(size_t most) {
  struct block *list = NULL;
  size_t got = take(&list, most);
  give(&list, false);
  take(&list, most / 4);
  give(&list, true);
  // After everything was freed as much is to be had again, but for what fragments.
  size_t again = take(&list, got);
  if (again < got - got / 8)
    fault("less after everything was freed than before", again);
  give(&list, true);
  malloc_trim(0);
  pthread_t threads[3];
  size_t by_thread[3];
  for (int t = 0; t < 3; t++) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * KIB);
    int result = pthread_create(&threads[t], &attributes, thread_body, &by_thread[t]);
    if (result != 0)
      by_thread[t] = 0;
    pthread_attr_destroy(&attributes);
    if (result == 0)
      pthread_join(threads[t], NULL);
  }
  return got;
}

// ---- no mapping left

static size_t without_mappings(size_t most) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0, most_count = 1 << 20;
  char *area =
      mmap(NULL, most_count * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED)
    fault("no room for the mappings", most_count * page);
  // Every other page of another kind is a mapping of its own.
  while (count < most_count && mprotect(area + count * page, page, PROT_READ) == 0)
    count += 2;
  if (count >= most_count)
    fault("the kernel has no limit on mappings", count);
  size_t got = serve(most);
  void *grown = NULL;
  for (size_t bytes = MIB; bytes < 64 * MIB; bytes = bytes * 3 / 2) {
    void *next = realloc(grown, bytes);
    if (next == NULL)
      break;
    grown = next;
    ((char *)grown)[bytes - 1] = 1;
  }
  free(grown);
  munmap(area, most_count * page);
  if (serve(most) < most)
    fault("refused although there are mappings again", most);
  return got;
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  size_t most = strtoull(argv[2], NULL, 10) * MIB;
  all_written = strcmp(argv[1], "resident") == 0;
  size_t got = strcmp(argv[1], "mappings") == 0 ? without_mappings(most) : serve(most);
  printf("got %zu KiB\n", got / KIB);
  return argc == 4 ? malloc_info(0, stdout) : 0;
}
