/* One run: its folder, its pinned files, its allocators, its launcher and its record.
 *
 * DIR/pins/ holds SHA256-name copies, DIR/raw/ the cells' output, DIR/curves/ the memory curves,
 * DIR/hangs/ evidence, DIR/meta.json what makes the run repeatable.
 *
 * Owns: opening a fresh or an earlier folder, meta.json, dso_sha256.txt. Owns not: the order of
 * cells. Thread rule: one thread; one session for one process. */
#ifndef BENCH_LAB_SESSION_H
#define BENCH_LAB_SESSION_H

#include "bench/lab/config.h"
#include "bench/lab/contender.h"
#include "bench/lab/journal.h"
#include "bench/lab/launcher.h"
#include "bench/lab/plan.h"

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

struct workload {
  char *name; /* args; hz4/args where it is linked */
  char *source;
  struct pin pin;
};

struct session {
  struct config config;
  struct launcher *launcher;
  struct contenders contenders;
  struct plan plan;
  struct journal journal;
  struct workload *workloads;
  size_t workloads_n;
  char *dir;
  char *raw;
  char *pins;
  char *curves;
  char *hangs;
  char *scratch;
  struct pin shim; /* path NULL: not needed so far */
  json_t *meta;
};

/* Effect: a fresh folder (or, with --resume, an earlier one), plan, pins and proofs. Refuses what
 * cannot be measured. Returns: false when the person interrupted. */
bool session_open(struct session *s, struct launcher *launcher, const struct config *config);

/* Effect: writes meta.json anew; a full disk is refused. */
void session_save(struct session *s);

/* Effect: brings the plan in meta.json up to date (rows that fell back, what was left out). */
void session_refresh_plan(struct session *s);

/* Effect: adds one line to the notes of meta.json. */
void session_note(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns: the pinned copy of a workload, the one linked to the contender where it is linked;
 * refuses when it was not built. Valid until the next call. */
const struct workload *session_workload(struct session *s, const struct contender *c,
                                        const char *name);

/* Returns: the pinned copy of the shim that times single calls; refuses when it was not built. */
const char *session_shim(struct session *s);

/* Effect: writes the end into meta.json: what follows only reads the folder. */
void session_finish(struct session *s);

/* Effect: session_finish where it has not been done, removes the scratch folder, prints the folder
 * as the last line. */
void session_close(struct session *s);

#ifdef __cplusplus
}
#endif
#endif
