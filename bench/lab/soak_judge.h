/* What a series of epochs says: drift, variation, tail, against the scorecard's limits.
 *
 * Owns: those figures and the words. Owns not: running (soak.c).
 * Thread rule: a series belongs to one thread. */
#ifndef BENCH_LAB_SOAK_JUDGE_H
#define BENCH_LAB_SOAK_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SOAK_EDGE_EPOCHS = 5 };
#define SOAK_RSS_DRIFT 0.05
#define SOAK_SPEED_DRIFT (-0.05)
#define SOAK_VARIATION_TIMES 1.2
#define SOAK_TAIL_TIMES 1.02

/* Invariant: rate and rss_kib have n elements. */
struct soak_series {
  double *rate;
  double *rss_kib;
  size_t n;
  double peak_kib;
  char note[160];
};

/* NaN where there are too few epochs (fewer than two edges of five). */
struct soak_figures {
  double mean, median, variation;
  double speed_drift; /* last five against first five epochs, relative */
  double rss_drift;
  bool rss_only_grows; /* every fifth of the run rests above the one before */
  double tail;         /* p99 / p50 of the time of an operation in each epoch */
};

void soak_add(struct soak_series *s, double rate, double rss_kib);
struct soak_figures soak_measure(const struct soak_series *s);

/* Returns: "within the limits" or which limits are passed; ownership: the caller's. Limits that
 * refer to the null allocator are left out where it has no figures. */
char *soak_judge(const struct soak_figures *f, const struct soak_figures *null);
void soak_clear(struct soak_series *s);

#ifdef __cplusplus
}
#endif
#endif
