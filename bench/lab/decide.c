#include "bench/lab/decide.h"

#include "bench/lab/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *decision_name(enum decision d) {
  static const char *const names[] = {"NEUTRAL", "GO", "NO-GO"};
  return names[d];
}

/* Returns: the geometric mean of one round's target ratios; NaN when a pair is missing. */
static double pooled_ratio(const struct decide_lane *lanes, size_t n, unsigned round) {
  double sum = 0;
  unsigned count = 0;
  for (size_t i = 0; i < n; i++)
    if (lanes[i].is_target) {
      sum += log(lanes[i].ratios[round]);
      count++;
    }
  return count == 0 ? NAN : exp(sum / count);
}

static int first_lost(const struct decide_lane *lanes, size_t n, unsigned rounds) {
  double *kept = lab_zalloc(rounds * sizeof *kept);
  int lost = -1;
  for (size_t i = 0; i < n && lost < 0; i++) {
    size_t pairs = 0;
    for (unsigned r = 0; r < rounds; r++)
      if (isfinite(lanes[i].ratios[r]))
        kept[pairs++] = lanes[i].ratios[r] - 1;
    struct interval interval = stats_median_interval_exact(kept, pairs, 1 - 0.05 / (double)n);
    if (interval.high < DECIDE_LANE_LOST)
      lost = (int)i;
  }
  free(kept);
  return lost;
}

static void explain(struct decide_result *r, const struct decide_lane *lanes, double threshold) {
  if (r->rounds < STATS_ROUNDS_FOR_95)
    snprintf(r->reason, sizeof r->reason, "only %u paired rounds: too few for an interval",
             r->rounds);
  else if (r->lost >= 0)
    snprintf(r->reason, sizeof r->reason, "%.64s is lost: its whole interval lies below %.0f %%",
             lanes[r->lost].name, 100 * DECIDE_LANE_LOST);
  else if (r->decision == DECISION_NO_GO)
    snprintf(r->reason, sizeof r->reason, "the whole interval lies below zero");
  else if (r->decision == DECISION_GO)
    snprintf(r->reason, sizeof r->reason,
             "the whole interval lies above zero and the estimate reaches %+.1f %%",
             100 * threshold);
  else if (r->interval.low > 0)
    snprintf(r->reason, sizeof r->reason, "it is faster, but by less than %+.1f %%",
             100 * threshold);
  else
    snprintf(r->reason, sizeof r->reason, "the interval spans zero: no difference seen");
}

struct decide_result decide(const struct decide_lane *lanes, size_t n, unsigned rounds,
                            double threshold) {
  struct decide_result r = {.decision = DECISION_NEUTRAL, .lost = -1};
  double *gains = lab_zalloc(rounds * sizeof *gains);
  for (unsigned round = 0; round < rounds; round++) {
    double ratio = pooled_ratio(lanes, n, round);
    if (isfinite(ratio))
      gains[r.rounds++] = ratio - 1;
  }
  r.estimate = stats_median(gains, r.rounds);
  r.interval = stats_median_interval_exact(gains, r.rounds, 0.95);
  free(gains);
  if (r.rounds >= STATS_ROUNDS_FOR_95) {
    r.lost = first_lost(lanes, n, rounds);
    if (r.lost >= 0 || r.interval.high < 0)
      r.decision = DECISION_NO_GO;
    else if (r.interval.low > 0 && r.estimate >= threshold)
      r.decision = DECISION_GO;
  }
  explain(&r, lanes, threshold);
  return r;
}

bool decide_is_settled(const struct decide_result *r, double threshold) {
  return r->rounds >= STATS_ROUNDS_FOR_95 && r->interval.high - r->interval.low < threshold;
}
