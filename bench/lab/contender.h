/* The allocators of one run: chosen, pinned, proved.
 *
 * Owns: the choice from --alloc and --so, the pinned copies, the environment a cell of each gets,
 * and the proof that the preload takes effect. Owns not: measuring. Thread rule: one thread. */
#ifndef BENCH_LAB_CONTENDER_H
#define BENCH_LAB_CONTENDER_H

#include "bench/lab/config.h"
#include "bench/lab/elf.h"
#include "bench/lab/launcher.h"
#include "bench/lab/pins.h"
#include "bench/lab/result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Invariant: pin.path is set once pinned; proof once verified. */
struct contender {
  char name[LAB_NAME_BYTES];
  char *source;        /* where it was found */
  const char *setting; /* NAME=VALUE of its own; NULL: none */
  bool is_peer;
  bool is_linked; /* pin is the probe with the allocator inside; nothing is preloaded */
  struct pin pin;
  struct elf_facts facts;
  char *proof; /* one line: symbols and mapping */
};

struct contenders {
  struct contender *at;
  size_t n;
};

/* Effect: fills the list from the config; refuses unknown names and files that cannot serve. An
 * --so under a known name stands in its place. With --linked, only what the tree can link. */
void contenders_choose(struct contenders *list, const struct config *config);

/* Effect: adds one shared object. Refuses what cannot serve as malloc. */
struct contender *contenders_add(struct contenders *list, const char *name, const char *path,
                                 bool is_peer, const char *setting);

/* Effect: adds an allocator that is linked into its programs; `path` is its probe. */
struct contender *contenders_add_linked(struct contenders *list, const char *name, const char *path,
                                        bool is_peer, const char *setting);

/* Returns: the name of a contender's pinned copy behind the hash; ownership: the caller's. */
char *contender_pin_name(const struct contender *c);

/* Effect: copies every one into `folder`. */
void contenders_pin(struct contenders *list, const char *folder);

/* Returns: the environment of a cell, built from nothing; ownership: the caller's (strings_clear).
 */
struct strings contender_environment(const struct contender *c, const struct config *config,
                                     const char *scratch);

/* Effect: runs the probe under each preload (or each one's own, where it is linked), logs it as
 * raw/verify.NAME.log and sets proof; refuses when malloc, calloc, realloc or free does not land in
 * the pinned file, when that file is not mapped, or when a deleted shared object is. Returns: false
 * when the person interrupted. */
bool contenders_verify(struct contenders *list, const struct config *config, struct launcher *l,
                       const char *probe, const char *raw, const char *scratch);

/* Returns: NULL when the probe's output proves that malloc lands in `path` and that it is mapped,
 * else why not; ownership: the caller's. */
char *probe_objection(const char *output, const char *path);

#ifdef __cplusplus
}
#endif
#endif
