// Huge pages for heaps that really grow.
//
// Owns: where they are asked for, and giving back what nobody came for. Does not own: any memory.
// Thread rule: as the functions say; system calls are made while `growing` is ours.
//
//   0                    huge_from        end       committed                       window
//   |  small pages, or     |  asked: carved  | asked: to come                         |
//   |  huge ones that are  |                 |  tail of the last huge page | untouched |
//   |  kept as they are    |
//
// Page faults decide how fast programs run whose heap grows; huge pages take a quarter of the time.
// But one that is used in part costs memory. Therefore:
//   - Only heaps large enough that one huge page is no more than 5 % of them ask, and only when
//   what
//     they hold is really written: blocks that nobody touches cost nothing in small pages.
//   - Only the frontier asks: it is filled next. What was purged is used again in small pages.
//   - What the frontier has passed is no longer asked for. The huge pages there stay; but where
//   they
//     were purged in part nobody fills them up again behind our back (khugepaged would).
//   - A large block at the frontier gets small pages: it may be sparse, and nobody can tell. Those
//   that are not are the business of huge_blocks.c.
//   - Memory that a hypervisor has lent to others takes forty times as long to come back, and huge
//   pages are cut from that first. The first huge page of each step is made resident at once and
//   timed; when it was dearer than small pages, these serve for a while.
//   - When growth pauses, what is left of the last huge page is given back.
// The request is for everything above, in one call; what was passed is withdrawn in one piece: four
// mappings whatever the size of the heap.
#include "common/arena/state.h"
#include "common/fail/check.h"
#include "common/os/os.h"

// At most one huge page is not filled: 2 MiB of 40 are 5 %.
#define SHARE_UNFILLED 20
// Of the pages of a sample so many parts of 100 must be resident.
#define SAMPLE_GRANULES 32
#define DENSE_PARTS 90
// A fault on a small page: what a huge page may cost for each of its pages.
#define FAULT_NS 1000
// Huge pages that are not asked for after one was dear: so many, then twice as many, ...
#define PAUSE_FIRST 16
#define PAUSE_MOST 512
// Runs from this many huge pages on may be sparse.
#define BLOCK_HUGE_PAGES 2

#define S (&hz_arena_state)

uint64_t hz_huge_page_granules(void) {
  return hz_os_huge_page_bytes() >> HZ_GRANULE_SHIFT;
}

// Rounded in addresses: the window may begin anywhere.
uint64_t hz_huge_unit_down(uint64_t granule) {
  uint64_t phase = S->window.base >> HZ_GRANULE_SHIFT;
  uint64_t down = hz_align_down(granule + phase, hz_huge_page_granules());
  return down < phase ? 0 : down - phase;
}

uint64_t hz_huge_unit_up(uint64_t granule) {
  return hz_huge_unit_down(granule + hz_huge_page_granules() - 1);
}

static bool advise(uint64_t from, uint64_t to, bool on) {
  return hz_os_huge(hz_granule_address(from), (to - from) << HZ_GRANULE_SHIFT, on);
}

// Whether what was handed out below `end` is really written. No lock: a granule that changes hands
// meanwhile is one wrong answer among many.
static bool is_dense(uint64_t end) {
  size_t pages = 0, resident = 0;
  uint64_t stride = hz_max(end / SAMPLE_GRANULES, 1);
  for (uint64_t g = 0; g < end; g += stride) {
    if (hz_load_relaxed(&hz_arena.granules[g].tag) == HZ_TAG_NONE)
      continue;
    size_t most = 64 * hz_os_page_bytes();
    size_t bytes = hz_min(HZ_GRANULE_BYTES, most);
    pages += bytes / hz_os_page_bytes();
    resident += hz_os_resident_pages(hz_granule_address(g), bytes);
  }
  return pages > 0 && resident * 100 >= pages * DENSE_PARTS;
}

bool hz_huge_may_ask(uint64_t used) {
  size_t huge = hz_os_huge_page_bytes();
  return S->config.huge_pages && S->config.purge_delay_ms != 0 && huge > HZ_GRANULE_BYTES &&
         !S->window.mapped_as_needed && used >= SHARE_UNFILLED * hz_huge_page_granules();
}

// Effect: no longer asks below `to`; counts what was asked for and used.
static void withdraw(uint64_t to, uint64_t used_to) {
  uint64_t from = hz_load_relaxed(&S->huge_from);
  if (to <= from)
    return;
  if (used_to > from)
    S->huge_passed += used_to - from;
  advise(from, to, false);
  hz_store_relaxed(&S->huge_from, to); // ours to write; statistics read it under the lock
}

bool hz_huge_is_cheap(uint64_t unit_start) {
  size_t bytes = hz_huge_page_granules() << HZ_GRANULE_SHIFT;
  uint64_t began = hz_os_thread_ns();
  if (!hz_os_populate(hz_granule_address(unit_start), bytes))
    return true; // not known to this kernel, nor what it costs
  return hz_os_thread_ns() - began <= bytes / hz_os_page_bytes() * FAULT_NS;
}

