// See where.h.
#include "common/fail/where.h"

#include "common/fail/fail.h"
#include "common/os/syscall.h"
#include "common/sync/atomic.h"

#include <fcntl.h>
#include <unwind.h>

#define FRAMES 48
#define NAME_BYTES 56

// ---- /proc/self/maps, line by line ----

struct mapping {
  uintptr_t begin, end;
  bool readable, executable;
  uint64_t offset;
  const char *name; // last part of the path, "" for an anonymous mapping
};

// Returns false to stop.
typedef bool (*mapping_fn)(const struct mapping *m, void *context);

static const char *take_hex(const char *text, uint64_t *value) {
  *value = 0;
  for (;; text++) {
    unsigned digit;
    if (*text >= '0' && *text <= '9')
      digit = (unsigned)(*text - '0');
    else if (*text >= 'a' && *text <= 'f')
      digit = (unsigned)(*text - 'a') + 10;
    else
      return text;
    *value = *value << 4 | digit;
  }
}

// begin-end perms offset dev inode   path
static bool parse_mapping(const char *line, struct mapping *out) {
  uint64_t begin, end;
  line = take_hex(line, &begin);
  if (*line++ != '-')
    return false;
  line = take_hex(line, &end);
  if (line[0] != ' ' || !line[1] || !line[2] || !line[3])
    return false;
  *out = (struct mapping){begin, end, line[1] == 'r', line[3] == 'x', 0, ""};
  line += 1;
  for (unsigned field = 1; field < 5; field++) { // to the end of perms, offset, dev
    while (*line && *line != ' ')
      line++;
    while (*line == ' ')
      line++;
    if (field == 1)
      take_hex(line, &out->offset);
  }
  out->name = line;
  for (const char *c = line; *c; c++)
    if (*c == '/')
      out->name = c + 1;
  return true;
}

// Returns: false when /proc cannot be read.
static bool each_mapping(mapping_fn call, void *context) {
  long fd = hz_syscall4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  if (hz_syscall_failed(fd))
    return false;
  char chunk[1024], line[512];
  size_t used = 0;
  for (bool go_on = true; go_on;) {
    long got = hz_syscall3(SYS_read, fd, chunk, sizeof chunk);
    if (hz_syscall_failed(got) || got == 0)
      break;
    for (long i = 0; i < got && go_on; i++) {
      if (chunk[i] != '\n') {
        if (used + 1 < sizeof line)
          line[used++] = chunk[i];
        continue;
      }
      line[used] = '\0';
      used = 0;
      struct mapping m;
      if (parse_mapping(line, &m))
        go_on = call(&m, context);
    }
  }
  hz_syscall1(SYS_close, fd);
  return true;
}

// ---- what lies at an address ----

struct search {
  uintptr_t address;
  bool found;
  char name[NAME_BYTES];
};

static bool match_address(const struct mapping *m, void *context) {
  struct search *s = context;
  if (s->address < m->begin || s->address >= m->end)
    return true;
  s->found = true;
  hz_format(s->name, sizeof s->name, "%s", m->name);
  return false;
}

void hz_where_describe(const void *p, char *out, size_t cap) {
  struct search s = {.address = (uintptr_t)p};
  if (!each_mapping(match_address, &s))
    hz_format(out, cap, "%s", "");
  else if (!s.found)
    hz_format(out, cap, "not mapped");
  else if (s.name[0] == '\0')
    hz_format(out, cap, "in an anonymous mapping");
  else
    hz_format(out, cap, "in %s", s.name);
}

// ---- how we came here ----

struct frame {
  uintptr_t address;
  uintptr_t module_begin; // where the module's first mapping lies; 0 when unknown
  char module[NAME_BYTES];
};

// Only the first thread that fails uses it, so that a small signal stack suffices.
static struct {
  bool taken;
  bool guessed;
  size_t count;
  struct frame frames[FRAMES];
  char last_name[NAME_BYTES]; // while reading the maps: the module being passed
  uintptr_t last_begin;
} trace;

// Present when the program has a runtime that unwinds (libgcc_s, libunwind); we do not bring one.
extern _Unwind_Reason_Code _Unwind_Backtrace(_Unwind_Trace_Fn, void *) __attribute__((weak));
extern uintptr_t _Unwind_GetIP(struct _Unwind_Context *) __attribute__((weak));

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *unused) {
  (void)unused;
  if (trace.count == FRAMES || _Unwind_GetIP(context) == 0)
    return _URC_END_OF_STACK;
  trace.frames[trace.count++].address = _Unwind_GetIP(context);
  return _URC_NO_REASON;
}

