// Mid's spans.
#include "hz4/mid.h"

#include "common/fail/check.h"
#include "common/os/os.h"
#include "hz4/magazine.h"
#include "hz4/self.h"

struct hz4_central hz4_mid_central[HZ4_MID_CLASSES];

#define FREE(s) ((s)->word[0])
#define PURGED(s) ((s)->word[1])

static struct hz4_central *central_of(unsigned cls) {
  return &hz4_mid_central[cls - HZ4_MID_FIRST_CLASS];
}

static void span_release(struct hz4_span *s, unsigned cls) {
  hz_run_free(hz4_span_granule(s), hz_class_layout_table[cls].span_granules);
}

// Written under the lock, but read without it as hints: relaxed.
static void free_add(struct hz4_central *c, uint64_t n) {
  hz_store_relaxed(&c->free_blocks, c->free_blocks + n);
}
static void unpurged_add(struct hz4_central *c, uint64_t n) {
  hz_store_relaxed(&c->unpurged_blocks, c->unpurged_blocks + n);
}

// Effect: up to `want` of the blocks in `from` leave the span.
static unsigned take_bits(struct hz4_central *c, struct hz4_span *s, uint64_t from, size_t bytes,
                          void **out, unsigned want) {
  char *start = hz_granule_address(hz4_span_granule(s));
  unsigned n = 0;
  for (; from && n < want; from &= from - 1) {
    uint64_t bit = from & (0 - from);
    out[n++] = start + hz_lowest_bit(from) * bytes;
    if (!(PURGED(s) & bit))
      unpurged_add(c, UINT64_MAX);
    FREE(s) &= ~bit;
    PURGED(s) &= ~bit;
  }
  s->free = (uint16_t)(s->free - n);
  free_add(c, 0 - (uint64_t)n);
  return n;
}

static unsigned carve(struct hz4_central *c, struct hz4_span *s, unsigned cls, void **out,
                      unsigned want) {
  char *start = hz_granule_address(hz4_span_granule(s));
  unsigned n = (unsigned)hz_min(want, (size_t)(s->blocks - s->carved));
  if (n == 0)
    return 0;
  for (unsigned i = 0; i < n; i++)
    out[i] = start + (s->carved + i) * hz_class_bytes(cls);
  s->carved = (uint16_t)(s->carved + n);
  hz_store_relaxed(&c->carved_blocks, c->carved_blocks + n);
  hz4_span_raise_limit(s, cls);
  return n;
}

