// Where the arena lies: one reservation of addresses, or pieces mapped as they are needed.
//
// Owns: the choice of the window, its tables, and the order in which addresses become memory.
// Does not own: which granules are free. Thread rule: initialisation, then only the thread that
// grows.
//
// Reserving is preferred: one PROT_NONE mapping costs nothing but addresses, nobody else can get in
// between, and committing its lower part leaves two mappings however large the heap. Where
// addresses are counted (RLIMIT_AS) a reservation would eat what the program has; then the window
// is only a place far from where the kernel puts other mappings, and pieces of it are mapped one
// after the other.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"
#include "common/os/syscall.h"

#include <sys/resource.h>

#define WINDOW_LARGEST_BYTES (16 * HZ_TIB)
#define WINDOW_COMFORTABLE_BYTES HZ_GIB // below it, pieces as needed may get further
#define WINDOW_SMALLEST_BYTES (64 * HZ_MIB)
#define WINDOW_ALIGN_BYTES HZ_GIB

// Far from where the kernel places mappings, programs and their heaps; the first lies in a user
// space of 47 bits, the others fit 39 and 36 bits (aarch64 and small configurations).
static const struct {
  uintptr_t base;
  size_t most_bytes; // up to where something else is usual
} places[] = {{0x8000000000u, 16 * HZ_TIB},
              {0x2000000000u, 128 * HZ_GIB},
              {0x800000000u, 16 * HZ_GIB},
              {0x80000000u, HZ_GIB}};

// The limit on addresses in bytes, 0 when there is none.
static uint64_t address_limit_bytes(void) {
  struct {
    uint64_t soft, hard;
  } limit = {0, 0};
  long result = hz_syscall4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit);
  return hz_syscall_failed(result) || limit.soft == UINT64_MAX ? 0 : limit.soft;
}

static size_t table_bytes(const struct hz_window *w, int table, uint64_t granules) {
  return hz_div_up(granules, w->table[table].element_granules) * w->table[table].element_bytes;
}

// One reservation for all tables, a page without access before and after each.
static bool tables_reserve(struct hz_window *w, size_t side_bytes) {
  const struct {
    size_t bytes, granules;
  } element[HZ_TABLES] = {
      [HZ_TABLE_RECORDS] = {sizeof(struct hz_granule), 1},
      [HZ_TABLE_NODES] = {sizeof(struct hz_free_node), 1},
      [HZ_TABLE_DIRTY] = {sizeof(uint64_t), 64},
      [HZ_TABLE_SETS0] = {sizeof(struct hz_set_words), 64},
      [HZ_TABLE_SETS1] = {sizeof(struct hz_set_words), 64 * 64},
      [HZ_TABLE_SIDE] = {side_bytes, 1},
  };
  size_t page = hz_os_page_bytes(), total = page, offset[HZ_TABLES];
  for (int i = 0; i < HZ_TABLES; i++) {
    w->table[i].element_bytes = element[i].bytes;
    w->table[i].element_granules = element[i].granules;
    w->table[i].committed_bytes = 0;
    offset[i] = total;
    total += hz_align_up(table_bytes(w, i, w->granules), page) + page;
  }
  unsigned char *at = (unsigned char *)hz_os_reserve(total, page);
  if (!at)
    return false;
  for (int i = 0; i < HZ_TABLES; i++)
    w->table[i].at = at + offset[i];
  return true;
}

static bool open_reserved(struct hz_window *w, size_t bytes, size_t side_bytes) {
  size_t huge = hz_max(hz_os_huge_page_bytes(), 2 * HZ_MIB);
  size_t align = bytes >= WINDOW_ALIGN_BYTES ? WINDOW_ALIGN_BYTES : hz_min(huge, bytes);
  void *base = hz_os_reserve(bytes, align);
  if (!base)
    return false;
  w->base = (uintptr_t)base;
  w->granules = bytes >> HZ_GRANULE_SHIFT;
  w->mapped_as_needed = false;
  if (tables_reserve(w, side_bytes))
    return true;
  hz_os_release(base, bytes);
  return false;
}

// Requires: limit_bytes is what may be mapped at all. Twice as many addresses are set aside,
// because occupied pieces are stepped over.
static bool open_as_needed(struct hz_window *w, uint64_t limit_bytes, size_t side_bytes) {
  size_t bytes = WINDOW_SMALLEST_BYTES;
  while (bytes < limit_bytes && bytes < WINDOW_LARGEST_BYTES)
    bytes *= 2;
  bytes *= 2;
  size_t probe = HZ_GRANULE_BYTES;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    uintptr_t base = places[i].base;
    if (!hz_os_map_at((void *)base, probe))
      continue; // taken, or beyond this kernel's user space
    hz_os_release((void *)base, probe);
    w->base = base;
    w->granules = hz_min(bytes, places[i].most_bytes) >> HZ_GRANULE_SHIFT;
    w->mapped_as_needed = true;
    while (!tables_reserve(w, side_bytes)) {
      if (w->granules <= WINDOW_SMALLEST_BYTES >> HZ_GRANULE_SHIFT)
        return false;
      w->granules /= 2;
    }
    return true;
  }
  return false;
}

