// Text without stdio: hz_format and hz_write_all (fail.h).
#include "common/fail/fail.h"

#include "common/os/syscall.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <time.h>

// Invariant: used <= cap - 1 when cap > 0; what does not fit is dropped.
struct text {
  char *out;
  size_t cap, used;
};

static void put_char(struct text *t, char c) {
  if (t->used + 1 < t->cap)
    t->out[t->used++] = c;
}

static void put_string(struct text *t, const char *s) {
  for (; s && *s; s++)
    put_char(t, *s);
}

static void put_number(struct text *t, uint64_t value, unsigned base) {
  char digits[20];
  unsigned n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (n > 0)
    put_char(t, digits[--n]);
}

size_t hz_format(char *out, size_t cap, const char *format, ...) {
  struct text t = {out, cap, 0};
  va_list args;
  va_start(args, format);
  for (const char *f = format; *f; f++) {
    if (*f != '%') {
      put_char(&t, *f);
      continue;
    }
    f++;
    bool wide = *f == 'l' || *f == 'z';
    if (wide)
      f++;
    if (*f == 's') {
      put_string(&t, va_arg(args, const char *));
    } else if (*f == 'u') {
      put_number(&t, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), 10);
    } else if (*f == 'x') {
      put_number(&t, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), 16);
    } else if (*f == 'p') {
      put_string(&t, "0x");
      put_number(&t, (uintptr_t)va_arg(args, const void *), 16);
    } else if (*f == '%') {
      put_char(&t, '%');
    } else {
      break; // a conversion that this formatter does not have: nothing after it can be trusted
    }
  }
  va_end(args);
  if (cap > 0)
    out[t.used] = '\0';
  return t.used;
}

// A descriptor that does not block and is full: wait up to a second for room, once per attempt.
static bool wait_for_room(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  struct timespec second = {1, 0};
  return hz_syscall5(SYS_ppoll, &ready, 1, &second, 0, 0) == 1;
}

void hz_write_all(int fd, const char *text, size_t bytes) {
  unsigned interruptions = 0;
  while (bytes > 0) {
    long written = hz_syscall3(SYS_write, fd, text, bytes);
    if (written > 0) {
      text += written;
      bytes -= (size_t)written;
    } else if (written == -EINTR && interruptions++ < 1000) {
      continue;
    } else if (written == -EAGAIN && interruptions++ < 1000 && wait_for_room(fd)) {
      continue;
    } else {
      return; // closed, or a reader that is gone: there is nobody to tell
    }
  }
}
