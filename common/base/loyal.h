// Whether the threads that take blocks from a set of spans are the ones that bring them back: a
// moving share of what came back of late.
//
// Where they are, such spans are worth keeping apart: what two threads build in turns in one span
// lies scattered for both, as long as they live. Where others bring most of it, in the manner of
// producers and consumers, blocks are mixed whatever becomes of the spans, and memory that lies
// free had better serve whoever comes.
//
// Owns: nothing. Thread rule: of whoever owns the word.
#ifndef HZ_COMMON_BASE_LOYAL_H_
#define HZ_COMMON_BASE_LOYAL_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

#define HZ_LOYAL_WHOLE 65536u
// The share is of the last so many blocks, near enough.
#define HZ_LOYAL_BLOCKS 2048u

// Returns: the share after `blocks` more came back, brought by `own` threads or by others. It
// begins at 0. Requires: blocks <= HZ_LOYAL_BLOCKS.
HZ_INLINE uint32_t hz_loyal_after(uint32_t share, unsigned blocks, bool own) {
  uint32_t rest = share - share * blocks / HZ_LOYAL_BLOCKS;
  return own ? rest + HZ_LOYAL_WHOLE / HZ_LOYAL_BLOCKS * blocks : rest;
}

HZ_INLINE bool hz_is_loyal(uint32_t share) {
  return share >= HZ_LOYAL_WHOLE / 4 * 3;
}

HZ_EXTERN_C_END

#endif // HZ_COMMON_BASE_LOYAL_H_
