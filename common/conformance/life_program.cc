// A whole program whose every phase allocates: constructors before all others, static objects,
// threads, thread-local objects, exit handlers, destructors after all others. Prints one line per
// phase; loader_test knows the lines. With "own" as argument it also has an allocator of its own
// for a part of itself, whose blocks must never be mixed up.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

void say(const char *line) {
  if (write(1, line, strlen(line)) < 0)
    _exit(9);
}

void *(*volatile life_malloc)(size_t) = malloc;
void *(*volatile life_realloc)(void *, size_t) = realloc;
void (*volatile life_free)(void *) = free;

void *early_block;

// Uses blocks of each kind and ends the program when one is not as it was written.
void use_blocks() {
  for (size_t size :
       {size_t{1}, size_t{100}, size_t{3000}, size_t{50000}, size_t{700000}, size_t{6000000}}) {
    auto *block = static_cast<char *>(life_malloc(size));
    memset(block, 'u', size);
    block = static_cast<char *>(life_realloc(block, size * 2));
    if (block[0] != 'u' || block[size - 1] != 'u')
      _exit(8);
    life_free(block);
  }
}

__attribute__((constructor(101))) void first_of_all() {
  early_block = malloc(4000);
  memset(early_block, 'e', 4000);
  use_blocks();
  say("constructor\n");
}

__attribute__((destructor(101))) void last_of_all() {
  use_blocks();
  if (static_cast<char *>(early_block)[3999] != 'e')
    _exit(7);
  life_free(early_block);
  say("destructor\n");
}

struct Static {
  std::vector<std::string> words;
  Static() {
    for (int i = 0; i < 1000; ++i)
      words.push_back(std::string(static_cast<size_t>(i), 's'));
    say("static object\n");
  }
  ~Static() {
    words.resize(words.size() * 2);
    use_blocks();
    say("static object gone\n");
  }
} g_static;

struct ThreadObject {
  std::string text = std::string(10000, 't');
  ~ThreadObject() { use_blocks(); }
};
thread_local ThreadObject t_object;

// An arena of this program's own, used by its own names beside the process-wide allocator.
char own_arena[1 << 20];
std::atomic<size_t> own_used{0};
void *own_malloc(size_t size) {
  return own_arena + own_used.fetch_add((size + 15) & ~size_t{15});
}

} // namespace

int main(int argc, char **argv) {
  atexit([] {
    use_blocks();
    say("exit handler\n");
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      t_object.text += "x";
      use_blocks();
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  if (argc > 1 && strcmp(argv[1], "own") == 0) {
    char *const mine = static_cast<char *>(own_malloc(100));
    char *const theirs = static_cast<char *>(life_malloc(100));
    memset(mine, 'm', 100);
    memset(theirs, 'h', 100);
    if (mine[99] != 'm' || theirs[99] != 'h')
      return 1;
    life_free(theirs);
  }
  // A detached thread still runs when the process leaves.
  std::atomic<bool> running{false};
  std::thread([&running] {
    running = true;
    for (;;)
      life_free(life_malloc(3000));
  }).detach();
  while (!running)
    sched_yield();
  say("main\n");
  exit(0);
}
