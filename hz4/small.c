// Small's spans.
//
// What a span has besides its descriptor, a piece of a slab:
//
//   | a bit a block: free | custody: a byte a block |      both in whole words
//
// Bits lie in the descriptor where 128 suffice, custody bytes of few blocks behind it (custody.h):
// then there is less of it, or none.
#include "hz4/small.h"

#include <string.h>

#include "common/base/loyal.h"
#include "common/fail/check.h"
#include "hz4/custody.h"
#include "hz4/magazine.h"
#include "hz4/self.h"
#include "hz4/slab.h"
#include "hz4/tick.h"

struct hz4_central hz4_small_central[HZ4_SHARDS_MAX][HZ4_MID_FIRST_CLASS];

#define INLINE_BLOCKS (HZ4_SPAN_INLINE_WORDS * 64)

// Returns: the span of a block, one granule as all of Small's; names the fault when it is of
// another class.
HZ_INLINE struct hz4_span *span_of(unsigned cls, const void *p) {
  return hz4_span_at(hz_granule_of(p) - hz4_span_index(cls, p));
}

static unsigned words_of(const struct hz4_span *s) {
  return (s->blocks + 63u) / 64;
}

static size_t bits_bytes(const struct hz4_span *s) {
  return s->blocks <= INLINE_BLOCKS ? 0 : words_of(s) * sizeof s->bits[0];
}
static size_t piece_bytes(const struct hz4_span *s) {
  return bits_bytes(s) + hz4_custody_array_bytes(s->cls);
}

static bool piece_take(struct hz4_span *s) {
  s->bits = s->word;
  s->array = (uint8_t *)hz4_custody_gone;
  size_t bytes = piece_bytes(s), bits = bits_bytes(s);
  if (bytes == 0)
    return true;
  uint8_t *piece = hz4_slab_take(bytes, &s->slab);
  if (!piece)
    return false;
  if (bits > 0)
    s->bits = (uint64_t *)(void *)piece;
  if (bytes > bits)
    s->array = piece + bits;
  return true;
}

static void piece_give(struct hz4_span *s) {
  size_t bytes = piece_bytes(s), bits = bits_bytes(s);
  if (bytes == 0)
    return;
  uint8_t *piece = bits > 0 ? (uint8_t *)s->bits : s->array;
  s->bits = s->word;
  s->array = (uint8_t *)hz4_custody_gone;
  hz4_slab_give(piece, bytes, s->slab);
}

static void span_release(struct hz4_span *s, unsigned cls) {
  piece_give(s);
  hz_run_free(hz4_span_granule(s), hz_class_layout_table[cls].span_granules);
}

static struct hz4_span *span_new(unsigned cls) {
  struct hz4_span *s = hz4_span_make(cls);
  if (s && !piece_take(s)) {
    hz_run_free(hz4_span_granule(s), hz_class_layout_table[cls].span_granules);
    return NULL;
  }
  return s;
}

static unsigned take_free(struct hz4_span *s, char *start, size_t bytes, void **out,
                          unsigned want) {
  unsigned n = 0, w = s->hint, words = words_of(s);
  for (; w < words; w++) {
    uint64_t set = s->bits[w];
    for (; set && n < want; set &= set - 1)
      out[n++] = start + (w * 64 + hz_lowest_bit(set)) * bytes;
    s->bits[w] = set;
    if (set || n == want)
      break;
  }
  s->hint = (uint16_t)hz_min(w, words - 1);
  s->free = (uint16_t)(s->free - n);
  return n;
}

static unsigned carve(struct hz4_central *c, struct hz4_span *s, unsigned cls, char *start,
                      void **out, unsigned want) {
  size_t bytes = hz_class_bytes(cls);
  unsigned n = (unsigned)hz_min(want, (size_t)(s->blocks - s->carved));
  if (n == 0)
    return 0;
  for (unsigned i = 0; i < n; i++)
    out[i] = start + (s->carved + i) * bytes;
  s->carved = (uint16_t)(s->carved + n);
  hz_store_relaxed(&c->carved_blocks, c->carved_blocks + n);
  hz4_span_raise_limit(s, cls);
  return n;
}

// Effect: up to `want` blocks of one span, free ones before those not carved yet.
static unsigned take_from(struct hz4_central *c, struct hz4_span *s, unsigned cls, void **out,
                          unsigned want, unsigned *fresh) {
  char *start = hz_granule_address(hz4_span_granule(s));
  unsigned reused = take_free(s, start, hz_class_bytes(cls), out, want);
  hz_store_relaxed(&c->free_blocks, c->free_blocks - reused);
  *fresh = carve(c, s, cls, start, out + reused, want - reused);
  hz4_central_served(c, s);
  return reused + *fresh;
}

