#include "hz4/guard.h"

#include <errno.h>
#include <string.h>

#include "common/abi/report.h"
#include "common/fail/check.h"
#include "common/large/large.h"
#include "common/os/os.h"
#include "hz4/custody.h"
#include "hz4/route.h"
#include "hz4/zero_size.h"

enum kind { KIND_MALLOC = 1, KIND_NEW, KIND_NEW_ARRAY };

static enum kind kind_of(enum hz_api api) {
  switch (api) {
  case HZ_API_NEW:
  case HZ_API_DELETE:
    return KIND_NEW;
  case HZ_API_NEW_ARRAY:
  case HZ_API_DELETE_ARRAY:
    return KIND_NEW_ARRAY;
  default:
    return KIND_MALLOC;
  }
}
static const enum hz_api made_by[] = {HZ_API_MALLOC, HZ_API_MALLOC, HZ_API_NEW, HZ_API_NEW_ARRAY};

static uint64_t secret; // drawn at the first block; 0 until then

HZ_INLINE uint64_t secret_get(void) {
  uint64_t s = hz_load_relaxed(&secret);
  if (HZ_LIKELY(s != 0))
    return s;
  uint64_t fresh, none = 0;
  hz_os_random(&fresh, sizeof fresh);
  fresh |= 1;
  // Relaxed: one word that says it all.
  return hz_cas_relaxed(&secret, &none, fresh) ? fresh : none;
}

HZ_INLINE uint64_t mixed(const void *p) {
  uint64_t x = ((uintptr_t)p ^ secret_get()) * 0x9e3779b97f4a7c15u;
  return x ^ x >> 29;
}

// ---- canary and tail of a block of a class

// tail [ slack:18 | kind:2 | check:12 ] or, below 64 bytes, [ slack:6 | kind:2 | check:8 ]
HZ_INLINE size_t tail_bytes(size_t have) {
  return have < 64 ? 2 : 4;
}

HZ_INLINE uint32_t tail_of(uint64_t m, size_t have, size_t slack, enum kind kind) {
  if (have < 64)
    return (uint32_t)((slack << 10 | (size_t)kind << 8 | (m >> 40 & 0xff)) ^ m) & 0xffff;
  return (uint32_t)((slack << 14 | (size_t)kind << 12 | (m >> 40 & 0xfff)) ^ m);
}

// The canary goes by words of the block, at most so many of them from its beginning on.
enum { CANARY_WORDS = 8 };

HZ_INLINE uint64_t canary_word(uint64_t m) {
  return m | 0x0101010101010101u;
}

HZ_INLINE unsigned char canary_of(uint64_t m, size_t at) {
  return (unsigned char)(canary_word(m) >> (at % 8 * 8));
}

// Which bytes of word w are the canary's: from `bytes` on, up to the tail in the last word.
HZ_INLINE uint64_t canary_mask(size_t w, size_t have, size_t bytes) {
  uint64_t mask = w == bytes / 8 ? UINT64_MAX << (bytes % 8 * 8) : UINT64_MAX;
  return w == have / 8 - 1 ? mask & UINT64_MAX >> (tail_bytes(have) * 8) : mask;
}

HZ_INLINE void seal(unsigned char *p, size_t have, size_t bytes, enum kind kind) {
  uint64_t m = mixed(p), c = canary_word(m), *word = (uint64_t *)(void *)p;
  size_t end = hz_min(bytes / 8 + CANARY_WORDS, have / 8);
  for (size_t w = bytes / 8; w < end; w++) {
    uint64_t mask = canary_mask(w, have, bytes);
    word[w] = (word[w] & ~mask) | (c & mask);
  }
  uint32_t tail = tail_of(m, have, have - bytes, kind);
  memcpy(p + have - tail_bytes(have), &tail, tail_bytes(have));
}

struct seal {
  size_t bytes;
  enum kind kind;
};

