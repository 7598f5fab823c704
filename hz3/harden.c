// Seals and quarantine. See harden.h.
#include "hz3/harden.h"

#include <errno.h>
#include <string.h>

#include "common/large/large.h"
#include "common/os/os.h"
#include "hz3/route.h"
#include "hz3/span.h"

#define PATTERN 0xa5u
#define FAMILY_BITS 2
#define CHECK_BITS                                                                                 \
  14 // zero under the key, lowest in memory: the first bytes that an overflow meets
#define SIZE_MOST ((size_t)1 << 47) // what the seal's bits can say

static uint64_t secret[2];
static uint64_t draw; // of a simple generator; a lost step does no harm

void hz3_hard_init(void) {
  hz_os_random(secret, sizeof secret);
}

// ---- seals ----

static uint64_t key_of(const void *p, unsigned which) {
  return ((uintptr_t)p * 0x9e3779b97f4a7c15u) ^ secret[which];
}
// Memory that was a block's before its span went and came back still holds marks of then: they say
// nothing.
static uint64_t mark_of(const void *p) {
  return key_of(p, 1) + hz3_span_epoch(p) * 0xd6e8feb86659fd93u;
}
static unsigned char *seal_at(const void *p, size_t room) {
  return (unsigned char *)(uintptr_t)p + room - HZ3_SEAL_BYTES;
}
static uint64_t seal_read(const void *p, size_t room) {
  uint64_t seal;
  memcpy(&seal, seal_at(p, room), sizeof seal);
  return seal;
}
static void seal_write(void *p, size_t room, uint64_t seal) {
  memcpy(seal_at(p, room), &seal, sizeof seal);
}

static unsigned family_of(enum hz_api api) {
  return api == HZ_API_NEW || api == HZ_API_DELETE               ? 1
         : api == HZ_API_NEW_ARRAY || api == HZ_API_DELETE_ARRAY ? 2
                                                                 : 0;
}
static enum hz_api maker_of(unsigned family) {
  return family == 1 ? HZ_API_NEW : family == 2 ? HZ_API_NEW_ARRAY : HZ_API_MALLOC;
}

static size_t first_unlike(const unsigned char *at, size_t bytes, unsigned char byte) {
  for (size_t i = 0; i < bytes; i++)
    if (at[i] != byte)
      return i;
  return bytes;
}

