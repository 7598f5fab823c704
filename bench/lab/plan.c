#include "bench/lab/plan.h"

#include "bench/lab/procfs.h"
#include "bench/lab/random.h"
#include "bench/lab/tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_SHORT_KIB (8.0 * 1024 * 1024)
#define PLAN_SWAP_SHARE 0.25

struct memory_state plan_memory_now(void) {
  struct memory_state m = {NAN, NAN, NAN};
  char *text = proc_text("/proc/meminfo");
  if (text != NULL) {
    m.available_kib = proc_key(text, "MemAvailable");
    m.swap_total_kib = proc_key(text, "SwapTotal");
    m.swap_free_kib = proc_key(text, "SwapFree");
  }
  free(text);
  return m;
}

bool plan_memory_short(const struct memory_state *m) {
  if (isfinite(m->available_kib) && m->available_kib < PLAN_SHORT_KIB)
    return true;
  return m->swap_total_kib > 0 &&
         m->swap_total_kib - m->swap_free_kib > PLAN_SWAP_SHARE * m->swap_total_kib;
}

static void add_row(struct plan *plan, const struct lane *lane, const char *name,
                    const char *touch) {
  for (size_t i = 0; i < plan->n; i++)
    if (plan->rows[i].lane == lane && strcmp(plan->rows[i].touch, touch) == 0)
      return;
  plan->rows = lab_realloc(plan->rows, (plan->n + 1) * sizeof *plan->rows);
  struct plan_row *row = &plan->rows[plan->n++];
  *row = (struct plan_row){.lane = lane, .touch = touch};
  bool plain = strcmp(touch, "none") == 0;
  snprintf(row->name, sizeof row->name, "%s%s%s", name, plain ? "" : "+", plain ? "" : touch);
}

/* Returns: the lane that runs in the place of `lane` under the memory guard; NULL: none. */
static const struct lane *guarded(struct plan *plan, const struct config *config,
                                  const struct memory_state *memory, const struct lane *lane) {
  if ((lane->flags & LANE_HUNGRY) == 0 || config->cross128 == GUARD_FULL)
    return lane;
  if (config->cross128 == GUARD_SKIP) {
    strings_take(&plan->left_out, lab_format("%s: --cross128=skip", lane->name));
    return NULL;
  }
  if (config->cross128 == GUARD_AUTO && !plan_memory_short(memory))
    return lane;
  char *name = lab_format("cross128_safe%s", strrchr(lane->name, '_'));
  const struct lane *safe = lanes_find(name);
  strings_take(&plan->left_out,
               lab_format("%s: %s, %s runs instead", lane->name,
                          config->cross128 == GUARD_SAFE ? "--cross128=safe" : "memory is short",
                          name));
  free(name);
  return safe;
}

/* Returns: true when every program the lane needs is on this machine; else says so among what is
 * left out. */
static bool has_programs(struct plan *plan, const struct lane *lane) {
  struct strings needs = {0};
  bool all = true;
  strings_split(&needs, lane->needs != NULL ? lane->needs : "", ' ');
  for (size_t i = 0; i < needs.n && all; i++) {
    char *path = tool_find(needs.at[i]);
    all = path != NULL;
    if (!all)
      strings_take(&plan->left_out, lab_format("%s: %s is not installed", lane->name, needs.at[i]));
    free(path);
  }
  strings_clear(&needs);
  return all;
}

static void add_lane(struct plan *plan, const struct config *config, const struct lane *lane) {
  if ((lane->flags & LANE_APP) != 0) { /* a program touches what it touches */
    add_row(plan, lane, lane->name, "none");
    return;
  }
  bool both = config->touch == TOUCH_BOTH ||
              (config->touch < 0 && (!config->quick || (lane->flags & LANE_QUICK_TOUCH) != 0));
  if (config->touch != TOUCH_EDGES)
    add_row(plan, lane, lane->name, "none");
  if (config->touch == TOUCH_EDGES || both)
    add_row(plan, lane, lane->name, "edges");
}

static void note_left_out(struct plan *plan, const struct config *config) {
  size_t n;
  const struct lane *all = lanes_all(&n);
  if (config->lanes_said || config->app != NULL)
    return;
  for (size_t i = 0; i < n; i++)
    if ((all[i].flags & LANE_STANDARD) != 0 && !strings_has(&config->lanes, all[i].name))
      strings_take(&plan->left_out,
                   lab_format("%s: not in a quick run (--record has it)", all[i].name));
}

void plan_make(struct plan *plan, const struct config *config, const struct memory_state *memory) {
  *plan = (struct plan){0};
  note_left_out(plan, config);
  if (config->app != NULL) {
    add_row(plan, NULL, config->app_name != NULL ? config->app_name : "app", "none");
    return;
  }
  for (size_t i = 0; i < config->lanes.n; i++) {
    const struct lane *lane = guarded(plan, config, memory, lanes_find(config->lanes.at[i]));
    if (lane != NULL && config->linked && (lane->flags & LANE_APP) != 0)
      strings_take(
          &plan->left_out,
          lab_format("%s: a program of the machine cannot be linked to an allocator", lane->name));
    else if (lane != NULL && has_programs(plan, lane))
      add_lane(plan, config, lane);
  }
}

bool plan_fall_back(struct plan *plan, struct plan_row *row) {
  if (row->lane == NULL || (row->lane->flags & LANE_HUNGRY) == 0)
    return false;
  char *name = lab_format("cross128_safe%s", strrchr(row->lane->name, '_'));
  bool plain = strcmp(row->touch, "none") == 0;
  strings_take(&plan->left_out, lab_format("%s: failed, %s runs instead", row->name, name));
  row->lane = lanes_find(name);
  snprintf(row->name, sizeof row->name, "%s%s%s", name, plain ? "" : "+", plain ? "" : row->touch);
  free(name);
  return true;
}

void plan_order(unsigned *order, size_t n, uint64_t seed, enum cell_pass pass, const char *row,
                unsigned round) {
  char *text = lab_format("order %s %s %u", pass_name(pass), row, round);
  struct lab_random r = {random_seed_for(seed, text)};
  random_order(&r, order, n);
  free(text);
}

uint64_t plan_workload_seed(uint64_t seed, const char *row, unsigned round) {
  char *text = lab_format("workload %s %u", row, round);
  uint64_t value = random_seed_for(seed, text) & 0x7fffffff;
  free(text);
  return value;
}
