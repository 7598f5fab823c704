/* What a hunt for a hang found, and the one verdict it ends in.
 *
 * Owns: reading a capture's conclusion and the rule. Owns not: capturing (triage.h), repeating
 * (hang.c). Thread rule: pure but for the file it reads. */
#ifndef BENCH_LAB_HANG_VERDICT_H
#define BENCH_LAB_HANG_VERDICT_H

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hang_kind { HANG_NOT_REPRODUCED, HANG_STALE_OBJECT, HANG_DEAD_LOCK, HANG_LIVE_LOCK };

/* Invariant: hangs <= runs <= wanted. The figures of the capture are those of the first one. */
struct hang_evidence {
  unsigned wanted;
  unsigned runs;
  unsigned hangs;
  unsigned failures;
  char failure[200];
  unsigned observe_runs;
  unsigned observe_hangs;
  bool source_changed; /* the file the pin was copied from is no longer the same */
  bool captured;
  bool deleted_mapping;
  char deleted[256];
  int threads;
  int in_futex;
  double cpus_used;
  char hottest[128];
};

/* Effect: takes triage.txt of a capture; a second capture changes nothing. */
void hang_evidence_read(struct hang_evidence *e, const char *folder);

/* Returns: the verdict. A deleted mapping, or a source replaced while a hang was seen: stale shared
 * object. A hang that uses less than a tenth of a CPU: dead-lock. Any other hang: live-lock. */
enum hang_kind hang_judge(const struct hang_evidence *e);

/* Effect: the short report. */
void hang_report(const struct hang_evidence *e, const char *lane, const char *allocator, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