// Returns: what the seal says; a broken one ends the process.
HZ_INLINE struct seal seal_checked(unsigned char *p, size_t have, enum hz_api api) {
  size_t tail = tail_bytes(have);
  uint32_t found = 0;
  memcpy(&found, p + have - tail, tail);
  uint64_t m = mixed(p), c = canary_word(m), *word = (uint64_t *)(void *)p, broken = 0;
  uint32_t plain = have < 64 ? (found ^ (uint32_t)m) & 0xffff : found ^ (uint32_t)m;
  size_t slack = have < 64 ? plain >> 10 : plain >> 14;
  enum kind kind = (enum kind)(have < 64 ? plain >> 8 & 3 : plain >> 12 & 3);
  if (HZ_UNLIKELY(slack < tail || slack > have || kind == 0 ||
                  tail_of(m, have, slack, kind) != found))
    hz_fail_overflow(p, have, api);
  size_t bytes = have - slack, end = hz_min(bytes / 8 + CANARY_WORDS, have / 8);
  for (size_t w = bytes / 8; w < end; w++)
    broken |= (word[w] ^ c) & canary_mask(w, have, bytes);
  if (HZ_UNLIKELY(broken != 0))
    hz_fail_overflow(p, bytes, api);
  return (struct seal){bytes, kind};
}

static bool is_zero(const unsigned char *p, size_t bytes) {
  // Blocks are multiples of 16 and aligned to it.
  const uint64_t *word = (const uint64_t *)(const void *)p;
  uint64_t any = 0;
  for (size_t i = 0; i < bytes / 8; i += 2)
    any |= word[i] | word[i + 1];
  return any == 0;
}

// ---- the quarantine of a thread: first in, first out

enum { QUARANTINE_BLOCKS = 64 };
#define QUARANTINE_BYTES (512 * HZ_KIB)

struct quarantine {
  void *block[QUARANTINE_BLOCKS];
  uint32_t cls[QUARANTINE_BLOCKS];
  uint32_t first, count;
  size_t bytes;
  struct quarantine *next; // of those without a thread
};
static __thread struct quarantine *mine;
static struct {
  struct hz_lock lock; // HZ_RANK_META would be below it: never held together with another
  struct quarantine *unowned;
} pool;

static struct quarantine *quarantine_get(void) {
  if (HZ_LIKELY(mine != NULL))
    return mine;
  if (hz4_self.state == HZ4_STATE_BARE || hz4_self.state == HZ4_STATE_NEW)
    return NULL;
  hz_lock_acquire(&pool.lock, HZ_RANK_CENTRAL);
  struct quarantine *q = pool.unowned;
  if (q)
    pool.unowned = q->next;
  hz_lock_release(&pool.lock, HZ_RANK_CENTRAL);
  return mine = q ? q : hz_meta_alloc(sizeof *q, HZ_LINE_BYTES);
}

static void quarantine_pop(struct quarantine *q, enum hz_api api) {
  uint32_t at = q->first++ % QUARANTINE_BLOCKS;
  void *p = q->block[at];
  q->count--;
  q->bytes -= hz_class_bytes(q->cls[at]);
  hz4_route_free(p, api);
}

static void quarantine_push(void *p, unsigned cls, enum hz_api api) {
  struct quarantine *q = quarantine_get();
  if (!q) {
    hz4_route_free(p, api);
    return;
  }
  size_t bytes = hz_class_bytes(cls);
  while (q->count == QUARANTINE_BLOCKS || (q->count > 1 && q->bytes + bytes > QUARANTINE_BYTES))
    quarantine_pop(q, api);
  uint32_t at = (q->first + q->count++) % QUARANTINE_BLOCKS;
  q->block[at] = p;
  q->cls[at] = cls;
  q->bytes += bytes;
}

void hz4_guard_leave(void) {
  struct quarantine *q = mine;
  if (!q)
    return;
  mine = NULL;
  while (q->count > 0)
    quarantine_pop(q, HZ_API_THREAD_EXIT);
  hz_lock_acquire(&pool.lock, HZ_RANK_CENTRAL);
  q->next = pool.unowned;
  pool.unowned = q;
  hz_lock_release(&pool.lock, HZ_RANK_CENTRAL);
}

// ---- Large

// What the side of a large block's first granule holds (the descriptor is nobody's meanwhile).
#define LARGE_BYTES(d) ((d)->word[0])
#define LARGE_KIND(d) ((d)->word[1])
#define LARGE_QUARANTINED 0x80u

enum { LARGE_CANARY_BYTES = 256, LARGE_QUARANTINE = 16 };

static struct hz4_span *side_of(const void *p) {
  return hz4_span_at(hz_granule_of(p));
}

