/* Figures about samples: median, quantiles, spread, and the interval of a median.
 *
 * Owns: the arithmetic of a verdict. Owns not: which samples belong together (judge.h).
 * Thread rule: pure functions. Samples that are not finite are the caller's mistake: leave them
 * out. */
#ifndef BENCH_LAB_STATS_H
#define BENCH_LAB_STATS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  STATS_RESAMPLES = 10000,
  /* Below this many rounds the range of the samples itself covers the median less often than 95 %:
   * 1 - 2 * 0.5^n is 0.9375 at 5 and 0.96875 at 6. */
  STATS_ROUNDS_FOR_95 = 6
};

struct interval {
  double low;
  double high;
};

/* Effect: values in ascending order. */
void stats_sort(double *values, size_t n);

/* Returns: quantile q in [0, 1] of ascending values, linear between neighbours (Hyndman and Fan's
 * type 7, the default of R and NumPy); NaN when n is 0. */
double stats_quantile(const double *ascending, size_t n, double q);

/* Returns: the figure of `values` in any order; NaN when n is 0 (deviation, variation: below 2). */
double stats_median(const double *values, size_t n);
double stats_mean(const double *values, size_t n);
double stats_deviation(const double *values, size_t n); /* n - 1 in the denominator */
double stats_variation(const double *values, size_t n); /* deviation / mean */

/* Returns: the quartile deviation relative to the median: (q75 - q25) / (2 * median). The spread
 * that tables show; 0 for one sample, NaN for none. */
double stats_spread(const double *values, size_t n);

/* Returns: the 95 % percentile-bootstrap interval of the median (Efron 1979), repeatable from
 * `seed`. With fewer than STATS_ROUNDS_FOR_95 samples it is the range of the samples. NaN when n is
 * 0. */
struct interval stats_median_interval(const double *values, size_t n, uint64_t seed);

/* Returns: the exact interval of the median from order statistics (Thompson 1936): the narrowest
 * pair of samples, equally far from both ends, that holds the true median with at least
 * `confidence`; from -infinity to infinity where n samples cannot reach it. It never covers less
 * than it says, which the bootstrap does with few rounds; verdicts use it. For families: n
 * intervals at 1 - 0.05 / n hold together at 95 %. */
struct interval stats_median_interval_exact(const double *values, size_t n, double confidence);

/* Returns: the bootstrap standard error of the median, repeatable from `seed`. */
double stats_median_error(const double *values, size_t n, unsigned resamples, uint64_t seed);

/* Returns: the chance that the range of n samples holds the median of what they were drawn from. */
double stats_range_coverage(size_t n);

#ifdef __cplusplus
}
#endif
#endif
