// See slab.h.
#include "hz4/slab.h"

#include <string.h>

#include "common/arena/arena.h"
#include "common/base/bits.h"
#include "common/fail/check.h"
#include "common/os/os.h"
#include "common/sync/lock.h"

#define WORDS 16u // of lines: a word for 4 KiB
#define WORD_BYTES ((size_t)64 * HZ_LINE_BYTES)
_Static_assert(WORDS *WORD_BYTES == HZ4_SLAB_BYTES, "a bit for each line");

#define SERVES_AGAIN_LINES (WORDS * 64u / 4) // free ones
#define IDLE_LEAST_PAGES 16u
#define IDLE_SHARE 4u // so many times as many pages are in use

struct slab {
  uint64_t used[WORDS];
  unsigned char *base;
  uint32_t next;       // in the list of those that serve: number + 1; 0 = none
  uint16_t free_lines; // also of pages that are being purged
  uint16_t purged;     // a bit a word: its page is the OS's
  bool serves;
} HZ_ALIGNED(HZ_LINE_BYTES);

enum { GROUP_SLABS = 256, GROUPS_MAX = 8192 }; // 128 GiB of metadata
static struct slab *directory[GROUPS_MAX];

static struct {
  struct hz_lock lock;
  uint32_t slabs;   // numbers given out
  uint32_t serving; // number + 1; 0 = none
  uint32_t hand;    // where the next purge goes on
  bool purging;     // by one thread at a time
  size_t used_pages, idle_pages, used_lines;
} pool;

static void lock(void) {
  hz_lock_acquire(&pool.lock, HZ_RANK_SLAB);
}
static void unlock(void) {
  hz_lock_release(&pool.lock, HZ_RANK_SLAB);
}

static struct slab *slab_of(uint32_t number) {
  return &directory[number / GROUP_SLABS][number % GROUP_SLABS];
}

static unsigned lines_of(size_t bytes) {
  return (unsigned)hz_div_up(bytes, HZ_LINE_BYTES);
}

// The OS's pages may be larger than the 4 KiB of a word: so many words are one page.
static unsigned page_words(void) {
  return (unsigned)hz_clamp(hz_os_page_bytes() / WORD_BYTES, 1, WORDS);
}
static uint64_t page_bits(const struct slab *s, unsigned word) {
  uint64_t any = 0;
  for (unsigned w = word; w < word + page_words(); w++)
    any |= s->used[w];
  return any;
}

// ---- lines; the lock is held ----

static uint64_t mask_of(unsigned from, unsigned to) {
  return (to - from == 64 ? ~UINT64_C(0) : ((UINT64_C(1) << (to - from)) - 1)) << from;
}

// Effect: the lines are taken, or free again; pages that are entered or left are counted.
static void lines_set(struct slab *s, unsigned first, unsigned n, bool taken) {
  unsigned step = page_words();
  for (unsigned page = first / 64 / step * step; page * 64 < first + n; page += step) {
    bool was = page_bits(s, page) != 0;
    for (unsigned w = page; w < page + step; w++) {
      unsigned from = (unsigned)hz_max(first, w * 64u),
               to = (unsigned)hz_min(first + n, (w + 1) * 64u);
      if (from >= to)
        continue;
      uint64_t mask = mask_of(from - w * 64, to - w * 64);
      HZ_ASSERT((s->used[w] & mask) == (taken ? 0 : mask));
      s->used[w] ^= mask;
    }
    if (taken && !was) {
      pool.used_pages++;
      if (!(s->purged >> page & 1))
        pool.idle_pages--;
      s->purged &= (uint16_t) ~(1u << page);
    } else if (!taken && page_bits(s, page) == 0) {
      pool.used_pages--;
      pool.idle_pages++;
    }
  }
  s->free_lines = (uint16_t)(taken ? s->free_lines - n : s->free_lines + n);
  pool.used_lines = taken ? pool.used_lines + n : pool.used_lines - n;
}

