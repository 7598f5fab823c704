#include "bench/lab/hang_verdict.h"

#include "bench/lab/procfs.h"
#include "bench/lab/text.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_CPUS 0.1

/* Effect: copies the value behind "key TAB" into out. */
static bool value_of(const char *text, const char *key, char *out, size_t room) {
  size_t length = strlen(key);
  for (const char *line = text; line != NULL && *line != '\0';) {
    if (strncmp(line, key, length) == 0 && line[length] == '\t') {
      snprintf(out, room, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
      return true;
    }
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return false;
}

void hang_evidence_read(struct hang_evidence *e, const char *folder) {
  char *path = lab_format("%s/triage.txt", folder);
  char *text = proc_text(path);
  char value[256];
  free(path);
  if (text == NULL || e->captured) {
    free(text);
    return;
  }
  e->captured = true;
  if (value_of(text, "threads", value, sizeof value))
    e->threads = atoi(value);
  if (value_of(text, "in_futex", value, sizeof value))
    e->in_futex = atoi(value);
  if (value_of(text, "cpus_used", value, sizeof value))
    e->cpus_used = atof(value);
  if (value_of(text, "deleted_mapping", e->deleted, sizeof e->deleted))
    e->deleted_mapping = strcmp(e->deleted, "no") != 0;
  value_of(text, "hottest", e->hottest, sizeof e->hottest);
  free(text);
}

enum hang_kind hang_judge(const struct hang_evidence *e) {
  if (e->deleted_mapping || (e->source_changed && e->hangs + e->failures > 0))
    return HANG_STALE_OBJECT;
  if (e->hangs == 0)
    return HANG_NOT_REPRODUCED;
  return e->cpus_used < IDLE_CPUS ? HANG_DEAD_LOCK : HANG_LIVE_LOCK;
}

static const char *next_action(const struct hang_evidence *e) {
  switch (hang_judge(e)) {
  case HANG_STALE_OBJECT:
    return "build again, let nothing rebuild it meanwhile, and repeat";
  case HANG_DEAD_LOCK:
    return "read stacks.txt for who holds what each thread waits for";
  case HANG_LIVE_LOCK:
    return "read profile.txt and the loop of the hottest function: what would end it, and who must "
           "act";
  case HANG_NOT_REPRODUCED:
    break;
  }
  if (e->failures > 0)
    return "not a hang: look at the raw log of the run that failed";
  return "repeat with more runs, other --cpus, or load beside it";
}

static void write_verdict(const struct hang_evidence *e, FILE *out) {
  switch (hang_judge(e)) {
  case HANG_STALE_OBJECT:
    fputs("Verdict: stale shared object.\n\n", out);
    return;
  case HANG_DEAD_LOCK:
    fputs("Verdict: fault in the allocator: dead-lock.\n\n", out);
    return;
  case HANG_LIVE_LOCK:
    fputs("Verdict: fault in the allocator: live-lock.\n\n", out);
    return;
  case HANG_NOT_REPRODUCED:
    fprintf(out, "Verdict: not reproduced in %u.\n\n", e->runs);
    return;
  }
}

void hang_report(const struct hang_evidence *e, const char *lane, const char *allocator,
                 FILE *out) {
  fprintf(out, "# %s under %s\n\n", lane, allocator);
  write_verdict(e, out);
  fprintf(out, "- hangs: %u in %u runs (%u asked for)\n", e->hangs, e->runs, e->wanted);
  if (e->failures > 0)
    fprintf(out, "- failed instead: %s\n", e->failure);
  fprintf(out, "- observe build: %u hangs in %u runs\n", e->observe_hangs, e->observe_runs);
  fprintf(out, "- deleted mapping seen: %s\n",
          e->captured ? (e->deleted_mapping ? e->deleted : "no") : "no capture");
  fprintf(out, "- source file replaced during the run: %s\n", e->source_changed ? "yes" : "no");
  if (e->captured)
    fprintf(out,
            "- threads in a futex wait: %d of %d (%.0f %%)\n- CPUs used while it hung: %.2f\n"
            "- hottest function: %s\n",
            e->in_futex, e->threads, e->threads > 0 ? 100.0 * e->in_futex / e->threads : 0,
            e->cpus_used, e->hottest);
  fprintf(out, "- next action: %s\n\n", next_action(e));
}
