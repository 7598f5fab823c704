// A program that brings its own malloc, calloc, realloc and free (and nothing else of the surface),
// as some programs do. Whatever library is preloaded, these names answer; the program and the C
// library must work on. Prints one line.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (64u << 20)

static char arena[ARENA_BYTES] __attribute__((aligned(16)));
static atomic_size_t used;
static atomic_size_t calls;

// A block is preceded by its size; nothing is ever given back.
void *malloc(size_t size) {
  const size_t whole = ((size + 15) & ~(size_t)15) + 16;
  const size_t at = atomic_fetch_add(&used, whole);
  if (at + whole > ARENA_BYTES)
    return NULL;
  atomic_fetch_add(&calls, 1);
  *(size_t *)(void *)(arena + at) = size;
  return arena + at + 16;
}

void free(void *block) {
  if (block != NULL && ((char *)block < arena || (char *)block >= arena + ARENA_BYTES))
    abort(); // a block of somebody else's
}

void *calloc(size_t count, size_t size) {
  return malloc(count * size);
}

void *realloc(void *block, size_t size) {
  void *moved = malloc(size);
  if (block != NULL && moved != NULL) {
    const size_t old = *(size_t *)(void *)((char *)block - 16);
    memcpy(moved, block, old < size ? old : size);
  }
  return moved;
}

int main(void) {
  char *line = NULL;
  size_t length = 0;
  FILE *stream = open_memstream(&line, &length);
  for (int i = 0; i < 1000; ++i)
    fprintf(stream, "%d ", i);
  fclose(stream);
  char *copy = strdup(line);
  const int good = strlen(copy) == length && atomic_load(&calls) > 2;
  free(copy);
  free(line);
  puts(good ? "own malloc answered" : "own malloc did not answer");
  return good ? 0 : 1;
}
