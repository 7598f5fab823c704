#include "bench/workloads/common/block.h"

#include "bench/workloads/common/rng.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CONTENT 1
#define WORD_BYTES sizeof(uint64_t)
#define SPOIL_BYTES 16
#define TOUCH_BYTE 0x5A

static size_t page_bytes;
static pthread_once_t page_once = PTHREAD_ONCE_INIT;

static void ask_page_bytes(void) {
  page_bytes = (size_t)sysconf(_SC_PAGESIZE);
}

unsigned wl_care(const struct wl_options *options) {
  static const unsigned touch[] = {
      [WL_TOUCH_NONE] = WL_CARE_NONE,
      [WL_TOUCH_EDGES] = WL_CARE_EDGES,
      [WL_TOUCH_ALL] = WL_CARE_ALL,
  };
  unsigned care = touch[options->touch];
  care |= options->check ? WL_CARE_CHECK : 0;
  if (options->latency) {
    care |= WL_CARE_LATENCY;
    wl_latency_open();
  }
  return care;
}

void wl_touch_edges(void *block, size_t bytes) {
  if (bytes == 0) {
    return;
  }
  pthread_once(&page_once, ask_page_bytes);
  volatile char *base = block;
  base[0] = TOUCH_BYTE;
  const uintptr_t start = (uintptr_t)block;
  size_t edge = page_bytes - (start & (page_bytes - 1)); // offset of the next page
  for (; edge < bytes; edge += page_bytes) {
    base[edge - 1] = TOUCH_BYTE;
    base[edge] = TOUCH_BYTE;
  }
  base[bytes - 1] = TOUCH_BYTE;
}

static uint64_t pattern_word(uint64_t key, size_t index) {
  return wl_mix(key) + WL_RNG_STEP * (index + 1);
}

void wl_pattern_fill(void *block, size_t bytes, uint64_t key) {
  char *base = block;
  const size_t words = bytes / WORD_BYTES;
  for (size_t i = 0; i < words; i++) {
    const uint64_t word = pattern_word(key, i);
    memcpy(base + i * WORD_BYTES, &word, WORD_BYTES);
  }
  const uint64_t last = pattern_word(key, words);
  memcpy(base + words * WORD_BYTES, &last, bytes % WORD_BYTES);
}

// Does not use stdio streams: the allocator under test has just been found broken.
static _Noreturn void content_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void content_fault(const char *format, ...) {
  char line[256];
  va_list list;
  va_start(list, format);
  const int length = vsnprintf(line, sizeof(line), format, list);
  va_end(list);
  if (length > 0) {
    const ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written; // nothing can be done about a closed stderr; the exit status says it too
  }
  _exit(EXIT_CONTENT);
}

static void compare(const unsigned char *base, size_t offset, uint64_t expected, size_t count,
                    size_t bytes) {
  unsigned char want[WORD_BYTES];
  memcpy(want, &expected, WORD_BYTES);
  for (size_t i = 0; i < count; i++) {
    if (WL_UNLIKELY(base[offset + i] != want[i])) {
      content_fault("content check failed: byte %zu of the %zu-byte block %p is 0x%02x, "
                    "0x%02x was written\n",
                    offset + i, bytes, (const void *)base, base[offset + i], want[i]);
    }
  }
}

void wl_pattern_verify(const void *block, size_t bytes, uint64_t key) {
  const unsigned char *base = block;
  const size_t words = bytes / WORD_BYTES;
  for (size_t i = 0; i < words; i++) {
    const uint64_t expected = pattern_word(key, i);
    uint64_t found;
    memcpy(&found, base + i * WORD_BYTES, WORD_BYTES);
    if (WL_UNLIKELY(found != expected)) {
      compare(base, i * WORD_BYTES, expected, WORD_BYTES, bytes);
    }
  }
  compare(base, words * WORD_BYTES, pattern_word(key, words), bytes % WORD_BYTES, bytes);
}

void wl_bytes_verify(const void *block, size_t bytes, unsigned char value) {
  uint64_t expected;
  memset(&expected, value, WORD_BYTES);
  for (size_t i = 0; i < bytes; i += WORD_BYTES) {
    compare(block, i, expected, bytes - i < WORD_BYTES ? bytes - i : WORD_BYTES, bytes);
  }
}

void wl_block_verify_alignment(const void *block, size_t bytes) {
  // C11 7.22.3: aligned for any object that fits; below 16 bytes that is the power of two below.
  size_t owed = 16;
  while (owed > bytes && owed > 1) {
    owed /= 2;
  }
  if (WL_UNLIKELY(((uintptr_t)block & (owed - 1)) != 0)) {
    content_fault("alignment check failed: the %zu-byte block %p is not aligned to %zu\n", bytes,
                  block, owed);
  }
}

void wl_block_dress(void *block, size_t bytes, unsigned care) {
  if ((care & WL_CARE_CHECK) != 0) {
    wl_block_verify_alignment(block, bytes);
    wl_pattern_fill(block, bytes, wl_block_key(block, bytes));
  } else if ((care & WL_CARE_ALL) != 0) {
    memset(block, TOUCH_BYTE, bytes);
  } else if ((care & WL_CARE_EDGES) != 0) {
    wl_touch_edges(block, bytes);
  }
}

void wl_block_undress(void *block, size_t bytes) {
  wl_pattern_verify(block, bytes, wl_block_key(block, bytes));
  volatile unsigned char *base = block; // a plain store before free would be removed
  for (size_t i = 0; i < bytes && i < SPOIL_BYTES; i++) {
    base[i] = (unsigned char)~base[i];
  }
}

void *wl_block_new_with_care(size_t bytes, unsigned care) {
  void *block = wl_malloc(bytes, care);
  if (block != NULL) {
    wl_block_dress(block, bytes, care);
  }
  return block;
}

void wl_block_free_with_care(void *block, size_t bytes, unsigned care) {
  if ((care & WL_CARE_CHECK) != 0) {
    wl_block_undress(block, bytes);
  }
  wl_free(block, care);
}
