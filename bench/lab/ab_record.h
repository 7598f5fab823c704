/* The page an A/B decision leaves behind, in the form of bench/records, ready to commit.
 *
 * Owns: DIR/record/NAME.md, NAME.tsv and the lines on the terminal. Owns not: the decision
 * (decide.h). Thread rule: one thread. */
#ifndef BENCH_LAB_AB_RECORD_H
#define BENCH_LAB_AB_RECORD_H

#include "bench/lab/decide.h"
#include "bench/lab/session.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ab_record {
  struct session *session;
  const struct decide_lane *lanes;
  size_t lanes_n;
  unsigned rounds;
  struct decide_result result;
  double threshold;
};

/* Effect: profiles both on the first target lane (two hottest functions of each, where perf is
 * installed) and writes the record. */
void ab_record_write(const struct ab_record *r);
void ab_record_print(const struct ab_record *r, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
