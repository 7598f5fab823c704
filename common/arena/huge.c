// Huge pages for heaps that really grow.
//
// Owns: from where on they are asked for. Does not own: any memory.
// Thread rule: the thread that grows decides; the result is read under the lock.
//
// The first request is for everything above the frontier, in one call: whatever is committed later
// there is one mapping, so their number does not grow with the heap. Small heaps never get there:
// one huge page that is filled by half would be a large share of them.
#include "common/arena/state.h"
#include "common/os/os.h"

// At most one huge page beyond the frontier is not filled: 2 MiB of 40 are 5 %.
#define SHARE_UNFILLED 20

#define S (&hz_arena_state)

void hz_huge_consider(uint64_t committed_before, uint64_t committed, uint64_t used) {
  size_t huge = hz_os_huge_page_bytes();
  if (!S->config.huge_pages || huge < HZ_GRANULE_BYTES || S->window.mapped_as_needed)
    return;
  if (hz_load_relaxed(&S->huge_from) != UINT64_MAX)
    return;
  if ((used << HZ_GRANULE_SHIFT) < huge * SHARE_UNFILLED)
    return;
  (void)committed;
  uint64_t from = hz_align_up(committed_before, huge >> HZ_GRANULE_SHIFT);
  if (from >= S->window.granules)
    return;
  size_t bytes = (S->window.granules - from) << HZ_GRANULE_SHIFT;
  bool asked = hz_os_huge(hz_granule_address(from), bytes, true);
  // Relaxed: written by the growing thread alone, read as a hint. Refused once is refused for good.
  hz_store_relaxed(&S->huge_from, asked ? from : S->window.granules);
}

bool hz_huge_is(uint64_t granule) {
  return granule >= hz_load_relaxed(&S->huge_from);
}
