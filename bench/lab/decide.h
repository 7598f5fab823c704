/* GO, NO-GO or NEUTRAL: what paired rounds of A and B say about B.
 *
 * The estimate is the median over rounds of the geometric mean of B/A over the target lanes, minus
 * one, with its 95 % interval. GO: the whole interval lies above zero, the estimate reaches the
 * threshold, no gate lane is lost. A lane is lost when its own whole interval lies below -1 %; the
 * lanes' intervals hold together at 95 %, so that ten lanes do not lose one by chance every other
 * time. NO-GO: the whole interval lies below zero, or a lane is lost. Anything else is NEUTRAL.
 *
 * Owns: that rule. Owns not: measuring (ab.c).
 * Thread rule: pure functions. */
#ifndef BENCH_LAB_DECIDE_H
#define BENCH_LAB_DECIDE_H

#include "bench/lab/stats.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DECIDE_RUN_TIME_THRESHOLD 0.010
#define DECIDE_BUILD_THRESHOLD 0.005
#define DECIDE_LANE_LOST (-0.01)

enum decision { DECISION_NEUTRAL, DECISION_GO, DECISION_NO_GO };

/* One lane's paired ratios B/A; NaN where a round has no pair. */
struct decide_lane {
  const char *name;
  bool is_target;
  const double *ratios; /* one for each round */
};

struct decide_result {
  enum decision decision;
  double estimate; /* B/A - 1 over the target lanes */
  struct interval interval;
  unsigned rounds; /* with a pair in every target lane */
  int lost;        /* index of the first lost lane; -1: none */
  char reason[160];
};

/* Returns: the decision after `rounds` rounds. */
struct decide_result decide(const struct decide_lane *lanes, size_t n, unsigned rounds,
                            double threshold);

/* Returns: true when the interval is narrower than the threshold and rounds suffice: more would not
 * change the verdict. */
bool decide_is_settled(const struct decide_result *r, double threshold);

const char *decision_name(enum decision d);

#ifdef __cplusplus
}
#endif
#endif