static bool is_zero(const unsigned char *at, size_t bytes) {
  return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

static void *block_seal(void *p, size_t room, size_t bytes, enum hz_api api) {
  memset((char *)p + bytes, PATTERN, room - HZ3_SEAL_BYTES - bytes);
  uint64_t says = (uint64_t)bytes << FAMILY_BITS | family_of(api);
  seal_write(p, room, says << CHECK_BITS ^ key_of(p, 0));
  return p;
}

// Returns: what the seal says, (bytes, family); ends the process when the block was freed or
// overrun.
static uint64_t block_check(const void *p, size_t room, enum hz_api api) {
  uint64_t seal = seal_read(p, room);
  if (room <= HZ_CLASS_MAX_BYTES && seal == mark_of(p))
    hz_fail_double_free(p, room, api);
  seal ^= key_of(p, 0);
  uint64_t says = seal >> CHECK_BITS;
  size_t bytes = says >> FAMILY_BITS, most = room - HZ3_SEAL_BYTES;
  if ((seal & ((1u << CHECK_BITS) - 1)) != 0 || bytes > most)
    hz_fail_overflow(p, room, api);
  if (first_unlike((const unsigned char *)p + bytes, most - bytes, PATTERN) != most - bytes)
    hz_fail_overflow(p, bytes, api);
  return says;
}

// ---- alloc ----

static size_t room_of(const void *p, enum hz_api api) {
  return hz3_block_usable(p, api);
}

// A block that carries this address's mark was freed by us: nobody may have written to it since.
static void reuse_check(void *p, size_t room, enum hz_api api) {
  if (seal_read(p, room) == mark_of(p) && !is_zero(p, room - HZ3_SEAL_BYTES))
    hz_fail_write_after_free(p, room, api);
}

static void *out_of_memory(void) {
  errno = ENOMEM;
  return NULL;
}

void *hz3_hard_aligned(size_t align, size_t bytes, enum hz_api api) {
  if (bytes >= SIZE_MOST)
    return out_of_memory();
  void *p = hz3_block_aligned(align, bytes + HZ3_SEAL_BYTES, api);
  if (!p)
    return NULL;
  size_t room = room_of(p, api);
  if (room <= HZ_CLASS_MAX_BYTES)
    reuse_check(p, room, api);
  return block_seal(p, room, bytes, api);
}

void *hz3_hard_alloc(size_t bytes, enum hz_api api) {
  return hz3_hard_aligned(HZ_MIN_ALIGN_BYTES, bytes, api);
}

void *hz3_hard_zeroed(size_t bytes, enum hz_api api) {
  if (bytes >= SIZE_MOST)
    return out_of_memory();
  if (bytes + HZ3_SEAL_BYTES <= HZ_CLASS_MAX_BYTES) {
    void *p = hz3_hard_alloc(bytes, api);
    return p ? memset(p, 0, bytes) : NULL;
  }
  void *p = hz3_block_zeroed(bytes + HZ3_SEAL_BYTES, api);
  return p ? block_seal(p, room_of(p, api), bytes, api) : NULL;
}

// ---- free ----

static unsigned random_below(unsigned n) {
  uint64_t x = hz_load_relaxed(&draw) + 0x9e3779b97f4a7c15u; // relaxed: any value will do
  hz_store_relaxed(&draw, x);
  x = (x ^ secret[0] ^ x >> 31) * 0xbf58476d1ce4e5b9u;
  return (unsigned)((x >> 32) * n >> 32);
}

// Effect: p waits in the quarantine; whom it drives out is free for reuse.
static void quarantine(void *p, size_t room, enum hz_api api) {
  struct hz3_cache *c = hz3_cache_get();
  if (c && room <= HZ3_QUARANTINE_BYTES) {
    void **place = &c->quarantine[random_below(HZ3_QUARANTINE_BLOCKS)];
    void *out = *place;
    *place = p;
    p = out;
  }
  if (p)
    hz3_block_free(p, api);
}

static void block_retire(void *p, size_t room, uint64_t says, enum hz_api api) {
  unsigned family = says & ((1u << FAMILY_BITS) - 1);
  if (family != family_of(api) && api != HZ_API_REALLOC && api != HZ_API_REALLOCARRAY)
    hz_fail_family_mismatch(p, maker_of(family), api);
  if (room > HZ_CLASS_MAX_BYTES) {
    hz3_block_free(p, api); // its pages go, or are kept under a tag that no free accepts
    return;
  }
  memset(p, 0, room - HZ3_SEAL_BYTES);
  seal_write(p, room, mark_of(p));
  quarantine(p, room, api);
}

void hz3_hard_free(void *p, enum hz_api api) {
  if (!p)
    return;
  size_t room = room_of(p, api);
  block_retire(p, room, block_check(p, room, api), api);
}

void hz3_hard_free_sized(void *p, size_t bytes, enum hz_api api) {
  size_t room = room_of(p, api);
  uint64_t says = block_check(p, room, api);
  if (says >> FAMILY_BITS != bytes)
    hz_fail_size_mismatch(p, bytes, says >> FAMILY_BITS, api);
  block_retire(p, room, says, api);
}

size_t hz3_hard_usable(const void *p, enum hz_api api) {
  return block_check(p, room_of(p, api), api) >> FAMILY_BITS;
}

void *hz3_hard_realloc(void *p, size_t bytes, enum hz_api api) {
  size_t room = room_of(p, api);
  uint64_t says = block_check(p, room, api);
  size_t old = says >> FAMILY_BITS;
  if (bytes <= room - HZ3_SEAL_BYTES && bytes >= room / 2) {
    if (bytes > old) // the pattern there becomes the program's
      memset((char *)p + old, 0, bytes - old);
    return block_seal(p, room, bytes, maker_of(says & ((1u << FAMILY_BITS) - 1)));
  }
  void *q = hz3_hard_alloc(bytes, api);
  if (!q)
    return NULL;
  memcpy(q, p, hz_min(old, bytes));
  block_retire(p, room, says, api);
  return q;
}

void hz3_hard_empty(struct hz3_cache *c, enum hz_api api) {
  for (unsigned i = 0; HZ_HARDENED && i < HZ3_QUARANTINE_BLOCKS; i++) {
    void *p = c->quarantine[i];
    c->quarantine[i] = NULL;
    if (p)
      hz3_span_put(hz_load_relaxed(&hz_arena.granules[hz_granule_of(p)].tag), &p, 1, api);
  }
}
