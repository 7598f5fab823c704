// Small's spans.
//
// A bitmap has up to 4096 bits: in the descriptor where 256 suffice, else in a piece of 512 bytes
// from the magazines' pool (the same size, so one pool serves both).
#include "hz4/small.h"

#include <string.h>

#include "common/fail/check.h"
#include "hz4/magazine.h"
#include "hz4/self.h"

struct hz4_central hz4_small_central[HZ4_MID_FIRST_CLASS];

#define INLINE_BLOCKS (HZ4_SPAN_INLINE_WORDS * 64)
_Static_assert(HZ4_MAGAZINE_BYTES * 8 == HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES,
               "a piece has a bit for every block of a one-granule span");

static unsigned words_of(const struct hz4_span *s) {
  return (s->blocks + 63u) / 64;
}

// The piece's own number lies where bits will be: kept in the descriptor meanwhile.
static bool bits_make(struct hz4_span *s) {
  if (s->blocks <= INLINE_BLOCKS) {
    s->bits = s->word;
    return true;
  }
  struct hz4_magazine *piece = hz4_magazine_get(0);
  if (!piece)
    return false;
  s->word[0] = piece->id;
  memset(piece, 0, sizeof *piece);
  s->bits = (uint64_t *)(void *)piece;
  return true;
}

static void span_release(struct hz4_span *s, unsigned cls) {
  if (s->bits && s->bits != s->word) {
    struct hz4_magazine *piece = (struct hz4_magazine *)(void *)s->bits;
    piece->id = (uint32_t)s->word[0];
    hz4_magazine_put(piece, 0);
  }
  hz_run_free(hz4_span_granule(s), hz_class_layout_table[cls].span_granules);
}

static struct hz4_span *span_new(unsigned cls) {
  struct hz4_span *s = hz4_span_make(cls, NULL);
  if (s && !bits_make(s)) {
    span_release(s, cls);
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

static unsigned take_locked(struct hz4_central *c, unsigned cls, void **out, unsigned want,
                            unsigned *fresh) {
  unsigned n = 0;
  *fresh = 0;
  size_t bytes = hz_class_bytes(cls);
  while (n < want) {
    struct hz4_span *s = hz4_central_best(c);
    if (!s)
      break;
    char *start = hz_granule_address(hz4_span_granule(s));
    unsigned reused = take_free(s, start, bytes, out + n, want - n);
    hz_store_relaxed(&c->free_blocks, c->free_blocks - reused);
    n += reused;
    *fresh = carve(c, s, cls, start, out + n, want - n);
    n += *fresh;
    hz4_central_relist(c, s);
  }
  c->takes++;
  hz_store_relaxed(&c->taken_at, c->gives);
  return n;
}

unsigned hz4_small_take(unsigned cls, void **out, unsigned want, unsigned *fresh) {
  struct hz4_central *c = &hz4_small_central[cls];
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  unsigned n = take_locked(c, cls, out, want, fresh);
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  if (n > 0)
    return n;
  struct hz4_span *s = span_new(cls);
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  if (s) {
    c->spans++;
    c->spans_made++;
    hz4_central_relist(c, s);
  }
  n = take_locked(c, cls, out, want,
                  fresh); // also without a new span: others may have given meanwhile
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return n;
}

// Effect: one block is free again. Returns: its span, whose list may now be the wrong one.
static struct hz4_span *give_one(struct hz4_central *c, unsigned cls, void *p) {
  struct hz4_place at = hz4_span_find(cls, p);
  struct hz4_span *s = at.span;
  unsigned w = at.index / 64;
  uint64_t bit = (uint64_t)1 << (at.index % 64);
  if (HZ_UNLIKELY(s->bits[w] & bit))
    hz_fail_double_free(p, hz_class_bytes(cls), hz4_api());
  s->bits[w] |= bit;
  s->hint = (uint16_t)hz_min(s->hint, w);
  s->free++;
  hz_store_relaxed(&c->free_blocks, c->free_blocks + 1); // read without the lock as a hint
  return s;
}

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

// Effect: gives blocks back under one lock. Neighbours in a batch are often neighbours in a span,
// which then is settled once for all. Returns: how many spans are whole now, in whole[].
static unsigned give_locked(struct hz4_central *c, unsigned cls, void *const *blocks, unsigned n,
                            struct hz4_span *whole[HZ4_MAGAZINE_SLOTS]) {
  unsigned found = 0;
  struct hz4_span *last = NULL;
  for (unsigned i = 0; i < n; i++) {
    struct hz4_span *s = give_one(c, cls, blocks[i]);
    if (last && s != last && settle(c, last))
      whole[found++] = last;
    last = s;
  }
  if (last && settle(c, last))
    whole[found++] = last;
  hz_store_relaxed(&c->gives, c->gives + 1);
  return found;
}

void hz4_small_give(unsigned cls, void *const *blocks, unsigned n) {
  struct hz4_central *c = &hz4_small_central[cls];
  struct hz4_span *whole[HZ4_MAGAZINE_SLOTS];
  for (unsigned part; n > 0; n -= part, blocks += part) {
    part = (unsigned)hz_min(n, HZ4_MAGAZINE_SLOTS);
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    unsigned found = give_locked(c, cls, blocks, part, whole);
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
    while (found > 0)
      span_release(whole[--found], cls);
  }
}

bool hz4_small_is_valid(unsigned cls) {
  struct hz4_central *c = &hz4_small_central[cls];
  bool valid = true;
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  for (unsigned b = 0; b < HZ4_BUCKETS; b++) {
    for (uint32_t g = c->list[b]; g != 0; g = hz4_span_at(g - 1)->next) {
      const struct hz4_span *s = hz4_span_at(g - 1);
      uint64_t set = 0;
      for (unsigned w = 0; w < words_of(s); w++)
        set += (uint64_t)__builtin_popcountll(s->bits[w]);
      valid = valid && s->cls == cls && s->bucket == b && hz4_span_is_valid(s, set);
    }
  }
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return valid;
}
