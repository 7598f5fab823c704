#include "bench/lab/soak_judge.h"

#include "bench/lab/stats.h"
#include "bench/lab/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIFTHS = 5 };

void soak_add(struct soak_series *s, double rate, double rss_kib) {
  s->rate = lab_realloc(s->rate, (s->n + 1) * sizeof *s->rate);
  s->rss_kib = lab_realloc(s->rss_kib, (s->n + 1) * sizeof *s->rss_kib);
  s->rate[s->n] = rate;
  s->rss_kib[s->n++] = rss_kib;
}

static double drift(const double *values, size_t n) {
  if (n < 2 * SOAK_EDGE_EPOCHS)
    return NAN;
  double first = stats_mean(values, SOAK_EDGE_EPOCHS);
  double last = stats_mean(values + n - SOAK_EDGE_EPOCHS, SOAK_EDGE_EPOCHS);
  return last / first - 1;
}

/* Returns: p99 / p50 of the inverse of the rates: of the latency, not of the throughput inverted.
 */
static double tail(const double *rates, size_t n) {
  if (n < 2 * SOAK_EDGE_EPOCHS)
    return NAN;
  double *latency = lab_zalloc(n * sizeof *latency);
  for (size_t i = 0; i < n; i++)
    latency[i] = 1 / rates[i];
  stats_sort(latency, n);
  double ratio = stats_quantile(latency, n, 0.99) / stats_quantile(latency, n, 0.5);
  free(latency);
  return ratio;
}

static bool only_grows(const double *values, size_t n) {
  size_t part = n / FIFTHS;
  if (part < 2)
    return false;
  for (size_t i = 1; i < FIFTHS; i++)
    if (stats_median(values + i * part, part) <=
        stats_median(values + (i - 1) * part, part) * 1.001)
      return false;
  return true;
}

struct soak_figures soak_measure(const struct soak_series *s) {
  return (struct soak_figures){
      .mean = stats_mean(s->rate, s->n),
      .median = stats_median(s->rate, s->n),
      .variation = stats_variation(s->rate, s->n),
      .speed_drift = drift(s->rate, s->n),
      .rss_drift = drift(s->rss_kib, s->n),
      .rss_only_grows = only_grows(s->rss_kib, s->n),
      .tail = tail(s->rate, s->n),
  };
}

char *soak_judge(const struct soak_figures *f, const struct soak_figures *null) {
  struct strings over = {0};
  if (!isfinite(f->rss_drift))
    return lab_copy("too few epochs");
  if (f->rss_drift > SOAK_RSS_DRIFT)
    strings_take(&over, lab_format("RSS drifts by more than %+.0f %%", 100 * SOAK_RSS_DRIFT));
  if (f->rss_only_grows)
    strings_add(&over, "RSS grows in every fifth of the run");
  if (f->speed_drift < SOAK_SPEED_DRIFT)
    strings_take(&over, lab_format("speed drifts by more than %+.0f %%", 100 * SOAK_SPEED_DRIFT));
  if (f->variation > SOAK_VARIATION_TIMES * null->variation)
    strings_take(
        &over, lab_format("variation above %.1f times the null allocator's", SOAK_VARIATION_TIMES));
  if (f->tail > SOAK_TAIL_TIMES * null->tail)
    strings_take(&over,
                 lab_format("p99/p50 above %.2f times the null allocator's", SOAK_TAIL_TIMES));
  char *text = over.n == 0 ? lab_copy("within the limits") : strings_join(&over, "; ");
  strings_clear(&over);
  return text;
}

void soak_clear(struct soak_series *s) {
  free(s->rate);
  free(s->rss_kib);
  memset(s, 0, sizeof *s);
}
