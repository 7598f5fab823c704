/* What the cells say together.
 *
 * Ratios are formed within a round, against the best peer of the row (the peer with the highest
 * median), and summarised as their median with a 95 % interval. An interval that spans 1 is no
 * difference.
 *
 * Owns: the figures of every row and the words of a verdict. Owns not: how they are shown.
 * Thread rule: made once, then only read. */
#ifndef BENCH_LAB_JUDGE_H
#define BENCH_LAB_JUDGE_H

#include "bench/lab/journal.h"
#include "bench/lab/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

enum verdict {
  VERDICT_NONE,   /* nothing to compare with, or one round alone */
  VERDICT_BASE,   /* is the best peer itself */
  VERDICT_FASTER, /* the whole interval lies above 1 */
  VERDICT_SLOWER, /* the whole interval lies below 1 */
  VERDICT_SAME,   /* the interval spans 1: no difference seen */
};

/* A row's rings have turned over so often before its clock starts; less is a warm-up cut short. */
#define JUDGE_WARM_TURNOVERS 2.0

/* NaN: not measured. Invariant: ratio is finite exactly when rounds_paired > 0. */
struct judged_cell {
  unsigned rounds; /* speed cells that count */
  unsigned failed; /* of any pass */
  unsigned invalid;
  double median;            /* operations per second */
  double spread;            /* relative quartile deviation */
  struct interval interval; /* of the median */
  unsigned rounds_paired;
  double ratio; /* to the best peer */
  struct interval ratio_interval;
  enum verdict verdict;
  double peak_rss_kib;
  double live_bytes;
  double rss_per_live;
  double freed_rss_kib; /* right after all was freed */
  double idle_rss_kib;  /* one second later; NaN when it was not waited for */
  double remote_pct;    /* effective share */
  double remote_asked_pct;
  double
      warm_turnovers; /* of every ring before the clock started, the least of any cell; NaN: none */
  double minor_faults;
  double user_s, sys_s;
  double timed_ops; /* operations per second of the latency pass */
  double p50_ns, p99_ns, p999_ns, p9999_ns, max_ns;
  char note[LAB_DETAIL_BYTES]; /* why a cell failed or is invalid; empty: nothing */
};

struct judged_row {
  char name[LAB_NAME_BYTES];
  struct judged_cell *cells; /* one for each allocator, in the order of names */
  int best_peer;             /* index; -1: no peer has figures */
  int leader;                /* the highest median; -1: none */
  unsigned rounds;           /* most rounds that any cell has */
};

struct verdicts {
  struct judged_row *rows;
  size_t rows_n;
  size_t allocs_n;
  double other_cpu_pct; /* median over all cells: load from elsewhere; NaN: unknown */
};

struct judge_alloc {
  const char *name;
  bool is_peer;
};

/* Returns: the figures of every row; ownership: the caller's (verdicts_clear). `seed` makes the
 * intervals repeatable. A row without any result is left out. */
struct verdicts judge(const struct journal *journal, const char *const *rows, size_t rows_n,
                      const struct judge_alloc *allocs, size_t allocs_n, uint64_t seed);

/* Returns: median, interval and number of the ratios `a` to `b` formed within rounds of one row. */
unsigned judge_ratio(const struct journal *journal, const char *row, const char *a, const char *b,
                     uint64_t seed, double *ratio, struct interval *interval);

/* Returns: whether some cell's warm-up was cut short, so that the row measures start-up as well. */
bool judge_is_cold(const struct judged_cell *cell);

const char *verdict_words(enum verdict v);
void verdicts_clear(struct verdicts *v);

#ifdef __cplusplus
}
#endif
#endif