// Returns: the first of n free lines in a row, or WORDS * 64.
static unsigned lines_find(const struct slab *s, unsigned n) {
  unsigned run = 0;
  for (unsigned line = 0; line < WORDS * 64;) {
    uint64_t rest = s->used[line / 64] >> line % 64;
    unsigned left = 64 - line % 64;
    if (rest & 1) { // behind the lines that are taken
      line += (unsigned)hz_min(left, ~rest ? hz_lowest_bit(~rest) : 64);
      run = 0;
      continue;
    }
    unsigned free = rest ? hz_lowest_bit(rest) : left;
    run += free;
    line += free;
    if (run >= n)
      return line - run;
  }
  return WORDS * 64;
}

static void serve(uint32_t number) {
  struct slab *s = slab_of(number);
  s->serves = true;
  s->next = pool.serving;
  pool.serving = number + 1;
}

// ---- take ----

// Returns: a piece of a slab that serves, NULL where none has room.
static void *take_locked(unsigned lines, uint32_t *slab) {
  for (; pool.serving != 0; pool.serving = slab_of(pool.serving - 1)->next) {
    struct slab *s = slab_of(pool.serving - 1);
    unsigned first = lines_find(s, lines);
    if (first < WORDS * 64) {
      lines_set(s, first, lines, true);
      *slab = pool.serving - 1;
      return s->base + (size_t)first * HZ_LINE_BYTES;
    }
    s->serves = false; // until a quarter is free
  }
  return NULL;
}

// Effect: one more slab serves. Returns: false when the OS refuses memory.
static bool slab_add(void) {
  unsigned char *base =
      hz_meta_alloc(HZ4_SLAB_BYTES, hz_max(hz_min(hz_os_page_bytes(), HZ4_SLAB_BYTES), WORD_BYTES));
  if (!base)
    return false;
  lock();
  uint32_t number = pool.slabs, group = number / GROUP_SLABS;
  bool known = group < GROUPS_MAX && directory[group] != NULL;
  unlock();
  struct slab *fresh = NULL;
  if (!known && group < GROUPS_MAX)
    fresh = hz_meta_alloc(GROUP_SLABS * sizeof *fresh, HZ_LINE_BYTES);
  lock();
  number = pool.slabs; // others may have been faster; what they brought serves, and ours as well
  group = number / GROUP_SLABS;
  if (group < GROUPS_MAX && !directory[group]) // else it is lost, once in 256 slabs at the most
    directory[group] = fresh;
  bool added = group < GROUPS_MAX && directory[group];
  if (added) {
    struct slab *s = slab_of(number);
    s->base = base;
    s->free_lines = WORDS * 64;
    // What the OS just gave is not resident.
    for (unsigned w = 0; w < WORDS; w += page_words())
      s->purged |= (uint16_t)(1u << w);
    pool.slabs++;
    serve(number);
  }
  unlock();
  return added;
}

void *hz4_slab_take(size_t bytes, uint32_t *slab) {
  HZ_ASSERT(bytes > 0 && bytes <= HZ4_PIECE_MOST_BYTES);
  unsigned lines = lines_of(bytes);
  void *piece;
  do {
    lock();
    piece = take_locked(lines, slab);
    unlock();
  } while (!piece && slab_add());
  return piece ? memset(piece, 0, (size_t)lines * HZ_LINE_BYTES) : NULL;
}

// ---- purge ----

static bool is_too_idle(void) {
  return pool.idle_pages > IDLE_LEAST_PAGES + pool.used_pages / IDLE_SHARE;
}

// Effect: the slab's idle pages count as taken from now on. Returns: which; a bit for a page's
// first word. The lock is held.
static uint16_t idle_claim(struct slab *s) {
  uint16_t claimed = 0;
  for (unsigned w = 0; w < WORDS; w += page_words()) {
    if (s->purged >> w & 1 || page_bits(s, w) != 0)
      continue;
    claimed |= (uint16_t)(1u << w);
    memset(&s->used[w], 0xff, page_words() * sizeof s->used[0]);
    pool.idle_pages--;
  }
  return claimed;
}