// The canary: the first bytes behind the block, and the last of its run.
static void large_canary(unsigned char *p, size_t have, size_t bytes, bool check, enum hz_api api) {
  uint64_t m = mixed(p);
  size_t ends[2][2] = {{bytes, hz_min(bytes + LARGE_CANARY_BYTES, have)},
                       {hz_max(bytes, have - LARGE_CANARY_BYTES), have}};
  for (unsigned i = 0; i < 2; i++)
    for (size_t at = ends[i][0]; at < ends[i][1]; at++) {
      if (!check)
        p[at] = canary_of(m, at);
      else if (p[at] != canary_of(m, at))
        hz_fail_overflow(p, bytes, api);
    }
}

static void *large_alloc(size_t align, size_t bytes, enum hz_api api) {
  unsigned char *p = bytes > PTRDIFF_MAX - HZ_GRANULE_BYTES
                         ? NULL
                         : hz4_route_alloc_large(bytes + LARGE_CANARY_BYTES, align, true, api);
  if (!p)
    return hz_abi_no_memory();
  struct hz4_span *d = side_of(p);
  LARGE_BYTES(d) = bytes;
  LARGE_KIND(d) = kind_of(api);
  large_canary(p, hz_large_usable(p, api), bytes, false, api);
  return p;
}

static uint64_t large_quarantine[LARGE_QUARANTINE]; // addresses; whoever swaps one out frees it
static uint32_t large_hand;

static void large_free(void *p, enum hz_api api) {
  struct hz4_span *d = side_of(p);
  size_t have = hz_large_usable(p, api);
  uint64_t kind = hz_or_relaxed(&LARGE_KIND(d), (uint64_t)LARGE_QUARANTINED);
  if (kind & LARGE_QUARANTINED)
    hz_fail_double_free(p, LARGE_BYTES(d), api);
  if (kind != kind_of(api))
    hz_fail_family_mismatch(p, made_by[kind & 3], api);
  large_canary(p, have, LARGE_BYTES(d), true, api);
  hz_os_purge(p, have);
  hz_os_protect_none(p, have);
  uint32_t at = hz_add_relaxed(&large_hand, 1u) % LARGE_QUARANTINE;
  // Acquire and release: the records and the side of the block that comes out.
  void *old = (void *)(uintptr_t)hz_exchange_acq_rel(&large_quarantine[at], (uint64_t)(uintptr_t)p);
  if (!old)
    return;
  if (hz_os_commit(old, hz_large_usable(old, api)))
    hz4_route_free(old, api); // else it stays out of reach: no memory to make it usable
}

// ---- blocks of a class

static void *class_alloc(unsigned cls, size_t bytes, enum hz_api api) {
  size_t have = hz_class_bytes(cls);
  unsigned char *p = hz4_route_alloc(have, api);
  if (!p)
    return NULL;
  if (HZ_UNLIKELY(!is_zero(p, have)))
    hz_fail_write_after_free(p, have, api);
  seal(p, have, bytes, kind_of(api));
  // Release: the seal; partner: the exchange in class_free.
  hz_store_release(hz4_custody_byte(cls, p), (uint8_t)HZ4_CUSTODY_LIVE);
  return p;
}

static void class_free(void *p, unsigned cls, enum hz_api api) {
  size_t have = hz_class_bytes(cls);
  uint8_t live = HZ4_CUSTODY_LIVE;
  // Of two threads that free it at once one succeeds.
  if (!hz_cas_acquire(hz4_custody_byte(cls, p), &live, (uint8_t)0))
    hz_fail_double_free(p, have, api);
  struct seal s = seal_checked(p, have, api);
  if (s.kind != kind_of(api))
    hz_fail_family_mismatch(p, made_by[s.kind], api);
  memset(p, 0, have);
  quarantine_push(p, cls, api);
}

static void live_checked(const void *p, unsigned cls, enum hz_api api) {
  if (hz_load_acquire(hz4_custody_byte(cls, (void *)(uintptr_t)p)) != HZ4_CUSTODY_LIVE)
    hz_fail_double_free(p, hz_class_bytes(cls), api);
}

// ---- the surface

