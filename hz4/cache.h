// A cache: the bins of one owner, a thread or a CPU.
//
// Owns: the layout. Who may write: a thread's cache, its thread alone; a CPU's cache, `top`,
// `prev`, `spare` and `debt` by restartable sequences on that CPU (the first three by drains also),
// the rest by relaxed atomics. Everybody may read (statistics).
//
//   top[cls] ──▶ the loaded magazine
//   prev[cls] ─▶ a second one, whatever its fill ─▶ below it others, not empty ─▶ ... ─▶ NULL
//
// The stack under prev is the bin's length: what a thread allocates and frees in bulk moves between
// it and the bin by a word, and has not left its owner.
//
//   Invariants: each magazine is in one bin, one stack of an owner (second ones or spare ones), one
//               stack of the depot, or one hand.
//               blocks in a bin and its stack  <=  2 * cap (more until it next overflows, where cap
//               was lowered)
//               reserved == sum over classes of 2 * cap * class bytes  <=  quota, when cap >
//               cap_min
#ifndef HZ4_CACHE_H_
#define HZ4_CACHE_H_

#include "common/sizeclass/sizeclass.h"
#include "hz4/magazine.h"

HZ_EXTERN_C_BEGIN

// The most that cap becomes: a Small class's bin and stack hold up to twice as many blocks.
#define HZ4_BIN_BLOCKS_MAX 8192u

#define HZ4_CACHE_SHIFT 12
#define HZ4_CACHE_BYTES ((size_t)1 << HZ4_CACHE_SHIFT)

// So many empty magazines an owner keeps: 64 KiB, the half of what a Small class's bin and stack
// may fill.
#define HZ4_SPARES_MAX 128u

enum hz4_trend { HZ4_TREND_NONE, HZ4_TREND_MISS, HZ4_TREND_FLUSH };

struct hz4_cache {
  // Tags of memory without cached blocks index here: 254 and 255 as signed bytes are -2 and -1, and
  // class 0 is no class. Always HZ4_TOP_NOTHING: such a pointer falls into the slow path at no
  // cost.
  void **never[2];
  void **top[HZ_CLASS_COUNT];
  void **prev[HZ_CLASS_COUNT];
  void **spare; // empty magazines, a stack as prev's, which counts magazines; NULL for none
  int64_t debt; // of depot bytes, not yet told to the common counter
  uint64_t reserved;
  uint64_t last_ms;              // of the last exchange
  uint16_t cap[HZ_CLASS_COUNT];  // half of what bin and stack may hold, and of the next magazine
                                 // opened as much as fits; 0 = class not in use here
  uint8_t trend[HZ_CLASS_COUNT]; // enum hz4_trend: the last exchange
  uint8_t used[HZ_CLASS_COUNT];  // where its top stood when the hand went by (hz4_stand)
  uint8_t swing[HZ_CLASS_COUNT]; // enum hz4_trend: the last time the loaded magazine did not do
  uint8_t hand;
  uint8_t shard;     // of the depot
  uint8_t set;       // of its classes (sizeclass.h)
  bool drained;      // a CPU's: nothing was put here since the last drain
  uint32_t draining; // a CPU's: 1 while a thread stops its bins; whoever finds it so goes on
  // Counted in variant `observe` only; [0] Small, [1] Mid: served by the bins without a slow path.
  uint64_t allocs[2], frees[2];
};
_Static_assert(sizeof(struct hz4_cache) <= HZ4_CACHE_BYTES,
               "CPU n's cache lies at n << HZ4_CACHE_SHIFT");
_Static_assert(offsetof(struct hz4_cache, top) == 16, "known to the restartable sequences");
_Static_assert(HZ4_CACHE_SHIFT == 12, "known to the restartable sequences");

// Words that sequences work on, counted from top[0].
enum {
  HZ4_WORD_PREV = HZ_CLASS_COUNT, // + class
  HZ4_WORD_SPARE = 2 * HZ_CLASS_COUNT,
  HZ4_WORD_DEBT,
};
_Static_assert(offsetof(struct hz4_cache, prev) == 16 + HZ4_WORD_PREV * 8, "as counted");
_Static_assert(offsetof(struct hz4_cache, spare) == 16 + HZ4_WORD_SPARE * 8, "as counted");
_Static_assert(offsetof(struct hz4_cache, debt) == 16 + HZ4_WORD_DEBT * 8, "as counted");

// Where bin `bin` of a cache lies; -2 and -1 are the two before top.
HZ_INLINE void ***hz4_bin(struct hz4_cache *c, intptr_t bin) {
  return (void ***)(void *)((char *)c + offsetof(struct hz4_cache, top)) + bin;
}

// The same, for a store after a load of the same bin: hidden from the compiler that the addresses
// are equal, which would compute the address by itself instead of in both instructions (one more).
HZ_INLINE void ***hz4_bin_again(struct hz4_cache *c, intptr_t bin) {
  __asm__("" : "+r"(bin));
  return hz4_bin(c, bin);
}

// Whether the owner may keep one more empty magazine. A look: where CPUs own caches it may be
// another's the next moment.
HZ_INLINE bool hz4_spare_has_room(const struct hz4_cache *c) {
  void **head = hz_load_relaxed(&c->spare);
  return head == NULL || (head != HZ4_TOP_STOPPED &&
                          hz_load_relaxed(&hz4_magazine_of(head)->stacked) < HZ4_SPARES_MAX);
}

// The cache of threads that have none: every bin is empty and full.
extern HZ_HIDDEN const struct hz4_cache hz4_cache_none;

// Effect: all bins hold nothing. Requires: zeroed memory, nobody else's.
void hz4_cache_init(struct hz4_cache *c);

// Returns: bytes of the blocks in its bins (racing with its owner: near enough).
size_t hz4_cache_bytes(const struct hz4_cache *c);

HZ_EXTERN_C_END

#endif // HZ4_CACHE_H_
