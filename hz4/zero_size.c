#include "hz4/zero_size.h"

#include "common/os/os.h"
#include "common/sync/lock.h"
#include "hz4/span.h"

enum { ADDRESSES = HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES };

// One byte for each address: 0 free, else the kind of the call that has it.
struct page {
  struct page *next;
  uint64_t granule;
  uint32_t hand; // where the search goes on, so that an address is not used again at once
  uint32_t out;
  uint8_t kind[ADDRESSES];
};

static struct {
  struct hz_lock lock;
  struct page *first;
} pages;

static void *take(struct page *s, unsigned kind) {
  for (unsigned i = 0; i < ADDRESSES && s->out < ADDRESSES; i++) {
    unsigned at = s->hand++ % ADDRESSES;
    if (s->kind[at])
      continue;
    s->kind[at] = (uint8_t)kind;
    s->out++;
    return (char *)hz_granule_address(s->granule) + at * HZ_MIN_ALIGN_BYTES;
  }
  return NULL;
}

static struct page *page_make(void) {
  struct hz_run run;
  struct page *s = hz_meta_alloc(sizeof *s, HZ_LINE_BYTES);
  if (!s || !hz_run_alloc(1, 1, &run))
    return NULL;
  hz_os_purge(hz_granule_address(run.granule), HZ_GRANULE_BYTES);
  hz_os_protect_none(hz_granule_address(run.granule), HZ_GRANULE_BYTES);
  s->granule = run.granule;
  hz4_span_at(run.granule)->bits = (uint64_t *)(void *)s;
  hz_store_relaxed(&hz_arena.granules[run.granule].flags, (uint8_t)HZ4_ZERO_SIZE);
  hz_store_relaxed(&hz_arena.granules[run.granule].tag, (uint8_t)HZ_TAG_LARGE_INSIDE);
  return s;
}

void *hz4_zero_size_alloc(unsigned kind) {
  hz_lock_acquire(&pages.lock, HZ_RANK_CENTRAL);
  void *p = NULL;
  for (struct page *s = pages.first; s && !p; s = s->next)
    p = take(s, kind);
  hz_lock_release(&pages.lock, HZ_RANK_CENTRAL);
  if (p)
    return p;
  struct page *s = page_make();
  if (!s)
    return NULL;
  hz_lock_acquire(&pages.lock, HZ_RANK_CENTRAL);
  s->next = pages.first;
  pages.first = s;
  p = take(s, kind);
  hz_lock_release(&pages.lock, HZ_RANK_CENTRAL);
  return p;
}

static uint8_t *kind_at(const void *p, enum hz_api api) {
  struct page *s = (struct page *)(void *)hz4_span_at(hz_granule_of(p))->bits;
  size_t offset = (uintptr_t)p & (HZ_GRANULE_BYTES - 1);
  if (offset % HZ_MIN_ALIGN_BYTES != 0)
    hz_fail_invalid_free(p, 0, api);
  return &s->kind[offset / HZ_MIN_ALIGN_BYTES];
}

void hz4_zero_size_check(const void *p, enum hz_api api) {
  if (hz_load_relaxed(kind_at(p, api)) == 0)
    hz_fail_double_free(p, 0, api);
}

void hz4_zero_size_free(void *p, unsigned kind, enum hz_api api) {
  static const enum hz_api made_by[] = {HZ_API_MALLOC, HZ_API_MALLOC, HZ_API_NEW, HZ_API_NEW_ARRAY};
  struct page *s = (struct page *)(void *)hz4_span_at(hz_granule_of(p))->bits;
  uint8_t *at = kind_at(p, api);
  hz_lock_acquire(&pages.lock, HZ_RANK_CENTRAL);
  uint8_t was = *at;
  *at = 0;
  s->out -= was != 0;
  hz_lock_release(&pages.lock, HZ_RANK_CENTRAL);
  if (was == 0)
    hz_fail_double_free(p, 0, api);
  if (was != kind)
    hz_fail_family_mismatch(p, made_by[was & 3], api);
}