// Effect: decides for [end, to), which was asked for. What is made resident is filled next.
static void judge_step(uint64_t end, uint64_t need, uint64_t to) {
  uint64_t first = hz_huge_unit_up(end);
  if (first + hz_huge_page_granules() > to)
    return;
  if (first < S->huge_pause_to) {
    advise(first, to, false);
    return;
  }
  if (need - end >= BLOCK_HUGE_PAGES * hz_huge_page_granules())
    return; // see hz_huge_on_take
  if (hz_huge_is_cheap(first)) {
    S->huge_pause = 0;
    return;
  }
  S->huge_pause = S->huge_pause == 0 ? PAUSE_FIRST : hz_min(2 * S->huge_pause, PAUSE_MOST);
  S->huge_pause_to = first + S->huge_pause * hz_huge_page_granules();
  if (first + hz_huge_page_granules() < to)
    advise(first + hz_huge_page_granules(), to, false);
}

void hz_huge_on_growth(uint64_t end, uint64_t need, uint64_t to, uint64_t used) {
  uint64_t from = hz_load_relaxed(&S->huge_from);
  if (from == S->window.granules)
    return; // the kernel would not
  if (from != UINT64_MAX) {
    withdraw(hz_huge_unit_down(end), hz_huge_unit_down(end));
    judge_step(end, need, to);
    return;
  }
  if (!hz_huge_may_ask(used) || !is_dense(end))
    return;
  from = hz_huge_unit_up(need - end >= BLOCK_HUGE_PAGES * hz_huge_page_granules() ? need : end);
  uint64_t last = hz_huge_unit_down(S->window.granules);
  bool asked = from < last && advise(from, last, true);
  hz_store_relaxed(&S->huge_first, asked ? from : S->window.granules);
  hz_store_relaxed(&S->huge_from, asked ? from : S->window.granules);
  if (asked)
    judge_step(end, need, to);
}

static bool is_asked(void) {
  return S->huge_from < S->window.granules;
}

bool hz_huge_pass_begin(uint64_t top) {
  if (HZ_LIKELY(!is_asked()) || S->growing || top <= S->huge_from)
    return false;
  if (hz_huge_unit_down(S->end) <= S->huge_from)
    return false;
  S->growing = true;
  S->huge_pass_to = hz_huge_unit_down(S->end);
  return true;
}

void hz_huge_pass(void) {
  withdraw(S->huge_pass_to, S->huge_pass_to);
}

void hz_huge_pass_end(void) {
  S->growing = false;
}

void hz_huge_restore(uint64_t from, uint64_t to) {
  // A frontier that moves meanwhile is no harm: advice, which the next withdrawal overrides.
  uint64_t first = hz_load_relaxed(&S->huge_first), middle = hz_load_relaxed(&S->huge_from);
  if (first == UINT64_MAX)
    return;
  from = hz_max(from, first);
  if (from < hz_min(to, middle))
    advise(from, hz_min(to, middle), false);
  if (hz_max(from, middle) < to)
    advise(hz_max(from, middle), to, true);
}

uint64_t hz_huge_unit(void) {
  return hz_load_relaxed(&S->huge_from) == UINT64_MAX && S->asked_units == 0
             ? 1
             : hz_huge_page_granules();
}

void hz_huge_on_take(uint64_t start, uint64_t count) {
  if (HZ_LIKELY(!is_asked()))
    return;
  if (count >= BLOCK_HUGE_PAGES * hz_huge_page_granules() && start + count > S->huge_from &&
      !S->growing) {
    S->growing = true;
    hz_arena_unlock();
    withdraw(hz_huge_unit_up(start + count), hz_huge_unit_down(start));
    hz_arena_lock();
    S->growing = false;
    hz_arena_event();
  }
  if (S->huge_due_ms == UINT64_MAX) {
    S->huge_due_ms = 0; // the next tick begins to watch
    hz_purge_schedule();
  }
}

void hz_huge_tick(uint64_t now_ms, bool at_once) {
  if (!is_asked() || S->growing || (!at_once && now_ms < S->huge_due_ms))
    return;
  if (!at_once && S->huge_seen_end != S->end) { // it grows
    S->huge_seen_end = S->end;
    S->huge_due_ms = now_ms + S->config.purge_delay_ms;
    return;
  }
  S->huge_due_ms = UINT64_MAX;
  // A whole one more may have been made resident (judge_step).
  uint64_t end = S->end, to = hz_min(hz_huge_unit_up(end) + hz_huge_page_granules(), S->committed);
  if (to <= S->huge_from)
    return;
  // The tail becomes a run like any other, which is being purged.
  if (to > end)
    hz_grow_skip(to);
  if (to > end)
    hz_free_busy_enter(&S->free, end, to - end);
  S->growing = true;
  hz_arena_unlock();
  withdraw(to, end);
  bool purged = to == end || hz_os_purge(hz_granule_address(end), (to - end) << HZ_GRANULE_SHIFT);
  hz_arena_lock();
  S->growing = false;
  if (to > end) {
    hz_free_busy_leave(&S->free, end);
    hz_free_put(&S->free, end, to - end, !purged, (uint32_t)now_ms);
  }
  hz_arena_event();
}

uint64_t hz_huge_granules(void) {
  uint64_t now = is_asked() && S->end > S->huge_from ? S->end - S->huge_from : 0;
  return S->huge_passed + now + S->asked_units * hz_huge_page_granules();
}
