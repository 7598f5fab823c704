// See options.h.
#include "common/options/options.h"

#include "common/fail/fail.h"
#include "common/os/syscall.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#define TEXT_BYTES 800  // of one complaint
#define ENTRY_BYTES 512 // of one NAME=value in /proc/self/environ; the rest of a longer one is lost

struct reader {
  const char *prefix;
  const struct hz_option *table;
  size_t count;
  uint64_t seen; // bit i: table[i] has been given; the first of equals counts, as with getenv
};

// ---- text ----

static bool same(const char *a, const char *b) {
  while (*a && *a == *b) {
    a++;
    b++;
  }
  return *a == *b;
}

static size_t length_of(const char *s) {
  size_t n = 0;
  while (s[n])
    n++;
  return n;
}

// A value as a complaint may show it: one line, printable, bounded.
static void printable(const char *value, char *out, size_t cap) {
  size_t n = 0;
  for (; value[n] && n + 4 < cap; n++)
    out[n] = value[n] >= ' ' && value[n] <= '~' ? value[n] : '?';
  for (unsigned dots = 0; value[n] && dots < 3; dots++)
    out[n + dots] = '.';
  out[value[n] ? n + 3 : n] = '\0';
}

// The largest unit that divides it, so that what is printed can be given again.
static size_t format_bytes(char *out, size_t cap, uint64_t value) {
  static const char units[] = "kmgt";
  unsigned unit = 0;
  while (unit < 4 && value != 0 && value % 1024 == 0) {
    value /= 1024;
    unit++;
  }
  char suffix[2] = {unit ? units[unit - 1] : '\0', '\0'};
  return hz_format(out, cap, "%zu%s", (size_t)value, suffix);
}

// "speed, balanced, lean" / "0 to 10000" / "0 to 16t"
static void format_accepted(const struct hz_option *o, const char *separator, char *out,
                            size_t cap) {
  if (o->kind == HZ_OPTION_WORD) {
    size_t n = 0;
    for (unsigned i = 0; o->words[i] && n + 1 < cap; i++)
      n += hz_format(out + n, cap - n, "%s%s", i ? separator : "", o->words[i]);
  } else if (o->kind == HZ_OPTION_NUMBER) {
    hz_format(out, cap, "%zu to %zu", (size_t)o->min, (size_t)o->max);
  } else {
    char low[32], high[32];
    format_bytes(low, sizeof low, o->min);
    format_bytes(high, sizeof high, o->max);
    hz_format(out, cap, "%s to %s, in bytes or with k, m, g or t", low, high);
  }
}

static void format_value(const struct hz_option *o, uint64_t value, char *out, size_t cap) {
  if (o->kind == HZ_OPTION_WORD)
    hz_format(out, cap, "%s", o->words[value]);
  else if (o->kind == HZ_OPTION_NUMBER)
    hz_format(out, cap, "%zu", (size_t)value);
  else
    format_bytes(out, cap, value);
}

// ---- values ----

// Returns: false unless the whole text is a decimal number (with a unit where units are accepted).
static bool parse_number(const char *text, bool units, uint64_t *out) {
  uint64_t value = 0;
  const char *c = text;
  for (; *c >= '0' && *c <= '9'; c++)
    if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
      return false;
  if (c == text)
    return false;
  if (units && *c) {
    unsigned shift = 0;
    for (unsigned i = 0; i < 4; i++)
      if ((*c | 0x20) == "kmgt"[i])
        shift = 10 * (i + 1);
    if (shift == 0 || value > UINT64_MAX >> shift)
      return false;
    value <<= shift;
    c++;
  }
  *out = value;
  return *c == '\0';
}

static bool parse_value(const struct hz_option *o, const char *text, uint64_t *out) {
  if (o->kind == HZ_OPTION_WORD) {
    for (unsigned i = 0; o->words[i]; i++)
      if (same(o->words[i], text)) {
        *out = i;
        return true;
      }
    return false;
  }
  return parse_number(text, o->kind == HZ_OPTION_BYTES, out) && *out >= o->min && *out <= o->max;
}

// ---- complaints ----