// Effect: up to `want` blocks of one span: what has its pages, what was purged, what is not carved.
static unsigned take_from(struct hz4_central *c, struct hz4_span *s, unsigned cls, void **out,
                          unsigned want, unsigned *fresh) {
  size_t bytes = hz_class_bytes(cls);
  unsigned n = take_bits(c, s, FREE(s) & ~PURGED(s), bytes, out, want);
  n += take_bits(c, s, FREE(s), bytes, out + n, want - n);
  *fresh = carve(c, s, cls, out + n, want - n);
  hz4_central_relist(c, s);
  return n + *fresh;
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

unsigned hz4_mid_take(unsigned cls, void **out, unsigned want, unsigned *fresh) {
  struct hz4_central *c = central_of(cls);
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  unsigned n = take_locked(c, cls, out, want, fresh);
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  if (n > 0)
    return n;
  struct hz4_span *s = hz4_span_make(cls);
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  if (s) {
    c->spans++;
    c->spans_made++;
    // Of the new span, as Small does: none is listed of which nothing is out.
    n = take_from(c, s, cls, out, want, fresh);
    hz4_central_taken(c);
  } else {
    n = take_locked(c, cls, out, want, fresh); // others may have given meanwhile
  }
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return n;
}

// Returns: the span if it is whole now and out of its list: the caller releases it.
static struct hz4_span *relist_or_retire(struct hz4_central *c, struct hz4_span *s) {
  if (HZ_LIKELY(!hz4_span_is_whole(s))) {
    hz4_central_relist(c, s);
    return NULL;
  }
  hz4_central_unlist(c, s);
  free_add(c, 0 - (uint64_t)s->free);
  hz_store_relaxed(&c->carved_blocks, c->carved_blocks - s->carved);
  unpurged_add(c, 0 - (uint64_t)__builtin_popcountll(FREE(s) & ~PURGED(s)));
  c->spans--;
  return s;
}

static struct hz4_span *give_one(struct hz4_central *c, unsigned cls, void *p, uint64_t freed_ms) {
  struct hz4_place at = hz4_span_find(cls, p);
  struct hz4_span *s = at.span;
  uint64_t bit = (uint64_t)1 << at.index;
  if (HZ_UNLIKELY(FREE(s) & bit))
    hz_fail_double_free(p, hz_class_bytes(cls), hz4_api());
  FREE(s) |= bit;
  s->free++;
  s->freed_ms = (uint32_t)freed_ms;
  free_add(c, 1);
  unpurged_add(c, 1);
  return relist_or_retire(c, s);
}

void hz4_mid_give(unsigned cls, void *const *blocks, unsigned n, uint64_t freed_ms) {
  struct hz4_central *c = central_of(cls);
  struct hz4_span *whole[HZ4_MAGAZINE_SLOTS];
  unsigned i = 0;
  while (i < n) {
    unsigned found = 0;
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    for (; i < n && found < HZ4_MAGAZINE_SLOTS; i++) {
      struct hz4_span *s = give_one(c, cls, blocks[i], freed_ms);
      if (s)
        whole[found++] = s;
    }
    hz_store_relaxed(&c->gives, c->gives + 1);
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
    while (found > 0)
      span_release(whole[--found], cls);
  }
}

// ---- purging

enum { CLAIMS = 32, ROUNDS_MAX = 256 };

struct claim {
  struct hz4_span *span;
  uint64_t blocks; // bits; out of the span while their pages go
};

// Effect: takes the blocks to be purged out of up to CLAIMS spans. Requires: lock held.
static unsigned claim_some(struct hz4_central *c, uint32_t before_ms, struct claim *claims) {
  unsigned n = 0;
  for (unsigned b = 0; b < HZ4_BUCKETS; b++) {
    uint32_t next;
    for (uint32_t g = c->list[b]; g != 0 && n < CLAIMS; g = next) {
      struct hz4_span *s = hz4_span_at(g - 1);
      next = s->next; // before it may change lists
      uint64_t blocks = FREE(s) & ~PURGED(s);
      if (blocks == 0 || (int32_t)(before_ms - s->freed_ms) < 0)
        continue;
      claims[n++] = (struct claim){s, blocks};
      unsigned count = (unsigned)__builtin_popcountll(blocks);
      FREE(s) &= ~blocks;
      s->free = (uint16_t)(s->free - count);
      free_add(c, 0 - (uint64_t)count);
      unpurged_add(c, 0 - (uint64_t)count);
      hz4_central_relist(c, s);
    }
  }
  return n;
}

// Effect: the pages that lie wholly in runs of adjacent blocks go back. Returns: bytes.
static size_t purge_pages(const struct claim *claim, size_t bytes) {
  uintptr_t start = (uintptr_t)hz_granule_address(hz4_span_granule(claim->span));
  size_t page = hz_os_page_bytes(), total = 0;
  uint64_t left = claim->blocks;
  while (left) {
    unsigned first = hz_lowest_bit(left);
    uint64_t above = ~(left >> first);
    unsigned count = above ? hz_lowest_bit(above) : 64 - first;
    uintptr_t from = hz_align_up(start + first * bytes, page);
    uintptr_t to = hz_align_down(start + (first + count) * bytes, page);
    if (from < to && hz_os_purge((void *)from, to - from))
      total += to - from;
    if (first + count >= 64)
      break;
    left &= ~(((uint64_t)1 << (first + count)) - 1);
  }
  return total;
}

static size_t purge_class(unsigned cls, uint32_t before_ms) {
  struct hz4_central *c = central_of(cls);
  struct claim claims[CLAIMS];
  size_t total = 0;
  for (unsigned round = 0; round < ROUNDS_MAX; round++) {
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    unsigned n = claim_some(c, before_ms, claims);
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
    for (unsigned i = 0; i < n; i++)
      total += purge_pages(&claims[i], hz_class_bytes(cls));
    struct hz4_span *whole[CLAIMS];
    unsigned found = 0;
    hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
    for (unsigned i = 0; i < n; i++) {
      struct hz4_span *s = claims[i].span;
      unsigned count = (unsigned)__builtin_popcountll(claims[i].blocks);
      FREE(s) |= claims[i].blocks;
      PURGED(s) |= claims[i].blocks;
      s->free = (uint16_t)(s->free + count);
      free_add(c, count);
      struct hz4_span *retired = relist_or_retire(c, s);
      if (retired)
        whole[found++] = retired;
    }
    hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
    while (found > 0)
      span_release(whole[--found], cls);
    if (n < CLAIMS)
      break;
  }
  return total;
}

size_t hz4_mid_purge(uint64_t before_ms) {
  size_t total = 0;
  for (unsigned cls = HZ4_MID_FIRST_CLASS; cls <= HZ_CLASS_LAST; cls++)
    // Unlocked: a hint. Not worth a walk for less than some pages.
    if (hz_load_relaxed(&central_of(cls)->unpurged_blocks) * hz_class_bytes(cls) >= 64 * HZ_KIB)
      total += purge_class(cls, (uint32_t)before_ms);
  return total;
}

bool hz4_mid_is_valid(unsigned cls) {
  struct hz4_central *c = central_of(cls);
  bool valid = true;
  hz_lock_acquire(&c->lock, HZ_RANK_CENTRAL);
  for (unsigned b = 0; b < HZ4_BUCKETS; b++) {
    for (uint32_t g = c->list[b]; g != 0; g = hz4_span_at(g - 1)->next) {
      const struct hz4_span *s = hz4_span_at(g - 1);
      valid = valid && s->cls == cls && s->bucket == b && (PURGED(s) & ~FREE(s)) == 0 &&
              hz4_span_is_valid(s, (uint64_t)__builtin_popcountll(FREE(s)));
    }
  }
  hz_lock_release(&c->lock, HZ_RANK_CENTRAL);
  return valid;
}
