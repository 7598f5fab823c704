#include "bench/lab/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct event {
  enum figure figure;
  uint32_t type;
  uint64_t config;
};

static const struct event events[COUNTERS] = {
    {FIGURE_cycles, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {FIGURE_instructions, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {FIGURE_cache_misses, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {FIGURE_branch_misses, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    {FIGURE_dtlb_misses, PERF_TYPE_HW_CACHE,
     PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
         PERF_COUNT_HW_CACHE_RESULT_MISS << 16},
};

static char refusal[128];

void counters_open(struct counters *c, pid_t pid) {
  refusal[0] = '\0';
  for (int i = 0; i < COUNTERS; i++) {
    struct perf_event_attr attr = {
        .type = events[i].type,
        .size = sizeof attr,
        .config = events[i].config,
        .disabled = 1,
        .inherit = 1,
        .enable_on_exec = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };
    c->fd[i] = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (c->fd[i] < 0 && refusal[0] == '\0')
      snprintf(refusal, sizeof refusal, "%s: %s", figure_name(events[i].figure), strerror(errno));
  }
}

void counters_read(struct counters *c, struct cell_result *r) {
  for (int i = 0; i < COUNTERS; i++) {
    uint64_t value[3]; /* count, time enabled, time running */
    if (c->fd[i] < 0)
      continue;
    if (read(c->fd[i], value, sizeof value) == (ssize_t)sizeof value && value[2] > 0)
      r->figure[events[i].figure] = (double)value[0] * (double)value[1] / (double)value[2];
    close(c->fd[i]);
    c->fd[i] = -1;
  }
}

const char *counters_refusal(void) {
  return refusal[0] == '\0' ? NULL : refusal;
}