static unsigned take_locked(struct hz4_central *c, unsigned cls, void **out, unsigned want,
                            unsigned *fresh) {
  unsigned n = 0;
  *fresh = 0;
  while (n < want) {
    struct hz4_span *s = hz4_central_best(c);
    if (!s)
      break;
    n += take_from(c, s, cls, out + n, want - n, fresh);
  }
  hz4_central_taken(c);
  return n;
}

// Effect: notes that the shard's own threads are at work. Lock held; relaxed, as `loyal` below: who
// looks without it takes a hint (is_lent).
static void used(struct hz4_central *c) {
  hz_store_relaxed(&c->used_ms, hz_load_relaxed(&hz4_tick_state.due_ms));
}

_Static_assert(HZ4_COMPANY_BLOCKS <= HZ_LOYAL_BLOCKS, "what one holding brings is a part of it");
// A shard is idle when its own threads have been elsewhere for so long.
#define IDLE_MS 500u

// Whether others may have what lies free there: a batch, and where the shard's own threads free
// what they allocate, half of all. A look without the lock, hence relaxed.
static bool is_lent(const struct hz4_central *c, unsigned least) {
  uint64_t free = hz_load_relaxed(&c->free_blocks);
  if (free < least)
    return false;
  uint64_t now_ms = hz_load_relaxed(&hz4_tick_state.due_ms);
  return !hz_is_loyal(hz_load_relaxed(&c->loyal)) ||
         now_ms >= hz_load_relaxed(&c->used_ms) + IDLE_MS ||
         free >= hz_load_relaxed(&c->carved_blocks) / 2;
}

// Effect: blocks of another shard where a batch lies free and nobody works. Returns: how many.
static unsigned take_elsewhere(unsigned cls, unsigned shard, void **out, unsigned want,
                               unsigned *fresh) {
  unsigned n = 0, least = (unsigned)hz_min(want, HZ4_MAGAZINE_CAP_MAX);
  for (unsigned i = 1; i < hz4_shards && n == 0; i++) {
    struct hz4_central *c = &hz4_small_central[(shard + i) & (hz4_shards - 1)][cls];
    if (!is_lent(c, least) || !hz_lock_try(&c->lock, HZ_RANK_CENTRAL))
      continue;
    n = take_locked(c, cls, out, want, fresh);
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  }
  return n;
}

// Effect: whatever any shard has, free or not carved yet. When there is no memory for a new span.
static unsigned take_anywhere(unsigned cls, void **out, unsigned want, unsigned *fresh) {
  unsigned n = 0;
  for (unsigned shard = 0; shard < hz4_shards && n == 0; shard++) {
    struct hz4_central *c = &hz4_small_central[shard][cls];
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    n = take_locked(c, cls, out, want, fresh);
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  }
  return n;
}

unsigned hz4_small_take(unsigned cls, unsigned shard, void **out, unsigned want, unsigned *fresh) {
  shard = HZ4_SMALL_SHARD(shard);
  struct hz4_central *c = &hz4_small_central[shard][cls];
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  unsigned n = take_locked(c, cls, out, want, fresh);
  used(c);
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  if (n == 0)
    n = take_elsewhere(cls, shard, out, want, fresh);
  if (n > 0)
    return n;
  struct hz4_span *s = span_new(cls);
  if (!s)
    return take_anywhere(cls, out, want, fresh);
  hz_store_relaxed(&s->shard, (uint8_t)shard);
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  c->spans++;
  c->spans_made++;
  // Of the new span, whatever others gave meanwhile: none is listed of which nothing is out, for
  // nobody would ever find it whole.
  n = take_from(c, s, cls, out, want, fresh);
  hz4_central_taken(c);
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return n;
}

// ---- giving

// Effect: the span stands in its right list. Returns: whether it is whole now and stands in none:
// the caller releases it.
static bool settle(struct hz4_central *c, struct hz4_span *s) {
  if (HZ_LIKELY(!hz4_span_is_whole(s))) {
    hz4_central_relist(c, s);
    return false;
  }
  hz4_central_unlist(c, s);
  hz_store_relaxed(&c->free_blocks, c->free_blocks - s->free);
  hz_store_relaxed(&c->carved_blocks, c->carved_blocks - s->carved);
  c->spans--;
  return true;
}