static void complain_value(const struct reader *r, const struct hz_option *o, const char *value) {
  char shown[64], accepted[400], usual[64], text[TEXT_BYTES];
  printable(value, shown, sizeof shown);
  format_accepted(o, ", ", accepted, sizeof accepted);
  format_value(o, *o->target, usual, sizeof usual);
  hz_format(text, sizeof text, "%s_%s: '%s' is not accepted (accepted: %s); %s is used", r->prefix,
            o->name, shown, accepted, usual);
  hz_warn(text);
}

static void complain_name(const struct reader *r, const char *name) {
  char shown[64], text[TEXT_BYTES];
  printable(name, shown, sizeof shown);
  size_t n = hz_format(text, sizeof text, "'%s' is not an option; these are: ", shown);
  for (size_t i = 0; i < r->count; i++)
    n +=
        hz_format(text + n, sizeof text - n, "%s%s_%s", i ? ", " : "", r->prefix, r->table[i].name);
  hz_warn(text);
}

// ---- one entry of the environment ----

// Effect: sets the option that entry ("NAME=value") names, or complains. Modifies entry.
static void take_entry(struct reader *r, const char *entry) {
  size_t prefix = length_of(r->prefix);
  for (size_t i = 0; i < prefix; i++)
    if (entry[i] != r->prefix[i])
      return;
  if (entry[prefix] != '_')
    return;
  char name[64];
  size_t n = 0;
  while (entry[n] && entry[n] != '=' && n + 1 < sizeof name) {
    name[n] = entry[n];
    n++;
  }
  name[n] = '\0';
  if (entry[n] != '=') {
    complain_name(r, name); // without value, or longer than any of ours
    return;
  }
  for (size_t i = 0; i < r->count; i++) {
    const struct hz_option *o = &r->table[i];
    if (!same(o->name, name + prefix + 1))
      continue;
    if (i < 64 && (r->seen >> i & 1))
      return;
    r->seen |= i < 64 ? (uint64_t)1 << i : 0;
    uint64_t value;
    if (parse_value(o, entry + n + 1, &value))
      *o->target = value;
    else
      complain_value(r, o, entry + n + 1);
    return;
  }
  complain_name(r, name);
}

// ---- where the environment is ----

// As the kernel gave it at exec; good enough, because nobody can have changed it before libc is
// ready.
static void read_from_proc(struct reader *r) {
  long fd = hz_syscall4(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC, 0);
  if (hz_syscall_failed(fd))
    return;
  char chunk[1024], entry[ENTRY_BYTES];
  size_t used = 0;
  for (;;) {
    long got = hz_syscall3(SYS_read, fd, chunk, sizeof chunk);
    if (hz_syscall_failed(got) || got == 0)
      break;
    for (long i = 0; i < got; i++) {
      if (chunk[i] != '\0') {
        if (used + 1 < sizeof entry)
          entry[used++] = chunk[i];
        continue;
      }
      entry[used] = '\0';
      used = 0;
      take_entry(r, entry);
    }
  }
  hz_syscall1(SYS_close, fd);
}

extern char **environ;

void hz_options_read(const char *prefix, const struct hz_option *table, size_t count) {
  if (getauxval(AT_SECURE))
    return; // the environment belongs to somebody with fewer rights than the program
  struct reader r = {prefix, table, count, 0};
  if (!environ) {
    read_from_proc(&r);
    return;
  }
  for (char **e = environ; *e; e++)
    take_entry(&r, *e);
}

// ---- the table as a page ----

void hz_options_print(int fd, const char *prefix, const struct hz_option *table, size_t count) {
  char text[1024];
  size_t n = hz_format(text, sizeof text,
                       "| variable | accepted | default | meaning |\n"
                       "|---|---|---|---|\n");
  hz_write_all(fd, text, n);
  for (size_t i = 0; i < count; i++) {
    char accepted[400], usual[64];
    format_accepted(&table[i], ", ", accepted, sizeof accepted);
    format_value(&table[i], *table[i].target, usual, sizeof usual);
    n = hz_format(text, sizeof text, "| `%s_%s` | %s | %s | %s |\n", prefix, table[i].name,
                  accepted, usual, table[i].help);
    hz_write_all(fd, text, n);
  }
}
