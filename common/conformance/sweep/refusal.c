// See refusal.h.
#include "common/conformance/sweep/refusal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/os.h"

extern char **environ;

#define BURST 10u

enum mode { UNKNOWN, NOTHING, ONCE, FROM, BURST_FROM, KIND, COMMIT, RESERVE };

static struct {
  enum mode mode;
  uint64_t value;
} plan;
static bool ended;
static uint64_t asked, refused, kinds;
static int64_t committed_bytes;

// Before libc has an environment there is one thread, and nothing of the plan is known yet.
static enum mode mode_now(void) {
  static const struct {
    const char *word;
    enum mode mode;
  } words[] = {{"once ", ONCE}, {"from ", FROM},     {"burst ", BURST_FROM},
               {"kind ", KIND}, {"commit ", COMMIT}, {"reserve ", RESERVE}};
  enum mode mode = __atomic_load_n(&plan.mode, __ATOMIC_ACQUIRE);
  if (mode != UNKNOWN || environ == NULL)
    return mode;
  mode = NOTHING;
  const char *text = getenv("HZ_SWEEP");
  for (unsigned i = 0; text != NULL && i < sizeof words / sizeof words[0]; i++) {
    size_t length = strlen(words[i].word);
    if (strncmp(text, words[i].word, length) != 0)
      continue;
    plan.value = strtoull(text + length, NULL, 10);
    mode = words[i].mode;
  }
  __atomic_store_n(&plan.mode, mode, __ATOMIC_RELEASE);
  return mode;
}

// Strict accounting: what becomes accessible counts, what is given back does no longer. Whether a
// released range was accessible is not known here, so only what surely was is subtracted.
static bool commit_refused(enum hz_os_call kind, size_t bytes) {
  if (kind == HZ_OS_CALL_DECOMMIT || kind == HZ_OS_CALL_PROTECT)
    __atomic_sub_fetch(&committed_bytes, (int64_t)bytes, __ATOMIC_RELAXED);
  if (kind != HZ_OS_CALL_COMMIT && kind != HZ_OS_CALL_MAP)
    return false;
  if (__atomic_add_fetch(&committed_bytes, (int64_t)bytes, __ATOMIC_RELAXED) <= (int64_t)plan.value)
    return false;
  __atomic_sub_fetch(&committed_bytes, (int64_t)bytes, __ATOMIC_RELAXED);
  return true;
}

static bool is_refused(enum hz_os_call kind, size_t bytes, uint64_t number) {
  switch (mode_now()) {
  case UNKNOWN:
  case NOTHING:
    return false;
  case ONCE:
    return number == plan.value;
  case FROM:
    return number >= plan.value;
  case BURST_FROM:
    return number >= plan.value && number < plan.value + BURST;
  case KIND:
    return (uint64_t)kind == plan.value;
  case COMMIT:
    return commit_refused(kind, bytes);
  case RESERVE:
    return kind == HZ_OS_CALL_RESERVE && bytes > plan.value;
  }
  return false;
}

bool hz_os_seam_fails(enum hz_os_call kind, size_t bytes) {
  if (__atomic_load_n(&ended, __ATOMIC_RELAXED))
    return false;
  uint64_t number = __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
  if (!is_refused(kind, bytes, number))
    return false;
  __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
  __atomic_or_fetch(&kinds, (uint64_t)1 << kind, __ATOMIC_RELAXED);
  return true;
}

void refusal_end(void) {
  __atomic_store_n(&ended, true, __ATOMIC_RELAXED);
}
uint64_t refusal_asked(void) {
  return __atomic_load_n(&asked, __ATOMIC_RELAXED);
}
uint64_t refusal_refused(void) {
  return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}
uint64_t refusal_kinds(void) {
  return __atomic_load_n(&kinds, __ATOMIC_RELAXED);
}