struct stack_bounds {
  uintptr_t here, end;
};

static bool match_stack(const struct mapping *m, void *context) {
  struct stack_bounds *s = context;
  if (s->here < m->begin || s->here >= m->end)
    return true;
  s->end = m->end;
  return false;
}

// Words of the stack that point into code, at most FRAMES, from the innermost.
struct code_search {
  const uintptr_t *from, *to;
};

static bool follows_a_call(const unsigned char *at) {
#if defined(__x86_64__)
  if (at[-5] == 0xe8) // call rel32
    return true;
  for (int length = 2; length <= 7; length++) // call r/m64: ff /2, 2 to 7 bytes long
    if (at[-length] == 0xff && (at[-length + 1] & 0x38) == 0x10)
      return true;
  return false;
#else
  uint32_t word;
  __builtin_memcpy(&word, at - 4, sizeof word);
  return (word & 0xfc000000u) == 0x94000000u || (word & 0xfffffc1fu) == 0xd63f0000u; // bl, blr
#endif
}

// Fills in frames in the order of the stack: the slot of a word is found by its position, so that
// the order of the mappings does not matter.
struct guess {
  const uintptr_t *at;
  uintptr_t address;
};
static struct guess guesses[FRAMES];

static void keep_guess(const uintptr_t *at) {
  size_t n = trace.count < FRAMES ? trace.count : FRAMES - 1;
  if (trace.count == FRAMES && guesses[FRAMES - 1].at < at)
    return;
  size_t i = n;
  for (; i > 0 && guesses[i - 1].at > at; i--)
    guesses[i] = guesses[i - 1];
  guesses[i] = (struct guess){at, *at};
  if (trace.count < FRAMES)
    trace.count++;
}

static bool match_code(const struct mapping *m, void *context) {
  const struct code_search *s = context;
  if (!m->executable || !m->readable)
    return true;
  for (const uintptr_t *at = s->from; at < s->to; at++)
    if (*at >= m->begin + 8 && *at < m->end && follows_a_call((const unsigned char *)*at))
      keep_guess(at);
  return true;
}

#define STACK_WORDS 4096 // how far up a guess looks

__attribute__((no_sanitize("address", "thread"))) static void guess_frames(void) {
  trace.guessed = true;
  struct stack_bounds bounds = {(uintptr_t)__builtin_frame_address(0), 0};
  if (!each_mapping(match_stack, &bounds) || bounds.end == 0)
    return;
  const uintptr_t *from = (const uintptr_t *)bounds.here;
  const uintptr_t *to = (const uintptr_t *)bounds.end;
  if (to - from > STACK_WORDS)
    to = from + STACK_WORDS;
  struct code_search search = {from, to};
  each_mapping(match_code, &search);
  for (size_t i = 0; i < trace.count; i++)
    trace.frames[i].address = guesses[i].address;
}

static bool same_text(const char *a, const char *b) {
  while (*a && *a == *b)
    a++, b++;
  return *a == *b;
}

static bool match_modules(const struct mapping *m, void *unused) {
  (void)unused;
  char name[NAME_BYTES];
  hz_format(name, sizeof name, "%s", m->name);
  if (!same_text(name, trace.last_name) || m->offset == 0) {
    hz_format(trace.last_name, sizeof trace.last_name, "%s", name);
    trace.last_begin = m->begin - m->offset;
  }
  for (size_t i = 0; i < trace.count; i++) {
    struct frame *f = &trace.frames[i];
    if (f->address < m->begin || f->address >= m->end)
      continue;
    f->module_begin = trace.last_begin;
    hz_format(f->module, sizeof f->module, "%s", name);
  }
  return true;
}

void hz_backtrace_write(int fd) {
  // Relaxed: only who comes first matters.
  if (hz_exchange_relaxed(&trace.taken, true))
    return;
  if (_Unwind_Backtrace && _Unwind_GetIP)
    _Unwind_Backtrace(take_frame, NULL);
  else
    guess_frames();
  each_mapping(match_modules, NULL);
  for (size_t i = 0; i < trace.count; i++) {
    const struct frame *f = &trace.frames[i];
    char line[160];
    size_t n =
        hz_format(line, sizeof line, "  #%zu %p %s+%p%s\n", i, (const void *)f->address,
                  f->module[0] ? f->module : "?", (const void *)(f->address - f->module_begin),
                  trace.guessed ? " (guessed from the stack)" : "");
    hz_write_all(fd, line, n);
  }
}
