// malloc_large: one thread, a few very large blocks.
//
// Owns: the lane of that name. Knows only malloc and free.
// Thread rule: one thread.
//
// After the description of malloc-large in the mimalloc-bench suite (Leonid Stolyarov, mimalloc
// issue 447; Daan Leijen): blocks of 5 to 25 MiB, up to 20 alive; each iteration replaces a random
// one. There the blocks are zeroed by their constructor, so here --touch is `all` by default: what
// is measured is whether memory that was just given back is still there. With --touch none the
// calls alone remain.
#include "bench/workloads/common/block.h"
#include "bench/workloads/common/crew.h"
#include "bench/workloads/common/result.h"
#include "bench/workloads/common/rng.h"

static const struct wl_arg arguments[] = {
    {"iters", "blocks replaced", 1, UINT64_C(1) << 40, 1000, NULL},
    {"ws", "blocks alive, at most", 1, 4096, 20, NULL},
    {"min_kib", "smallest block, KiB", 1, 1 << 22, 5 * 1024, NULL},
    {"max_kib", "largest block, KiB", 1, 1 << 22, 25 * 1024, NULL},
    {NULL, NULL, 0, 0, 0, NULL}};

struct slot {
  void *block; // NULL = empty
  uint64_t bytes;
};

struct state {
  struct slot *slots;
  uint64_t live_bytes;
  struct wl_totals totals;
  uint64_t requested_bytes;
  unsigned care;
};

static void drop(struct state *state, struct slot *slot) {
  if (slot->block == NULL) {
    return;
  }
  wl_block_free(slot->block, slot->bytes, state->care);
  slot->block = NULL;
  state->live_bytes -= slot->bytes;
  state->totals.ops++;
}

static void replace(struct state *state, struct slot *slot, uint64_t bytes) {
  drop(state, slot);
  slot->block = wl_block_new(bytes, state->care);
  if (slot->block == NULL) {
    state->totals.alloc_failures++;
    return;
  }
  slot->bytes = bytes;
  state->totals.ops++;
  state->requested_bytes += bytes;
  state->live_bytes += bytes;
  if (state->live_bytes > state->totals.live_high_bytes) {
    state->totals.live_high_bytes = state->live_bytes;
  }
}

int main(int argc, char **argv) {
  static const struct wl_lane description = {
      .name = "malloc_large",
      .doc = "One thread replaces large blocks, 5 to 25 MiB, in random order.",
      .args = arguments,
      .defaults = {.touch = WL_TOUCH_ALL},
  };
  struct wl_options options;
  uint64_t values[WL_ARGS_MAX];
  wl_parse(&description, argc, argv, &options, values);
  wl_require_ordered("min_kib", values[2], "max_kib", values[3]);
  const uint64_t ws = values[1];
  const uint64_t min = values[2] * 1024;
  const uint64_t range = values[3] * 1024 - min + 1;

  struct state state = {.slots = wl_harness_memory(ws * sizeof(struct slot)),
                        .care = wl_care(&options)};
  struct wl_rng rng = wl_rng_make(options.seed, 0);
  const uint64_t iterations = wl_scaled(&options, values[0]);
  const uint64_t start_ns = wl_now_ns();
  const uint64_t deadline_ns = wl_deadline_ns(options.seconds);
  struct wl_epochs epochs;
  wl_epochs_open(&epochs, &options);
  wl_epochs_begin(&epochs, start_ns);
  wl_latency_record(1);
  uint64_t now_ns = start_ns;
  for (uint64_t i = 0; i < iterations && now_ns < deadline_ns; i++) {
    const uint64_t draw = wl_rng_next(&rng);
    replace(&state, &state.slots[wl_below(wl_high_bits(draw), ws)],
            min + wl_below(wl_low_bits(draw), range));
    now_ns = wl_now_ns();
    if (now_ns >= epochs.next_ns) {
      wl_epochs_mark(&epochs, now_ns, state.totals.ops);
    }
  }
  state.totals.elapsed_ns = wl_now_ns() - start_ns;
  state.totals.threads = 1;
  wl_latency_record(0);
  const struct wl_totals totals = state.totals;
  for (uint64_t i = 0; i < ws; i++) {
    drop(&state, &state.slots[i]); // outside the timing, not counted
  }
  struct wl_result result;
  wl_result_begin(&result, "malloc_large", &options, &totals);
  wl_result_count(&result, "requested_bytes", state.requested_bytes);
  return wl_result_finish(&result, &options);
}
