// See misuse.h.
#include "common/conformance/misuse/misuse.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_OTHERS 80000u // more than any cache holds
#define OTHERS_BYTES ((size_t)96 << 20)

void *(*volatile do_malloc)(size_t) = malloc;
void *(*volatile do_realloc)(void *, size_t) = realloc;
void (*volatile do_free)(void *) = free;
size_t (*volatile do_usable)(void *) = malloc_usable_size;
void (*volatile do_free_sized)(void *, size_t);
void (*volatile do_free_aligned_sized)(void *, size_t, size_t);

static void *others[MOST_OTHERS];
static size_t others_live;
static size_t others_size;

static void say(const char *text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0)
    _exit(3);
}

void about(const volatile void *address) {
  char line[64];
  snprintf(line, sizeof(line), "about 0x%lx\n", (unsigned long)(uintptr_t)address);
  say(line);
}

void committed(void) {
  say("committed\n");
}

void prevented(void) {
  say("prevented\n");
}

void nothing_to_do(void) {
  say("inapplicable\n");
  _exit(0);
}

void prepare_others(size_t size) {
  size_t count = OTHERS_BYTES / (size + 16);
  count = count > MOST_OTHERS ? MOST_OTHERS : count < 64 ? 64 : count;
  others_size = size;
  for (others_live = 0; others_live < count; ++others_live)
    others[others_live] = do_malloc(size);
}

void free_some_others(size_t count) {
  for (; count > 0 && others_live > 0; --count)
    do_free(others[--others_live]);
}

void empty_caches(void) {
  free_some_others(others_live);
  prepare_others(others_size);
  free_some_others(others_live);
  prepare_others(others_size);
  // What came out of a cache came first; freed first, it does not stay there.
  for (size_t i = 0; i < others_live; ++i)
    do_free(others[i]);
  others_live = 0;
}

void *reuse_until(size_t size, const void *address) {
  static void *held[4096];
  void *found = NULL;
  size_t bound = OTHERS_BYTES / (size + 16);
  bound = bound > 4096 ? 4096 : bound;
  for (int round = 0; round < 8 && found == NULL; ++round) {
    size_t count = 0;
    while (count < bound && found == NULL) {
      void *block = do_malloc(size);
      if (block == address)
        found = block;
      else
        held[count++] = block;
    }
    while (count > 0)
      do_free(held[--count]);
  }
  return found;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s SIZE\n", argv[0]);
    return 2;
  }
  do_free_sized = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
  do_free_aligned_sized =
      (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
  misuse(strtoul(argv[1], NULL, 10));
  return 0;
}
