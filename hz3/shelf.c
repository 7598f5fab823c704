// Rows of blocks by CPU. See shelf.h.
#include "hz3/shelf.h"

#include "common/arena/arena.h"
#include "hz3/observe.h"
#include "hz3/span.h"
#include "hz3/transfer.h"

// One take in so many is told to those who free (hz3_transfer.takes, a line of all CPUs).
#define TAKES_PER_ASK 8u

uint64_t hz3_shelf_limit_bytes;
static uint64_t all_limit_bytes; // of all shelves together
struct hz3_shelf *hz3_shelves[HZ3_SHELVES_MOST];
ptrdiff_t hz3_cpu_at;
static uint32_t shelves_end; // none was made at or beyond, as of the last tick or making

// ---- which ----

// The kernel keeps the number of a thread's CPU in its rseq area, which glibc 2.35 and later
// register. Only that number is read (cpu_id_start, always a number); a thread that was moved since
// uses a shelf farther away.
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

void hz3_shelf_init(void) {
  if (&__rseq_size && &__rseq_offset && __rseq_size != 0)
    hz3_cpu_at = __rseq_offset;
}

// Effect: the limit is shared out among the shelves there are.
static void limit_share_out(void) {
  unsigned n = 0, end = 0;
  for (unsigned i = 0; i < HZ3_SHELVES_MOST; i++)
    if (hz_load_relaxed(&hz3_shelves[i])) {
      n++;
      end = i + 1;
    }
  hz_store_relaxed(&shelves_end, end);
  hz_store_relaxed(&hz3_shelf_limit_bytes, hz_load_relaxed(&all_limit_bytes) / hz_max(n, 1));
}

HZ_COLD struct hz3_shelf *hz3_shelf_make(struct hz3_shelf **place) {
  struct hz3_shelf *fresh = hz_meta_alloc(sizeof *fresh, HZ_NO_SHARE_BYTES), *none = NULL;
  if (!fresh)
    return NULL;
  // Who loses uses the winner's; the loser's addresses are lost, its memory was never touched.
  if (!hz_cas_acq_rel(place, &none, fresh))
    return none;
  limit_share_out();
  return fresh;
}

// ---- rows ----

// Acquire: the row is as its last holder left it; partner: the release in row_leave.
static bool row_try(struct hz3_row *row) {
  uint32_t free = 0;
  return hz_cas_acquire(&row->lock, &free, 1u);
}
static void row_leave(struct hz3_row *row) {
  hz_store_release(&row->lock, 0u);
}

// Blocks before their count, so that a forked child finds a whole row.
static void row_set_count(struct hz3_row *row, unsigned count) {
  hz_signal_fence();
  hz_store_relaxed(&row->count, (uint16_t)count);
  if (count < row->low)
    row->low = (uint16_t)count;
}

// Few words: a call of memcpy would cost more. Upwards, so that a row may move down.
static void words_copy(void **to, void *const *from, unsigned n) {
  for (unsigned i = 0; i < n; i++)
    to[i] = from[i];
}

// Effect: the oldest `n` blocks are in `out`, the others have moved down. The lock is held.
static void row_take_oldest(struct hz3_row *row, void **out, unsigned n) {
  unsigned left = row->count - n;
  words_copy(out, row->blocks, n);
  hz_store_relaxed(&row->moving, 1u);
  hz_signal_fence();
  words_copy(row->blocks, row->blocks + n, left);
  row_set_count(row, left);
  hz_signal_fence();
  hz_store_relaxed(&row->moving, 0u);
}

// Relaxed, unlocked: see `bytes`.
static void bytes_add(struct hz3_shelf *s, uint64_t bytes) {
  hz_store_relaxed(&s->bytes, hz_load_relaxed(&s->bytes) + bytes);
}

unsigned hz3_shelf_take(struct hz3_shelf *s, unsigned cls, void **out, unsigned want) {
  struct hz3_row *row = &s->rows[cls];
  uint32_t takes = hz_load_relaxed(&row->takes) + 1; // relaxed, unlocked: a guess
  hz_store_relaxed(&row->takes, takes);
  if (takes % TAKES_PER_ASK == 0)
    hz3_transfer_ask(cls);
  if (hz_load_relaxed(&row->count) == 0 || !row_try(row))
    return 0;
  unsigned n = (unsigned)hz_min(row->count, want), left = row->count - n;
  words_copy(out, row->blocks + left, n);
  row_set_count(row, left);
  row_leave(row);
  bytes_add(s, -(uint64_t)n * hz_class_bytes(cls));
  return n;
}

