// How much of the memory in spans has pages: a sample.
#include "common/arena/arena.h"
#include "common/os/os.h"

// Granules looked at; a microsecond each at most.
#define SAMPLES 64
// Below this a share says nothing about what comes next, and no bound that needs it is reached.
#define LEAST_GRANULES (32 * HZ_MIB / HZ_GRANULE_BYTES)
#define WHOLE HZ_RESIDENT_WHOLE

uint32_t hz_arena_resident_share(void) {
  static uint64_t seed = 0x9e3779b97f4a7c15u;
  // Relaxed: two threads may draw the same granules, no matter.
  uint64_t drawn = hz_load_relaxed(&seed), end = hz_load_relaxed(&hz_arena.end);
  size_t pages = 0, resident = 0, in_granule = HZ_GRANULE_BYTES / hz_os_page_bytes();
  if (end < LEAST_GRANULES)
    return WHOLE;
  for (unsigned i = 0; i < SAMPLES; i++) {
    drawn = drawn * 6364136223846793005u + 1442695040888963407u;
    uint64_t granule = (uint64_t)((unsigned __int128)drawn * end >> 64);
    uint8_t tag = hz_load_relaxed(&hz_arena.granules[granule].tag);
    if (tag == HZ_TAG_NONE || tag >= HZ_TAG_LARGE_INSIDE)
      continue;
    pages += in_granule;
    resident += hz_os_resident_pages(hz_granule_address(granule), HZ_GRANULE_BYTES);
  }
  hz_store_relaxed(&seed, drawn);
  if (pages == 0 || pages < SAMPLES / 4 * in_granule)
    return WHOLE; // too few to tell
  // A sample that met no page says: below one in a thousand.
  return (uint32_t)hz_min(resident * WHOLE / pages + WHOLE / 1024, WHOLE);
}
