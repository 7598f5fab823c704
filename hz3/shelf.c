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
struct hz3_shelf_cpu hz3_shelf_cpu;
static uint32_t shelves_end; // none was made at or beyond, as of the last tick or making

// ---- which ----

void hz3_shelf_init(void) {
  hz3_shelf_cpu.known = hz_rseq_area(&hz3_shelf_cpu.area);
#if !defined(__SANITIZE_THREAD__) // which does not see what a sequence does
  hz3_shelf_cpu.claims = hz3_shelf_cpu.known && hz_rseq_barrier_register();
#endif
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

HZ_COLD struct hz3_shelf *hz3_shelf_make(unsigned cpu) {
  struct hz3_shelf *fresh = hz_meta_alloc(sizeof *fresh, HZ_NO_SHARE_BYTES), *none = NULL;
  if (!fresh)
    return NULL;
  fresh->cpu = cpu;
  // Who loses uses the winner's; the loser's addresses are lost, its memory was never touched.
  if (!hz_cas_acq_rel(&hz3_shelves[cpu], &none, fresh))
    return none;
  limit_share_out();
  return fresh;
}

// ---- rows ----

// Acquire, the swap and the claim: the row is as its last holder left it; partner: the release in
// row_leave.
static bool row_try(const struct hz3_shelf *s, struct hz3_row *row) {
  if (HZ_LIKELY(hz3_shelf_cpu.claims))
    return hz_rseq_claim(hz3_shelf_cpu.area, s->cpu, &row->lock);
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
  if (count < hz_load_relaxed(&row->low))
    hz_store_relaxed(&row->low, (uint16_t)count); // a tick may look, and set it
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
  if (hz_load_relaxed(&row->count) == 0 || !row_try(s, row))
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
  if (count > HZ3_ROW_BLOCKS / 2 || !row_try(s, row))
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

// Rows that are locked at once, and cleared one after the other.
#define CLEAR_ROWS 32u

struct clearing {
  uint32_t token;
  unsigned count;
  struct {
    struct hz3_shelf *shelf;
    unsigned cls;
  } row[CLEAR_ROWS];
};

// Effect: the row's lock holds the token, if it was free: by a swap, whose CPU may be another.
static void clearing_add(struct clearing *c, struct hz3_shelf *s, unsigned cls) {
  uint32_t free = 0;
  if (c->count == 0)
    c->token = hz_rseq_token();
  if (!hz_cas_acquire(&s->rows[cls].lock, &free, c->token))
    return;
  c->row[c->count].shelf = s;
  c->row[c->count++].cls = cls;
}

// Effect: the blocks of a row whose lock is held go back to spans: all, or what was not needed.
// Returns: how many.
static size_t row_clear(struct hz3_shelf *s, unsigned cls, bool all, enum hz_api api) {
  struct hz3_row *row = &s->rows[cls];
  void *out[HZ3_ROW_BLOCKS];
  unsigned n = all ? row->count : (unsigned)hz_min(hz_load_relaxed(&row->low), row->count);
  row_take_oldest(row, out, n);
  hz_store_relaxed(&row->low, row->count);
  row_leave(row);
  if (n == 0)
    return 0;
  bytes_add(s, -(uint64_t)n * hz_class_bytes(cls));
  hz3_span_put(cls, out, n, api);
  hz3_count(cls, HZ3_STEP_DRAINED, n);
  return n;
}

static size_t clearing_run(struct clearing *c, bool all, enum hz_api api) {
  size_t blocks = 0;
  if (c->count == 0)
    return 0;
  bool ours = !hz3_shelf_cpu.claims || hz_rseq_barrier_all();
  for (unsigned i = 0; i < c->count; i++) {
    struct hz3_shelf *s = c->row[i].shelf;
    struct hz3_row *row = &s->rows[c->row[i].cls];
    uint32_t token = c->token;
    // Acquire, as in row_try: what a claim that committed before the barrier did to the row was
    // left by it, or the token is gone.
    if (ours && hz_load_acquire(&row->lock) == token)
      blocks += row_clear(s, c->row[i].cls, all, api);
    else
      (void)hz_cas_relaxed(&row->lock, &token, 0u); // without a barrier nothing was looked at
  }
  c->count = 0;
  return blocks;
}

// A look without the lock, hence relaxed. Returns: whether there is something to clear. Where there
// is not, an interval begins.
static bool row_has(struct hz3_row *row, bool all) {
  unsigned count = hz_load_relaxed(&row->count);
  if (all || count == 0)
    return count != 0;
  if (hz_load_relaxed(&row->low) != 0)
    return true;
  hz_store_relaxed(&row->low, (uint16_t)count);
  return false;
}

static size_t rows_clear(const bool *classes, bool all, enum hz_api api) {
  struct clearing c = {.count = 0};
  size_t blocks = 0;
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    for (unsigned cls = HZ_CLASS_FIRST; s && cls <= HZ_CLASS_LAST; cls++) {
      if ((classes && !classes[cls]) || !row_has(&s->rows[cls], all))
        continue;
      clearing_add(&c, s, cls);
      if (c.count == CLEAR_ROWS)
        blocks += clearing_run(&c, all, api);
    }
  }
  return blocks + clearing_run(&c, all, api);
}

size_t hz3_shelf_clear_row(struct hz3_shelf *s, unsigned cls, enum hz_api api) {
  struct hz3_row *row = &s->rows[cls];
  return row_has(row, true) && row_try(s, row) ? row_clear(s, cls, true, api) : 0;
}

size_t hz3_shelf_clear(const bool *classes, enum hz_api api) {
  return rows_clear(classes, true, api);
}

size_t hz3_shelf_age(void) {
  return rows_clear(NULL, false, HZ_API_FREE);
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

bool hz3_shelf_is_idle(uint64_t bytes) {
  uint64_t fullest = 0, count = 0;
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    int64_t held = s ? (int64_t)hz_load_relaxed(&s->bytes) : 0;
    fullest = hz_max(fullest, held > 0 ? (uint64_t)held : 0);
    count += s != NULL;
  }
  return fullest < bytes / hz_max(count, 1);
}

uint64_t hz3_shelf_tick(uint64_t bytes) {
  uint64_t held = 0;
  for (unsigned i = 0, end = hz_load_relaxed(&shelves_end); i < end; i++) {
    struct hz3_shelf *s = hz_load_acquire(&hz3_shelves[i]);
    if (!s)
      continue;
    uint64_t counted = bytes_counted(s);
    hz_store_relaxed(&s->bytes, counted);
    held += counted;
  }
  hz_store_relaxed(&all_limit_bytes, bytes);
  limit_share_out();
  return held;
}

static bool row_is_valid(const struct hz3_row *row) {
  for (unsigned i = 0; i < row->count && row->count <= HZ3_ROW_BLOCKS; i++)
    for (unsigned j = 0; j < i; j++)
      if (row->blocks[i] == row->blocks[j] || !row->blocks[i])
        return false;
  return row->count <= HZ3_ROW_BLOCKS && !row->moving && !row->lock;
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
  if (hz3_shelf_cpu.claims) // a new address space; where it fails, rows are not cleared
    (void)hz_rseq_barrier_register();
  for (unsigned i = 0; i < HZ3_SHELVES_MOST; i++) // also one that was just being made
    for (unsigned cls = HZ_CLASS_FIRST; hz3_shelves[i] && cls <= HZ_CLASS_LAST; cls++) {
      struct hz3_row *row = &hz3_shelves[i]->rows[cls];
      if (row->moving)
        row->count = row->low = 0;
      row->moving = row->lock = 0;
    }
}
