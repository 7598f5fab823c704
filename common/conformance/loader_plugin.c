// A shared object that uses the allocator in every phase of its life: constructor, thread-local
// storage, calls, destructor. loader_test loads and unloads it over and over. One instance at a
// time.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void *(*volatile plugin_malloc)(size_t) = malloc;
void (*volatile plugin_free)(void *) = free;

static _Thread_local char *thread_block;
static char *constructor_block;

__attribute__((constructor)) static void plugin_begin(void) {
  constructor_block = plugin_malloc(5000);
  memset(constructor_block, 'c', 5000);
}

__attribute__((destructor)) static void plugin_end(void) {
  char *last = plugin_malloc(300000);
  last[0] = constructor_block[4999];
  plugin_free(last);
  plugin_free(constructor_block);
}

// Returns a block that outlives this library; the caller frees it.
__attribute__((visibility("default"))) void *plugin_make(size_t size) {
  char *block = plugin_malloc(size);
  if (block != NULL)
    memset(block, 'p', size);
  return block;
}

// Frees a block that the caller made, and keeps one in thread-local storage of this library for the
// next call.
__attribute__((visibility("default"))) void plugin_take(void *block) {
  plugin_free(thread_block);
  plugin_free(block);
  thread_block = plugin_malloc(100);
}

__attribute__((visibility("default"))) void plugin_let_go(void) {
  plugin_free(thread_block);
  thread_block = NULL;
}
