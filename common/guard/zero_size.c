// Addresses without memory. See zero_size.h.
#include "common/guard/zero_size.h"

#include "common/guard/seal.h"
#include "common/os/os.h"

#define ADDRESSES (HZ_GRANULE_BYTES / HZ_MIN_ALIGN_BYTES)
// A page with more addresses out than this is not searched: the next one is made.
#define MOST_OUT (ADDRESSES / 8 * 7)

struct page {
  struct page *next;
  char *start;
  uint32_t hand; // where the search goes on, so that an address is not used again at once
  uint32_t out;
};

// Under the guard's lock.
static struct page *pages;
static struct page *records; // those that found no memory to describe

static void *take(struct page *s, size_t align, enum hz_api api) {
  uint32_t step = (uint32_t)(hz_max(align, HZ_MIN_ALIGN_BYTES) / HZ_MIN_ALIGN_BYTES);
  for (unsigned i = 0; i < ADDRESSES / step && s->out < MOST_OUT; i++) {
    s->hand = (uint32_t)hz_align_up(s->hand + 1, step) % ADDRESSES;
    void *p = s->start + s->hand * HZ_MIN_ALIGN_BYTES;
    uint8_t *state = hz_state_of(p);
    if (hz_load_relaxed(state) >= HZ_STATE_OUT)
      continue;
    s->out++;
    hz_store_release(state, hz_state_out(api)); // partner: hz_state_checked
    return p;
  }
  return NULL;
}

static struct page *record_get(void) {
  hz_guard_lock();
  struct page *s = records;
  if (s)
    records = s->next;
  hz_guard_unlock();
  return s ? s : hz_meta_alloc(sizeof *s, HZ_LINE_BYTES);
}

static void record_keep(struct page *s) {
  hz_guard_lock();
  s->next = records;
  records = s;
  hz_guard_unlock();
}

// Metadata first: once the memory is out of reach, nothing more can be refused.
static struct page *page_make(void) {
  struct hz_run run;
  struct page *s = record_get();
  if (!s)
    return NULL;
  bool got = hz_run_alloc(1, 1, &run);
  char *start = got ? hz_granule_address(run.granule) : NULL;
  if (got)
    hz_os_purge(start, HZ_GRANULE_BYTES);
  if (!got || !hz_os_protect_none(start, HZ_GRANULE_BYTES)) {
    if (got)
      hz_run_free(run.granule, run.count);
    record_keep(s);
    return NULL;
  }
  *s = (struct page){.start = start};
  memset(hz_guard_side_of(s->start)->state, HZ_STATE_NEVER, ADDRESSES);
  hz_store_relaxed(&hz_arena.granules[run.granule].flags, (uint8_t)HZ_GUARD_ZERO_SIZE);
  hz_store_relaxed(&hz_arena.granules[run.granule].tag, (uint8_t)HZ_TAG_LARGE_INSIDE);
  return s;
}

void *hz_zero_size_alloc(size_t align, enum hz_api api) {
  void *p = NULL;
  hz_guard_lock();
  for (struct page *s = pages; s && !p; s = s->next)
    p = take(s, align, api);
  hz_guard_unlock();
  if (p)
    return p;
  struct page *s = page_make();
  if (!s)
    return NULL;
  hz_guard_lock();
  s->next = pages;
  pages = s;
  p = take(s, align, api);
  hz_guard_unlock();
  return p;
}

void hz_zero_size_check(const void *p, enum hz_api api) {
  if (!hz_is_aligned((uintptr_t)p, HZ_MIN_ALIGN_BYTES))
    hz_fail_invalid_free(p, 0, api);
  (void)hz_state_checked(hz_state_of(p), p, 0, api);
}

void hz_zero_size_free(void *p, enum hz_api api) {
  hz_zero_size_check(p, api);
  hz_family_check(hz_state_retire(hz_state_of(p), p, 0, api), p, 0, api);
  char *start = hz_granule_address(hz_granule_of(p));
  hz_guard_lock();
  for (struct page *s = pages; s; s = s->next)
    s->out -= s->start == start;
  hz_guard_unlock();
}
