// See big.h.
#include "common/guard/big.h"

#include <errno.h>

#include "common/abi/report.h"
#include "common/guard/seal.h"
#include "common/large/large.h"
#include "common/os/os.h"

enum { CANARY_BYTES = 256, SLOTS = 16 };
// A quarantined block costs addresses, and no memory but this: pages of blocks that are small
// enough to be cleared faster than given back and asked for again.
#define RESIDENT_MOST_BYTES (4 * HZ_MIB)
#define RESIDENT_BLOCK_MOST_BYTES HZ_MIB
#define HELD_MOST_BYTES (256 * HZ_MIB)
#define HELD_BLOCK_MOST_BYTES (64 * HZ_MIB)

static struct {
  uint64_t block[SLOTS]; // addresses
  uint32_t hand;
  size_t bytes, blocks; // in it, or just on the way in or out
  size_t resident;      // of `bytes`
  // Driven out, but the OS would not make them accessible again: the granule + 1 of the first,
  // linked by the `next` of their sides. Tried again with every large block that is freed.
  uint64_t stuck;
} held;

size_t hz_guard_held_bytes(size_t *blocks) {
  *blocks = hz_load_relaxed(&held.blocks);
  return hz_load_relaxed(&held.bytes);
}

// ---- canaries: the first bytes behind the block, and the last of its run

struct stretch {
  size_t from, to;
};
static struct stretch first_canary(size_t bytes) {
  return (struct stretch){bytes, bytes + CANARY_BYTES};
}
static struct stretch last_canary(size_t bytes, size_t have) {
  return (struct stretch){hz_max(bytes + CANARY_BYTES, have - CANARY_BYTES), have};
}

static unsigned char canary_byte(uint64_t canary, size_t at) {
  return (unsigned char)(canary >> (at % 8 * 8));
}

static void stretch_write(unsigned char *p, struct stretch s, uint64_t canary) {
  for (size_t at = s.from; at < s.to; at++)
    p[at] = canary_byte(canary, at);
}
static bool stretch_intact(const unsigned char *p, struct stretch s, uint64_t canary) {
  for (size_t at = s.from; at < s.to; at++)
    if (p[at] != canary_byte(canary, at))
      return false;
  return true;
}

static void canary_write(unsigned char *p, size_t bytes, size_t have) {
  uint64_t canary = hz_canary_word(hz_seal_key(p));
  stretch_write(p, first_canary(bytes), canary);
  stretch_write(p, last_canary(bytes, have), canary);
}
static void canary_check(const unsigned char *p, size_t bytes, size_t have, enum hz_api api) {
  uint64_t canary = hz_canary_word(hz_seal_key(p));
  if (!stretch_intact(p, first_canary(bytes), canary) ||
      !stretch_intact(p, last_canary(bytes, have), canary))
    hz_fail_overflow(p, bytes, have, api);
}
static void canary_clear(unsigned char *p, size_t bytes, size_t have) {
  stretch_write(p, first_canary(bytes), 0);
  stretch_write(p, last_canary(bytes, have), 0);
}

// ---- alloc

static bool is_absurd(size_t bytes) {
  return bytes > PTRDIFF_MAX - HZ_GRANULE_BYTES;
}

void *hz_big_alloc(size_t align, size_t bytes, enum hz_api api) {
  if (is_absurd(bytes))
    return hz_abi_no_memory();
  int saved_errno = errno;
  unsigned char *p = hz_guard_take_large(align, bytes + CANARY_BYTES, api);
  if (!p && hz_guard_relieve(api))
    p = hz_guard_take_large(align, bytes + CANARY_BYTES, api);
  if (!p)
    return NULL;
  errno = saved_errno; // a first refusal may have set it
  hz_guard_side_of(p)->bytes = bytes;
  canary_write(p, bytes, hz_large_usable(p, api));
  hz_store_release(hz_state_of(p), hz_state_out(api)); // partner: hz_state_checked
  return p;
}

// ---- the quarantine

static void let_go(void *p, enum hz_api api) {
  size_t have = hz_large_usable(p, api);
  if (hz_os_commit(p, have)) {
    hz_sub_relaxed(&held.bytes, have);
    hz_sub_relaxed(&held.blocks, (size_t)1);
    if (hz_guard_side_of(p)->resident)
      hz_sub_relaxed(&held.resident, have);
    else
      hz_runs_note_empty(-(int64_t)(have / HZ_GRANULE_BYTES));
    hz_guard_give(p, api);
    return;
  }
  uint64_t self = hz_granule_of(p) + 1, first = hz_load_relaxed(&held.stuck);
  do
    hz_guard_side_of(p)->next = first;
  while (!hz_cas_release(&held.stuck, &first, self)); // the link; partner: stuck_let_go
}

