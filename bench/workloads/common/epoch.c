#include "bench/workloads/common/epoch.h"

#include "bench/workloads/common/clock.h"
#include "bench/workloads/common/latency.h"
#include "bench/workloads/common/result.h"

void wl_epochs_open(struct wl_epochs *epochs, const struct wl_options *options) {
  *epochs = (struct wl_epochs){
      .length_ns = options->epoch_ms * (WL_NS_PER_S / 1000),
      .next_ns = UINT64_MAX,
      .latency = options->latency,
  };
}

void wl_epochs_begin(struct wl_epochs *epochs, uint64_t now_ns) {
  if (epochs->begun_ns == 0 && epochs->length_ns > 0) {
    epochs->begun_ns = now_ns;
    epochs->next_ns = now_ns + epochs->length_ns;
  }
}

void wl_epochs_mark(struct wl_epochs *epochs, uint64_t now_ns, uint64_t ops) {
  static struct wl_latency_window window; // the process has one set of latencies
  const double seconds = wl_seconds(now_ns - epochs->begun_ns);
  struct wl_line line = {.length = 0};
  wl_line_add(&line, "EPOCH number=%llu seconds=%.6f ops=%llu ops_per_s=%.1f rss_kib=%llu",
              (unsigned long long)++epochs->number, seconds,
              (unsigned long long)(ops - epochs->begun_ops),
              seconds > 0 ? (double)(ops - epochs->begun_ops) / seconds : 0.0,
              (unsigned long long)wl_status_kib("VmRSS:"));
  if (epochs->latency) {
    const struct wl_latency_summary summary = wl_latency_since(&window);
    wl_line_add_latency(&line, &summary);
  }
  wl_line_add(&line, "\n");
  wl_print(line.text, line.length);
  epochs->begun_ns = now_ns;
  epochs->begun_ops = ops;
  // Epochs that a descheduled printer missed are one long epoch, not several empty ones.
  epochs->next_ns = now_ns + epochs->length_ns;
}
