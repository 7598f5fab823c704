/* Warms the machine's memory and takes its temperature.
 *
 * A virtual machine's host gives memory at first touch, at many times the price of memory the guest
 * has held before. `warm MIB` touches MIB of it, gives it back, and then times the first touch of
 * fresh mappings: the figure says whether what follows is measured on warm ground.
 *
 * Prints: WARM mib=N first_ns_per_page=X again_ns_per_page=Y again_max_ns_per_page=Z */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 2 << 20, SAMPLE_CHUNKS = 32 };

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Returns: nanoseconds for each page of the chunk; negative when there is no memory. */
static double touch_chunk(char **chunk, long page_bytes) {
  *chunk = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*chunk == MAP_FAILED)
    return -1;
  madvise(*chunk, CHUNK_BYTES, MADV_NOHUGEPAGE);
  double start = now_ns();
  long pages = CHUNK_BYTES / page_bytes;
  for (long at = 0; at < CHUNK_BYTES; at += page_bytes)
    *(volatile char *)(*chunk + at) = 1;
  return (now_ns() - start) / (double)pages;
}

int main(int argc, char **argv) {
  long page_bytes = sysconf(_SC_PAGESIZE);
  long mib = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
  if (mib < 2 || mib > 1 << 20) {
    fprintf(stderr, "warm: MIB is '%s'; accepted: 2 to 1048576\n", argc > 1 ? argv[1] : "");
    return 2;
  }
  size_t chunks = (size_t)mib / 2, warmed = 0;
  char **held = calloc(chunks, sizeof *held);
  double first = 0, again = 0, worst = 0;
  if (held == NULL)
    return 1;
  for (; warmed < chunks; warmed++) {
    double cost = touch_chunk(&held[warmed], page_bytes);
    if (cost < 0)
      break;
    first += cost;
  }
  for (size_t i = 0; i < warmed; i++)
    munmap(held[i], CHUNK_BYTES);
  for (int i = 0; i < SAMPLE_CHUNKS; i++) {
    char *chunk;
    double cost = touch_chunk(&chunk, page_bytes);
    if (cost < 0)
      return 1;
    munmap(chunk, CHUNK_BYTES);
    again += cost;
    worst = cost > worst ? cost : worst;
  }
  printf("WARM mib=%zu first_ns_per_page=%.0f again_ns_per_page=%.0f again_max_ns_per_page=%.0f\n",
         2 * warmed, warmed > 0 ? first / (double)warmed : 0, again / SAMPLE_CHUNKS, worst);
  return 0;
}