// Effect: those that are stuck are tried again.
static void stuck_let_go(enum hz_api api) {
  if (HZ_LIKELY(hz_load_relaxed(&held.stuck) == 0))
    return;
  // All of them at once, so that none is looked at by two.
  uint64_t at = hz_exchange_acquire(&held.stuck, (uint64_t)0);
  while (at != 0) {
    void *p = hz_granule_address(at - 1);
    at = hz_guard_side_of(p)->next;
    let_go(p, api);
  }
}

// Returns: whether there was a block in the slot.
static bool slot_swap(unsigned slot, void *p, enum hz_api api) {
  // Acquire and release: the record and the state of the block that comes out, of the one that goes
  // in.
  void *out = (void *)(uintptr_t)hz_exchange_acq_rel(&held.block[slot], (uint64_t)(uintptr_t)p);
  if (out)
    let_go(out, api);
  return out != NULL;
}

static void hold(void *p, size_t have, bool resident, enum hz_api api) {
  hz_add_relaxed(&held.blocks, (size_t)1);
  size_t bytes = hz_add_relaxed(&held.bytes, have) + have;
  hz_os_protect_none(p, have);
  hz_guard_side_of(p)->resident = resident;
  if (!resident)
    hz_runs_note_empty((int64_t)(have / HZ_GRANULE_BYTES));
  stuck_let_go(api);
  (void)slot_swap(hz_add_relaxed(&held.hand, 1u) % SLOTS, p, api);
  for (unsigned i = 1; bytes > HELD_MOST_BYTES && i < SLOTS; i++) {
    (void)slot_swap((hz_load_relaxed(&held.hand) + i) % SLOTS, NULL, api); // the oldest first
    bytes = hz_load_relaxed(&held.bytes);
  }
}

bool hz_big_release_all(enum hz_api api) {
  bool any = false;
  stuck_let_go(api);
  for (unsigned i = 0; i < SLOTS; i++)
    any |= slot_swap(i, NULL, api);
  return any;
}

// ---- free

// Effect: all of it reads as zero. Returns: whether it is still resident, and counted so.
static bool wipe(unsigned char *p, size_t bytes, size_t have) {
  if (have <= RESIDENT_BLOCK_MOST_BYTES) {
    if (hz_add_relaxed(&held.resident, have) + have <= RESIDENT_MOST_BYTES) {
      memset(p, 0, bytes);
      canary_clear(p, bytes, have);
      return true;
    }
    hz_sub_relaxed(&held.resident, have);
  }
  if (!hz_os_purge(p, have))
    memset(p, 0, have);
  return false;
}

void hz_big_free(void *p, const size_t *said, enum hz_api api) {
  size_t have = hz_large_usable(p, api), bytes = hz_guard_side_of(p)->bytes;
  uint8_t was = hz_state_retire(hz_state_of(p), p, bytes, api);
  hz_family_check(was, p, bytes, api);
  canary_check(p, bytes, have, api);
  if (said && *said != bytes)
    hz_fail_size_mismatch(p, *said, bytes, api);
  bool resident = wipe(p, bytes, have);
  if (have <= HELD_BLOCK_MOST_BYTES)
    hold(p, have, resident, api);
  else
    hz_guard_give(p, api);
}

// ---- the rest

size_t hz_big_usable(const void *p, enum hz_api api) {
  size_t have = hz_large_usable(p, api), bytes = hz_guard_side_of(p)->bytes;
  (void)hz_state_checked(hz_state_of(p), p, bytes, api);
  canary_check(p, bytes, have, api);
  return bytes;
}

void *hz_big_realloc(void *p, size_t bytes, enum hz_api api) {
  size_t old = hz_big_usable(p, api), have = hz_large_usable(p, api);
  if (is_absurd(bytes))
    return hz_abi_no_memory();
  // Not the program's meanwhile: once it has moved, its addresses are somebody else's, state and
  // all.
  uint8_t was = hz_state_retire(hz_state_of(p), p, old, api);
  hz_family_check(was, p, old, api);
  canary_clear(p, old, have); // it would become the program's
  unsigned char *q = hz_large_realloc(p, bytes + CANARY_BYTES, api);
  if (!q && hz_guard_relieve(api))
    q = hz_large_realloc(p, bytes + CANARY_BYTES, api);
  if (!q) {
    canary_write(p, old, have);
    hz_store_release(hz_state_of(p), was); // partner: hz_state_checked
    return hz_abi_no_memory();
  }
  have = hz_large_usable(q, api);
  if (bytes < old) // what is behind the block is zero: it is not cleared again when it is freed
    memset(q + bytes, 0, hz_min(old, have) - bytes);
  hz_guard_side_of(q)->bytes = bytes;
  canary_write(q, bytes, have);
  hz_store_release(hz_state_of(q), was); // partner: hz_state_checked
  return q;
}