bool hz_window_open(struct hz_window *w, size_t side_bytes) {
  uint64_t limit = address_limit_bytes();
  if (limit != 0)
    return open_as_needed(w, limit, side_bytes);
  size_t bytes = WINDOW_LARGEST_BYTES;
  for (; bytes >= WINDOW_COMFORTABLE_BYTES; bytes /= 4)
    if (open_reserved(w, bytes, side_bytes))
      return true;
  if (open_as_needed(w, WINDOW_COMFORTABLE_BYTES, side_bytes))
    return true;
  // As much as possible of what little there is: halves, not quarters.
  for (bytes = WINDOW_COMFORTABLE_BYTES / 2; bytes >= WINDOW_SMALLEST_BYTES; bytes /= 2)
    if (open_reserved(w, bytes, side_bytes))
      return true;
  return false;
}

// What table i is to hold before granules below `granules` are used, when it holds `have`: an
// eighth more than that, so that commits grow rare; but nothing beyond the window.
static size_t table_wish(const struct hz_window *w, int i, size_t have, uint64_t granules) {
  size_t page = hz_os_page_bytes();
  size_t need = hz_align_up(table_bytes(w, i, granules), page);
  size_t most = hz_align_up(table_bytes(w, i, w->granules), page);
  if (need <= have)
    return have;
  return hz_min(hz_max(need, hz_align_up(have + have / 8, page)), most);
}

bool hz_window_commit_tables(struct hz_window *w, uint64_t granules) {
  for (int i = 0; i < HZ_TABLES; i++) {
    size_t have = w->table[i].committed_bytes;
    size_t wish = table_wish(w, i, have, granules);
    if (wish == have)
      continue;
    unsigned char *at = w->table[i].at + have;
    if (!hz_os_commit(at, wish - have)) {
      wish = hz_align_up(table_bytes(w, i, granules), hz_os_page_bytes());
      if (!hz_os_commit(at, wish - have))
        return false;
    }
    hz_store_relaxed(&w->table[i].committed_bytes, wish); // for hz_window_table_bytes only
  }
  return true;
}

static bool map_piece(struct hz_window *w, uint64_t from, uint64_t to) {
  void *at = (void *)(w->base + (from << HZ_GRANULE_SHIFT));
  return to <= w->granules && hz_os_map_at(at, (to - from) << HZ_GRANULE_SHIFT);
}

bool hz_window_commit(struct hz_window *w, uint64_t *from, uint64_t *to) {
  uint64_t count = *to - *from;
  if (!w->mapped_as_needed)
    return hz_os_commit((void *)(w->base + (*from << HZ_GRANULE_SHIFT)), count << HZ_GRANULE_SHIFT);
  if (map_piece(w, *from, *to))
    return true;
  // Memory is short, or somebody's mapping is in the way: the second is told by another place.
  for (uint64_t skip = HZ_MIB >> HZ_GRANULE_SHIFT; *from + skip + count <= w->granules; skip *= 2) {
    if (!map_piece(w, *from + skip, *from + skip + count))
      continue;
    *from += skip;
    *to = *from + count;
    return true;
  }
  return false;
}

enum hz_refreshed hz_window_refresh(const struct hz_window *w, uint64_t from, uint64_t to) {
  void *at = (void *)(w->base + (from << HZ_GRANULE_SHIFT));
  size_t bytes = (to - from) << HZ_GRANULE_SHIFT;
  // As it was made, so that it joins its neighbours.
  if (w->mapped_as_needed) {
    if (!hz_os_release(at, bytes))
      return HZ_UNCHANGED;
    return hz_os_map_at(at, bytes) ? HZ_REFRESHED : HZ_LOST;
  }
  if (!hz_os_decommit(at, bytes))
    return HZ_UNCHANGED;
  return hz_os_commit(at, bytes) ? HZ_REFRESHED : HZ_LOST;
}

size_t hz_window_table_bytes(const struct hz_window *w, uint64_t granules) {
  size_t bytes = 0;
  if (w->granules == 0)
    return 0;                         // no window, no tables
  for (int i = 0; i < HZ_TABLES; i++) // relaxed: the grower writes it; a figure to judge by
    bytes += table_wish(w, i, hz_load_relaxed(&w->table[i].committed_bytes),
                        hz_min(granules, w->granules));
  return bytes;
}