// Effect: they are free again, and not resident where the OS took them. The lock is held.
static void idle_release(struct slab *s, uint16_t claimed, uint16_t taken) {
  for (unsigned w = 0; w < WORDS; w += page_words()) {
    if (!(claimed >> w & 1))
      continue;
    memset(&s->used[w], 0, page_words() * sizeof s->used[0]);
    if (taken >> w & 1)
      s->purged |= (uint16_t)(1u << w);
    else
      pool.idle_pages++;
  }
}

// Returns: which of the pages the OS took, neighbours in one call.
static uint16_t pages_purge(unsigned char *base, uint16_t claimed) {
  uint16_t taken = 0;
  unsigned step = page_words();
  for (unsigned w = 0, end; w < WORDS; w = end + step) {
    for (end = w; end < WORDS && claimed >> end & 1; end += step) {
    }
    if (end > w && hz_os_purge(base + w * WORD_BYTES, (end - w) * WORD_BYTES))
      taken |= (uint16_t)(mask_of(w, end) & claimed);
  }
  return taken;
}

// Effect: one round over the slabs, or until there is no more to give back than `enough` pages.
// Returns: bytes.
static size_t purge(size_t enough) {
  size_t pages = 0;
  lock();
  bool mine = !pool.purging;
  pool.purging = true;
  for (uint32_t i = 0; mine && i < pool.slabs && pool.idle_pages > enough; i++) {
    pool.hand = pool.hand + 1 < pool.slabs ? pool.hand + 1 : 0;
    struct slab *s = slab_of(pool.hand);
    uint16_t claimed = idle_claim(s);
    if (claimed == 0)
      continue;
    unlock();
    uint16_t taken = pages_purge(s->base, claimed);
    lock();
    idle_release(s, claimed, taken);
    pages += (unsigned)__builtin_popcount(taken);
  }
  if (mine)
    pool.purging = false;
  unlock();
  return pages * page_words() * WORD_BYTES;
}

size_t hz4_slab_purge_all(void) {
  return purge(0);
}

void hz4_slab_give(void *piece, size_t bytes, uint32_t slab) {
  lock();
  struct slab *s = slab_of(slab);
  unsigned first = (unsigned)((size_t)((unsigned char *)piece - s->base) / HZ_LINE_BYTES);
  lines_set(s, first, lines_of(bytes), false);
  if (!s->serves && s->free_lines >= SERVES_AGAIN_LINES)
    serve(slab);
  bool much = is_too_idle() && !pool.purging;
  size_t enough = (IDLE_LEAST_PAGES + pool.used_pages / IDLE_SHARE) / 2;
  unlock();
  if (HZ_UNLIKELY(much))
    purge(enough);
}

// ---- what there is ----

void hz4_slab_stats_read(struct hz4_slab_stats *out) {
  lock();
  *out = (struct hz4_slab_stats){pool.slabs, pool.used_pages, pool.idle_pages, pool.used_lines};
  unlock();
}

bool hz4_slab_is_valid(void) {
  size_t used = 0, idle = 0, lines = 0;
  bool valid = true;
  lock();
  for (uint32_t number = 0; number < pool.slabs; number++) {
    const struct slab *s = slab_of(number);
    unsigned taken = 0;
    for (unsigned w = 0; w < WORDS; w++)
      taken += (unsigned)__builtin_popcountll(s->used[w]);
    for (unsigned w = 0; w < WORDS; w += page_words()) {
      bool away = s->purged >> w & 1;
      used += page_bits(s, w) != 0;
      idle += page_bits(s, w) == 0 && !away;
      valid = valid && !(away && page_bits(s, w) != 0);
    }
    valid = valid && (pool.purging || s->free_lines == WORDS * 64 - taken);
    lines += WORDS * 64u - s->free_lines;
  }
  valid = valid && lines == pool.used_lines &&
          (pool.purging || (used == pool.used_pages && idle == pool.idle_pages));
  unlock();
  return valid;
}

void hz4_slab_before_fork(void) {
  lock();
}
void hz4_slab_after_fork_parent(void) {
  unlock();
}
// Released, not reset: a reset forgets the ranks of the locks that this thread still holds. Pages
// that another thread was about to give back stay taken.
void hz4_slab_after_fork_child(void) {
  pool.purging = false;
  unlock();
}
