// See report.h.
#include "common/abi/report.h"

#include "common/base/bits.h"
#include "common/fail/fail.h"

#include <errno.h>
#include <malloc.h>

HZ_COLD void *hz_abi_no_memory(void) {
  errno = ENOMEM;
  return NULL;
}

HZ_COLD void *hz_abi_bad_argument(void) {
  errno = EINVAL;
  return NULL;
}

int hz_abi_mallopt(int name, int value) {
  switch (name) {
#ifdef __GLIBC__
  case M_MXFAST:
    return value >= 0;
  case M_TRIM_THRESHOLD:
  case M_TOP_PAD:
  case M_MMAP_THRESHOLD:
  case M_MMAP_MAX:
  case M_ARENA_TEST:
  case M_ARENA_MAX:
    return 1;
  case M_PERTURB:
    return value == 0;
  case M_CHECK_ACTION:
    return (value & 3) == 3; // bit 0: say so, bit 1: abort
#endif
  default:
    return 0;
  }
}

// ---- derived figures ----

static size_t above(size_t x, size_t y) {
  return x > y ? x - y : 0;
}

// What the OS gave and has not got back, without metadata and without blocks of their own.
static size_t held_bytes(const struct hz_stats *s) {
  return s->arena.used_bytes + s->arena.free_dirty_bytes;
}

static size_t free_blocks(const struct hz_stats *s) {
  size_t blocks = 0;
  for (size_t i = 0; i < s->classes && i < HZ_STATS_CLASSES; i++)
    blocks += s->cls[i].blocks_free;
  return blocks;
}

void hz_stats_mallinfo(const struct hz_stats *s, struct hz_mallinfo *out) {
  size_t in_use = above(s->live_bytes, s->live_large_bytes);
  size_t arena = hz_max(above(held_bytes(s), s->live_large_bytes), in_use);
  *out = (struct hz_mallinfo){
      .arena = arena,
      .ordblks = free_blocks(s),
      .smblks = s->cached_blocks,
      .hblks = s->live_large_blocks,
      .hblkhd = s->live_large_bytes,
      .usmblks = 0,
      .fsmblks = s->cached_thread_bytes + s->cached_shared_bytes,
      .uordblks = in_use,
      .fordblks = arena - in_use,
      .keepcost = s->arena.free_dirty_bytes,
  };
}

// ---- malloc_stats ----

static void write_figure(int fd, const char *name, size_t value) {
  char line[96];
  size_t n = hz_format(line, sizeof line, "%s", name);
  char digits[24];
  size_t length = hz_format(digits, sizeof digits, "%zu", value);
  for (size_t i = n + length; i < 36 && n + 1 < sizeof line; i++)
    line[n++] = ' ';
  n += hz_format(line + n, sizeof line - n, "%s\n", digits);
  hz_write_all(fd, line, n);
}

void hz_stats_write_text(int fd, const struct hz_stats *s) {
  char line[128];
  size_t n = hz_format(line, sizeof line, "%s %s\n", s->generation ? s->generation : "malloc",
                       s->version ? s->version : "");
  hz_write_all(fd, line, n);
  write_figure(fd, "system bytes     =", held_bytes(s) + s->arena.meta_bytes);
  write_figure(fd, "in use bytes     =", s->live_bytes);
  write_figure(fd, "in use large     =", s->live_large_bytes);
  write_figure(fd, "large blocks     =", s->live_large_blocks);
  write_figure(fd, "thread caches    =", s->threads);
  write_figure(fd, "cached by thread =", s->cached_thread_bytes);
  write_figure(fd, "cached, shared   =", s->cached_shared_bytes);
  write_figure(fd, "free in spans    =", s->span_free_bytes);
  write_figure(fd, "free runs        =", s->arena.free_dirty_bytes);
  write_figure(fd, "metadata bytes   =", s->arena.meta_bytes);
  write_figure(fd, "peak bytes       =", s->arena.peak_used_bytes);
  write_figure(fd, "address space    =", s->arena.window_bytes);
}

// ---- observe ----

void hz_stats_write_pairs(int fd, const struct hz_stats *s) {
  char line[1024];
  size_t n = 0;
  for (size_t i = 0; i < s->pair_count; i++) {
    const struct hz_stat_pair *p = &s->pairs[i];
    if (i == 0 || p->tag != s->pairs[i - 1].tag) {
      if (n > 0)
        n += hz_format(line + n, sizeof line - n, "\n");
      n += hz_format(line + n, sizeof line - n, "[%s]", p->tag);
    }
    n += hz_format(line + n, sizeof line - n, " %s=%lu", p->key, p->value);
    if (n > sizeof line - 128) {
      hz_write_all(fd, line, n);
      n = 0;
    }
  }
  if (s->pair_count > 0)
    n += hz_format(line + n, sizeof line - n, "\n");
  hz_write_all(fd, line, n);
}

// The system call that a kind of call is made of.
enum os_family { OS_MMAP, OS_MUNMAP, OS_MADVISE, OS_MPROTECT, OS_MREMAP, OS_FAMILIES };

static enum os_family family_of(enum hz_os_call kind) {
  switch (kind) {
  case HZ_OS_CALL_RESERVE:
  case HZ_OS_CALL_MAP:
  case HZ_OS_CALL_DECOMMIT:
    return OS_MMAP;
  case HZ_OS_CALL_RELEASE:
    return OS_MUNMAP;
  case HZ_OS_CALL_COMMIT:
  case HZ_OS_CALL_PROTECT:
    return OS_MPROTECT;
  case HZ_OS_CALL_REMAP:
    return OS_MREMAP;
  default:
    return OS_MADVISE;
  }
}