void *hz4_guard_alloc(size_t align, size_t bytes, enum hz_api api) {
  if (HZ_UNLIKELY(bytes == 0 && align <= HZ_MIN_ALIGN_BYTES)) {
    void *p = hz4_route_enter() ? hz4_zero_size_alloc(kind_of(api)) : NULL;
    return p ? p : hz_abi_no_memory();
  }
  size_t sealed = bytes + tail_bytes(bytes + 4 < 64 ? 16 : 64);
  if (HZ_UNLIKELY(bytes > HZ_CLASS_MAX_BYTES - 4))
    return large_alloc(align, bytes, api);
  unsigned cls =
      align <= HZ_MIN_ALIGN_BYTES ? hz_class_of(sealed) : hz_class_of_aligned(sealed, align);
  if (cls == HZ_CLASS_NONE)
    return large_alloc(align, bytes, api);
  if (bytes + tail_bytes(hz_class_bytes(cls)) >
      hz_class_bytes(cls)) // the class turned out to be 64 or more
    cls = align <= HZ_MIN_ALIGN_BYTES ? hz_class_of(bytes + 4)
                                      : hz_class_of_aligned(bytes + 4, align);
  return cls ? class_alloc(cls, bytes, api) : large_alloc(align, bytes, api);
}

void hz4_guard_free(void *p, enum hz_api api) {
  if (p == NULL)
    return;
  uint64_t granule = hz_granule_of(p);
  if (granule < hz_arena.end && hz4_zero_size_is(granule)) {
    hz4_zero_size_free(p, kind_of(api), api);
    return;
  }
  unsigned cls = hz4_class_checked(p, api);
  if (cls)
    class_free(p, cls, api);
  else
    large_free(p, api);
}

size_t hz4_guard_usable(const void *p, enum hz_api api) {
  uint64_t granule = hz_granule_of(p);
  if (granule < hz_arena.end && hz4_zero_size_is(granule)) {
    hz4_zero_size_check(p, api);
    return 0;
  }
  unsigned cls = hz4_class_checked((void *)(uintptr_t)p, api);
  if (cls == HZ_CLASS_NONE) {
    (void)hz_large_usable(p, api);
    if (LARGE_KIND(side_of(p)) & LARGE_QUARANTINED)
      hz_fail_double_free(p, LARGE_BYTES(side_of(p)), api);
    return LARGE_BYTES(side_of(p));
  }
  live_checked(p, cls, api);
  return seal_checked((unsigned char *)(uintptr_t)p, hz_class_bytes(cls), api).bytes;
}

void hz4_guard_free_sized(void *p, size_t bytes, enum hz_api api) {
  if (p == NULL)
    return;
  size_t asked = hz4_guard_usable(p, api);
  if (asked != bytes)
    hz_fail_size_mismatch(p, bytes, asked, api);
  hz4_guard_free(p, api);
}

// Returns: whether the block could stay where it is, resealed. Requires: usable has judged it.
static bool resealed(void *p, size_t bytes, enum hz_api api) {
  unsigned cls = hz4_class_checked(p, api);
  size_t have = hz_class_bytes(cls);
  if (cls == HZ_CLASS_NONE || bytes > have || bytes + tail_bytes(have) > have || bytes < have / 2)
    return false;
  seal(p, have, bytes, seal_checked(p, have, api).kind);
  return true;
}

// Large stays large: in place, or by moving its pages; the place it leaves is not kept out of
// reach.
static void *large_realloc(void *p, size_t bytes, enum hz_api api) {
  uint64_t kind = LARGE_KIND(side_of(p));
  large_canary(p, hz_large_usable(p, api), LARGE_BYTES(side_of(p)), true, api);
  void *q = bytes > PTRDIFF_MAX - HZ_GRANULE_BYTES
                ? NULL
                : hz_large_realloc(p, bytes + LARGE_CANARY_BYTES, api);
  if (!q)
    return hz_abi_no_memory();
  LARGE_BYTES(side_of(q)) = bytes;
  LARGE_KIND(side_of(q)) = kind;
  large_canary(q, hz_large_usable(q, api), bytes, false, api);
  return q;
}

void *hz4_guard_realloc(void *p, size_t bytes, enum hz_api api) {
  size_t asked = hz4_guard_usable(p, api);
  if (asked > 0 && resealed(p, bytes, api))
    return p;
  if (asked > HZ_CLASS_MAX_BYTES && bytes > HZ_CLASS_MAX_BYTES)
    return large_realloc(p, bytes, api);
  void *q = hz4_guard_alloc(HZ_MIN_ALIGN_BYTES, bytes, api);
  if (!q)
    return NULL;
  memcpy(q, p, hz_min(asked, bytes));
  hz4_guard_free(p, api);
  return q;
}
