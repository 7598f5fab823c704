#include "bench/lab/stats.h"

#include "bench/lab/random.h"
#include "bench/lab/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void stats_sort(double *values, size_t n) {
  if (n > 1)
    qsort(values, n, sizeof *values, by_value);
}

static double *sorted_copy(const double *values, size_t n) {
  double *copy = lab_zalloc(n * sizeof *copy);
  memcpy(copy, values, n * sizeof *copy);
  stats_sort(copy, n);
  return copy;
}

double stats_quantile(const double *ascending, size_t n, double q) {
  if (n == 0)
    return NAN;
  double place = q * (double)(n - 1);
  size_t below = (size_t)floor(place);
  if (below + 1 >= n)
    return ascending[n - 1];
  double part = place - (double)below;
  return ascending[below] + part * (ascending[below + 1] - ascending[below]);
}

double stats_median(const double *values, size_t n) {
  if (n == 0)
    return NAN;
  double *copy = sorted_copy(values, n);
  double median = stats_quantile(copy, n, 0.5);
  free(copy);
  return median;
}

double stats_mean(const double *values, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += values[i];
  return n == 0 ? NAN : sum / (double)n;
}

double stats_deviation(const double *values, size_t n) {
  if (n < 2)
    return NAN;
  double mean = stats_mean(values, n), sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += (values[i] - mean) * (values[i] - mean);
  return sqrt(sum / (double)(n - 1));
}

double stats_variation(const double *values, size_t n) {
  return stats_deviation(values, n) / stats_mean(values, n);
}

double stats_spread(const double *values, size_t n) {
  if (n == 0)
    return NAN;
  double *copy = sorted_copy(values, n);
  double width = stats_quantile(copy, n, 0.75) - stats_quantile(copy, n, 0.25);
  double median = stats_quantile(copy, n, 0.5);
  free(copy);
  return width == 0 ? 0 : width / (2 * fabs(median));
}

/* Effect: the medians of `resamples` draws with replacement, one per place of `medians`. */
static void resample_medians(const double *values, size_t n, double *medians, unsigned resamples,
                             uint64_t seed) {
  struct lab_random r = {seed};
  double *draw = lab_zalloc(n * sizeof *draw);
  for (unsigned i = 0; i < resamples; i++) {
    for (size_t j = 0; j < n; j++)
      draw[j] = values[random_below(&r, n)];
    stats_sort(draw, n);
    medians[i] = stats_quantile(draw, n, 0.5);
  }
  free(draw);
}

struct interval stats_median_interval(const double *values, size_t n, uint64_t seed) {
  if (n == 0)
    return (struct interval){NAN, NAN};
  if (n < STATS_ROUNDS_FOR_95) {
    double *copy = sorted_copy(values, n);
    struct interval range = {copy[0], copy[n - 1]};
    free(copy);
    return range;
  }
  double *medians = lab_zalloc(STATS_RESAMPLES * sizeof *medians);
  resample_medians(values, n, medians, STATS_RESAMPLES, seed);
  stats_sort(medians, STATS_RESAMPLES);
  struct interval interval = {stats_quantile(medians, STATS_RESAMPLES, 0.025),
                              stats_quantile(medians, STATS_RESAMPLES, 0.975)};
  free(medians);
  return interval;
}

struct interval stats_median_interval_exact(const double *values, size_t n, double confidence) {
  double tail = 0; /* chance that at most `below` of n samples lie under the median */
  double term = pow(0.5, (double)n); /* chance of exactly that many */
  size_t below = 0;
  while (2 * below < n && tail + term <= (1 - confidence) / 2) {
    tail += term;
    below++;
    term *= (double)(n - below + 1) / (double)below;
  }
  if (below == 0)
    return (struct interval){-INFINITY, INFINITY};
  double *copy = sorted_copy(values, n);
  struct interval interval = {copy[below - 1], copy[n - below]};
  free(copy);
  return interval;
}

double stats_median_error(const double *values, size_t n, unsigned resamples, uint64_t seed) {
  if (n == 0)
    return NAN;
  double *medians = lab_zalloc(resamples * sizeof *medians);
  resample_medians(values, n, medians, resamples, seed);
  double error = stats_deviation(medians, resamples);
  free(medians);
  return error;
}

double stats_range_coverage(size_t n) {
  return n == 0 ? 0 : 1 - 2 * pow(0.5, (double)n);
}