struct batch {
  void *const *blocks;
  unsigned n;
  void *left[HZ4_COMPANY_BLOCKS]; // of other shards
  unsigned lefts;
  uint32_t whole; // spans, linked by next: granule + 1
};

// Effect: the first of the blocks and those behind it that lie in the same span are free again.
// Returns: how many; the span is settled once for all. Requires: s is the first's span.
HZ_INLINE unsigned give_stretch(struct hz4_span *s, unsigned cls, void *const *blocks, unsigned n,
                                bool leave) {
  uint64_t granule = hz4_span_granule(s), reciprocal = hz4_reciprocals[HZ4_NO_BINS + cls];
  uint32_t limit = hz_load_relaxed(&hz_arena.granules[granule].limit16) * 16;
  uint8_t *custody = HZ_FAST ? NULL : hz4_custody_bytes(cls, granule);
  uintptr_t start = (uintptr_t)hz_granule_address(granule);
  void *const *block = blocks, *const *end = blocks + n;
  // The word of bits that is worked on stays in a register: neighbours wait for no store.
  uint64_t *bits = s->bits, word = 0, at_word = UINT64_MAX;
  for (; block != end; block++) {
    uint64_t offset = (uintptr_t)*block - start;
    if (offset >= HZ_GRANULE_BYTES)
      break;
    // High word: the block's number. Low word: whether it begins there (span.h).
    unsigned __int128 product = (unsigned __int128)reciprocal * offset;
    uint64_t at = (uint64_t)(product >> 64);
    HZ_IN_REGISTER(at);
    if (HZ_UNLIKELY((uint64_t)product >= reciprocal || offset >= limit))
      hz_fail_invalid_free(*block, hz_class_bytes(cls), hz4_api());
    if (!HZ_FAST && leave) {
      if (HZ_UNLIKELY(hz_load_relaxed(&custody[at]) != 0))
        hz_fail_double_free(*block, hz_class_bytes(cls), hz4_api());
      hz_store_relaxed(&custody[at], (uint8_t)1);
    }
    if (at / 64 != at_word) {
      if (at_word != UINT64_MAX)
        bits[at_word] = word;
      at_word = at / 64;
      word = bits[at_word];
      s->hint = (uint16_t)hz_min(s->hint, at_word);
    }
    uint64_t without = word;
    word |= (uint64_t)1 << (at % 64);
    if (HZ_UNLIKELY(word == without))
      hz_fail_double_free(*block, hz_class_bytes(cls), hz4_api());
  }
  bits[at_word] = word;
  n = (unsigned)(block - blocks);
  s->free = (uint16_t)(s->free + n);
  return n;
}

// Not inlined: so all that the loop needs is in registers.
static HZ_NOINLINE unsigned give_shared(struct hz4_span *s, unsigned cls, void *const *blocks,
                                        unsigned n) {
  return give_stretch(s, cls, blocks, n, false);
}
static HZ_NOINLINE unsigned give_leaving(struct hz4_span *s, unsigned cls, void *const *blocks,
                                         unsigned n) {
  return give_stretch(s, cls, blocks, n, true);
}

// Blocks freed in any order lie each in a span of its own, whose lines are far: they are asked for
// while others are worked on.
#define AHEAD_DESCRIPTOR 8u
#define AHEAD_BYTES 4u
HZ_INLINE void look_ahead(unsigned cls, void *const *blocks, unsigned i, unsigned n) {
  if (i + AHEAD_DESCRIPTOR >= n)
    return;
  __builtin_prefetch(hz4_span_at(hz_granule_of(blocks[i + AHEAD_DESCRIPTOR])), 1);
  uint64_t granule = hz_granule_of(blocks[i + AHEAD_BYTES]);
  const struct hz4_span *s = hz4_span_at(granule);
  uint32_t offset = (uint32_t)((uintptr_t)blocks[i + AHEAD_BYTES] & (HZ_GRANULE_BYTES - 1));
  unsigned at = hz4_block_index(cls, offset);
  if (!HZ_FAST)
    __builtin_prefetch(hz4_custody_bytes(cls, granule) + at, 1);
  if (s->bits)
    __builtin_prefetch(&s->bits[at / 64], 1);
}