bool hz3_shelf_give(struct hz3_shelf *s, unsigned cls, void *const *blocks, unsigned count,
                    void **out, unsigned most, unsigned *moved) {
  struct hz3_row *row = &s->rows[cls];
  size_t bytes = hz_class_bytes(cls);
  *moved = 0;
  if (count > HZ3_ROW_BLOCKS / 2 || !row_try(row))
    return false;
  uint64_t weight = hz_load_relaxed(&s->bytes) + count * bytes;
  if ((int64_t)weight > (int64_t)hz_load_relaxed(&hz3_shelf_limit_bytes) ||
      row->count + count > HZ3_ROW_BLOCKS) {
    unsigned n = (unsigned)hz_min(row->count, most);
    if (n < count) { // what is heavy lies in other rows
      row_leave(row);
      return false;
    }
    row_take_oldest(row, out, n);
    *moved = n;
  }
  words_copy(row->blocks + row->count, blocks, count);
  row_set_count(row, row->count + count);
  row_leave(row);
  bytes_add(s, (count - (uint64_t)*moved) * bytes);
  return true;
}

// ---- all of them ----

static size_t row_clear(struct hz3_shelf *s, unsigned cls, bool all, enum hz_api api) {
  struct hz3_row *row = &s->rows[cls];
  void *out[HZ3_ROW_BLOCKS];
  if (hz_load_relaxed(&row->count) == 0 || !row_try(row))
    return 0;
  unsigned n = all ? row->count : row->low;
  row_take_oldest(row, out, n);
  row->low = row->count;
  row_leave(row);
  if (n == 0)
    return 0;
  bytes_add(s, -(uint64_t)n * hz_class_bytes(cls));
  hz3_span_put(cls, out, n, api);
  hz3_count(cls, HZ3_STEP_DRAINED, n);
  return n;
}

size_t hz3_shelf_clear(unsigned cls, bool all, enum hz_api api) {
  size_t blocks = 0;
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    if (s)
      blocks += row_clear(s, cls, all, api);
  }
  return blocks;
}

size_t hz3_shelf_blocks(unsigned cls) {
  size_t blocks = 0;
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    if (s)
      blocks += hz_load_relaxed(&s->rows[cls].count);
  }
  return blocks;
}

static uint64_t bytes_counted(const struct hz3_shelf *s) {
  uint64_t bytes = 0;
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    bytes += hz_load_relaxed(&s->rows[cls].count) * hz_class_bytes(cls);
  return bytes;
}

void hz3_shelf_tick(uint64_t bytes) {
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    if (s)
      hz_store_relaxed(&s->bytes, bytes_counted(s));
  }
  hz_store_relaxed(&all_limit_bytes, bytes);
  limit_share_out();
}

static bool row_is_valid(const struct hz3_row *row) {
  for (unsigned i = 0; i < row->count && row->count <= HZ3_ROW_BLOCKS; i++)
    for (unsigned j = 0; j < i; j++)
      if (row->blocks[i] == row->blocks[j] || !row->blocks[i])
        return false;
  return row->count <= HZ3_ROW_BLOCKS && row->low <= row->count && !row->moving && !row->lock;
}

bool hz3_shelf_is_valid(const struct hz3_shelf *s) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++)
    if (!row_is_valid(&s->rows[cls]))
      return false;
  return s->bytes == bytes_counted(s);
}

// A thread that is no more was stopped between two instructions. What it held of a row is lost with
// it; a row whose blocks it was moving is given up.
void hz3_shelf_after_fork_child(void) {
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++)
    for (unsigned cls = HZ_CLASS_FIRST; hz3_shelves[i] && cls <= HZ_CLASS_LAST; cls++) {
      struct hz3_row *row = &hz3_shelves[i]->rows[cls];
      if (row->moving)
        row->count = row->low = 0;
      row->moving = row->lock = 0;
    }
}