void hz_stats_write_os_calls(int fd, const char *tag, const struct hz_stats *s) {
  static const char *const families[OS_FAMILIES] = {"mmap", "munmap", "madvise", "mprotect",
                                                    "mremap"};
  uint64_t sums[OS_FAMILIES] = {0}, failed = 0;
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    sums[family_of((enum hz_os_call)kind)] += s->os.calls[kind];
    failed += s->os.failures[kind];
  }
  char line[2000];
  size_t n = hz_format(line, sizeof line, "[%s]", tag);
  for (unsigned family = 0; family < OS_FAMILIES; family++)
    n += hz_format(line + n, sizeof line - n, " %s=%lu", families[family], sums[family]);
  n += hz_format(line + n, sizeof line - n, " failed=%lu", failed);
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    const char *name = hz_os_call_name((enum hz_os_call)kind);
    n += hz_format(line + n, sizeof line - n, " %s=%lu %s_failed=%lu %s_bytes=%lu", name,
                   s->os.calls[kind], name, s->os.failures[kind], name, s->os.bytes[kind]);
  }
  n +=
      hz_format(line + n, sizeof line - n, " huge_now_bytes=%zu window_bytes=%zu window_whole=%u\n",
                s->arena.huge_bytes, s->arena.window_bytes, s->arena.mapped_as_needed ? 0u : 1u);
  hz_write_all(fd, line, n);
}

// ---- malloc_info ----

#define PRINT(...)                                                                                 \
  do {                                                                                             \
    char line_[256];                                                                               \
    hz_format(line_, sizeof line_, __VA_ARGS__);                                                   \
    fputs(line_, out);                                                                             \
  } while (0)

// Free blocks by size, as glibc lists its bins: requests in from..to are served by blocks of `to`.
static void write_sizes(FILE *out, const struct hz_stats *s) {
  PRINT("<sizes>\n");
  for (size_t i = 0; i < s->classes && i < HZ_STATS_CLASSES; i++) {
    size_t to = s->cls[i].block_bytes, count = s->cls[i].blocks_free;
    if (to == 0 || count == 0)
      continue;
    size_t from = i > 0 && s->cls[i - 1].block_bytes < to ? s->cls[i - 1].block_bytes + 1 : 1;
    PRINT("  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n", from, to, to * count,
          count);
  }
  PRINT("</sizes>\n");
}

// The totals stand in the heap and once more for the process, as in glibc; there is one heap.
static void write_totals(FILE *out, const struct hz_stats *s, bool whole) {
  PRINT("<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n", s->cached_blocks,
        s->cached_thread_bytes + s->cached_shared_bytes);
  PRINT("<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n", free_blocks(s), s->span_free_bytes);
  if (whole)
    PRINT("<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", s->live_large_blocks,
          s->live_large_bytes);
  PRINT("<system type=\"current\" size=\"%zu\"/>\n", held_bytes(s) + s->arena.meta_bytes);
  PRINT("<system type=\"max\" size=\"%zu\"/>\n",
        hz_max(s->arena.peak_used_bytes, held_bytes(s)) + s->arena.meta_bytes);
  PRINT("<aspace type=\"total\" size=\"%zu\"/>\n", s->arena.window_bytes);
  PRINT("<aspace type=\"mprotect\" size=\"%zu\"/>\n", s->arena.grown_bytes);
}

static void write_classes(FILE *out, const struct hz_stats *s) {
  PRINT("<classes>\n");
  for (size_t i = 0; i < s->classes && i < HZ_STATS_CLASSES; i++)
    if (s->cls[i].block_bytes != 0 && s->cls[i].spans != 0)
      PRINT("  <class bytes=\"%zu\" spans=\"%zu\" out=\"%zu\" free=\"%zu\"/>\n",
            s->cls[i].block_bytes, s->cls[i].spans, s->cls[i].blocks_out, s->cls[i].blocks_free);
  PRINT("</classes>\n");
}

void hz_stats_write_xml(FILE *out, const struct hz_stats *s) {
  PRINT("<malloc version=\"1\">\n<heap nr=\"0\">\n");
  write_sizes(out, s);
  write_totals(out, s, false);
  PRINT("</heap>\n");
  write_totals(out, s, true);
  PRINT("<allocator name=\"%s\" version=\"%s\"/>\n", s->generation ? s->generation : "",
        s->version ? s->version : "");
  PRINT("<live size=\"%zu\" large=\"%zu\" large_count=\"%zu\"/>\n", s->live_bytes,
        s->live_large_bytes, s->live_large_blocks);
  PRINT("<cached threads=\"%zu\" thread=\"%zu\" shared=\"%zu\"/>\n", s->threads,
        s->cached_thread_bytes, s->cached_shared_bytes);
  PRINT("<runs used=\"%zu\" peak=\"%zu\" dirty=\"%zu\" clean=\"%zu\" meta=\"%zu\" huge=\"%zu\""
        " mapped_as_needed=\"%u\"/>\n",
        s->arena.used_bytes, s->arena.peak_used_bytes, s->arena.free_dirty_bytes,
        s->arena.free_clean_bytes, s->arena.meta_bytes, s->arena.huge_bytes,
        s->arena.mapped_as_needed ? 1u : 0u);
  write_classes(out, s);
  PRINT("<os>\n");
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++)
    PRINT("  <call kind=\"%s\" count=\"%lu\" failed=\"%lu\" bytes=\"%lu\"/>\n",
          hz_os_call_name((enum hz_os_call)kind), s->os.calls[kind], s->os.failures[kind],
          s->os.bytes[kind]);
  PRINT("</os>\n");
  for (size_t i = 0; i < s->pair_count; i++)
    PRINT("<counter tag=\"%s\" key=\"%s\" value=\"%lu\"/>\n", s->pairs[i].tag, s->pairs[i].key,
          s->pairs[i].value);
  PRINT("</malloc>\n");
}