// Effect: the blocks of spans of the shard go back, the others are left. Lock held. Neighbours in a
// batch are often neighbours in a span.
static void give_locked(struct hz4_central *c, unsigned shard, unsigned cls, struct batch *b,
                        bool leave) {
  void *const *blocks = b->blocks; // which left[] may be: it is read before it is written
  unsigned n = b->n;
  for (unsigned i = 0; i < n;) {
    look_ahead(cls, blocks, i, n);
    struct hz4_span *s = span_of(cls, blocks[i]);
    if (HZ_UNLIKELY(hz_load_relaxed(&s->shard) != shard)) {
      b->left[b->lefts++] = blocks[i++];
      continue;
    }
    unsigned part =
        leave ? give_leaving(s, cls, blocks + i, n - i) : give_shared(s, cls, blocks + i, n - i);
    i += part;
    hz_store_relaxed(&c->free_blocks, c->free_blocks + part); // read without the lock as a hint
    if (settle(c, s)) {
      s->next = b->whole;
      b->whole = (uint32_t)hz4_span_granule(s) + 1;
    }
  }
  hz_store_relaxed(&c->gives, c->gives + 1);
}

// Effect: as many of the batch as have their spans in the shard of the first block's go back,
// brought by one who works on shard `from`.
static void give_some(unsigned cls, unsigned from, struct batch *b, bool leave) {
  unsigned shard = hz_load_relaxed(&span_of(cls, b->blocks[0])->shard);
  struct hz4_central *c = &hz4_small_central[shard][cls];
  b->lefts = b->whole = 0;
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  give_locked(c, shard, cls, b, leave);
  bool own = shard == HZ4_SMALL_SHARD(from);
  hz_store_relaxed(&c->loyal, hz_loyal_after(c->loyal, b->n - b->lefts, own));
  if (own)
    used(c);
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  for (uint32_t g = b->whole, next; g != 0; g = next) {
    struct hz4_span *s = hz4_span_at(g - 1);
    next = s->next;
    span_release(s, cls);
  }
  // The span was made anew in another shard before we had the lock: while a block of it was in
  // our hands only a second free of that block can have made it whole.
  if (HZ_UNLIKELY(b->lefts == b->n))
    hz_fail_double_free(b->blocks[0], hz_class_bytes(cls), hz4_api());
  b->blocks = b->left;
  b->n = b->lefts;
}

void hz4_small_give(unsigned cls, unsigned shard, void *const *blocks, unsigned n, bool leave) {
  struct batch b;
  for (unsigned part; n > 0; n -= part, blocks += part) {
    part = (unsigned)hz_min(n, HZ4_COMPANY_BLOCKS);
    b.blocks = blocks;
    b.n = part;
    do
      give_some(cls, shard, &b, leave);
    while (b.n > 0);
  }
}

// ---- looking

// That a few are suffices: what threads mixed by and by comes apart again only if it goes back.
#define NEAR_SAMPLE 8u
#define NEAR_LEAST 2u

bool hz4_small_is_near(unsigned cls, unsigned shard, void *const *blocks, unsigned n) {
  unsigned own = 0;
  shard = HZ4_SMALL_SHARD(shard);
  if (n < NEAR_SAMPLE)
    return false;
  for (unsigned i = 0; i < NEAR_SAMPLE; i++)
    own += hz_load_relaxed(&span_of(cls, blocks[i * n / NEAR_SAMPLE])->shard) == shard;
  return own >= NEAR_LEAST;
}

static bool is_valid(struct hz4_central *c, unsigned shard, unsigned cls) {
  bool valid = true;
  uint64_t free = 0;
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  for (unsigned b = 0; b < HZ4_BUCKETS; b++) {
    for (uint32_t g = c->list[b]; g != 0; g = hz4_span_at(g - 1)->next) {
      const struct hz4_span *s = hz4_span_at(g - 1);
      uint64_t set = 0;
      for (unsigned w = 0; w < words_of(s); w++)
        set += (uint64_t)__builtin_popcountll(s->bits[w]);
      free += set;
      valid = valid && s->cls == cls && s->shard == shard && s->bucket == b &&
              hz4_span_is_valid(s, set);
    }
  }
  valid = valid && free == c->free_blocks;
  if (c->taking != 0) {
    const struct hz4_span *s = hz4_span_at(c->taking - 1);
    valid = valid && s->cls == cls && s->shard == shard && s->bucket != HZ4_BUCKET_NONE;
  }
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return valid;
}

bool hz4_small_is_valid(unsigned cls) {
  bool valid = true;
  for (unsigned shard = 0; shard < hz4_shards; shard++)
    valid = is_valid(&hz4_small_central[shard][cls], shard, cls) && valid;
  return valid;
}
