#include "bench/lab/run_folder.h"

#include "bench/lab/text.h"

#include <stdlib.h>
#include <string.h>

static const char *text_in(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

void run_folder_load(struct run_folder *f, const char *path) {
  json_error_t error;
  char *file = lab_format("%s/meta.json", path);
  memset(f, 0, sizeof *f);
  f->path = lab_copy(path);
  f->meta = json_load_file(file, 0, &error);
  if (f->meta == NULL)
    lab_refuse("%s holds no run: %s.", path, error.text);
  journal_read(&f->journal, path);
  json_t *plan = json_object_get(f->meta, "plan");
  json_t *rows = json_object_get(plan, "rows"), *allocs = json_object_get(f->meta, "contenders");
  f->rows_n = json_array_size(rows);
  f->allocs_n = json_array_size(allocs);
  f->rows = lab_zalloc(f->rows_n * sizeof *f->rows);
  f->allocs = lab_zalloc(f->allocs_n * sizeof *f->allocs);
  for (size_t i = 0; i < f->rows_n; i++)
    f->rows[i] = text_in(json_array_get(rows, i), "name");
  for (size_t i = 0; i < f->allocs_n; i++) {
    const json_t *one = json_array_get(allocs, i);
    f->allocs[i] =
        (struct judge_alloc){text_in(one, "name"), json_is_true(json_object_get(one, "peer"))};
  }
  uint64_t seed = (uint64_t)json_integer_value(json_object_get(plan, "seed"));
  f->verdicts = judge(&f->journal, f->rows, f->rows_n, f->allocs, f->allocs_n, seed);
  free(file);
}

void run_folder_clear(struct run_folder *f) {
  verdicts_clear(&f->verdicts);
  journal_close(&f->journal);
  free(f->rows);
  free(f->allocs);
  free(f->path);
  json_decref(f->meta);
  memset(f, 0, sizeof *f);
}

/* Effect: a sentence when the two values differ. */
static void compare_value(struct strings *out, const char *what, const json_t *a, const json_t *b) {
  bool none = (a == NULL || json_is_null(a)) && (b == NULL || json_is_null(b));
  if (none || json_equal((json_t *)(size_t)a, (json_t *)(size_t)b))
    return;
  char *then = json_dumps(b, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
  char *now = json_dumps(a, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
  strings_take(
      out, lab_format("%s: %s then, %s now", what, then ? then : "unknown", now ? now : "unknown"));
  free(then);
  free(now);
}

static const json_t *contender_named(const json_t *list, const char *name) {
  for (size_t i = 0; i < json_array_size(list); i++)
    if (strcmp(text_in(json_array_get(list, i), "name"), name) == 0)
      return json_array_get(list, i);
  return NULL;
}

static const json_t *at(const json_t *object, const char *a, const char *b) {
  object = json_object_get(object, a);
  return b != NULL ? json_object_get(object, b) : object;
}

void run_folder_differences(const struct run_folder *a, const struct run_folder *b,
                            struct strings *out) {
  static const char *const plain[] = {"host", "kernel",       "architecture",
                                      "libc", "lab_compiler", "build"};
  static const char *const cpu[] = {"model", "online", "allowed", "governor", "hypervisor"};
  static const char *const memory[] = {"MemTotal_kib", "huge_pages", "overcommit", "max_map_count"};
  static const char *const plan[] = {"scale",   "short_args", "seconds", "cpus",
                                     "classic", "check",      "linked"};
  const json_t *ma = at(a->meta, "machine", NULL), *mb = at(b->meta, "machine", NULL);
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    compare_value(out, plain[i], at(ma, plain[i], NULL), at(mb, plain[i], NULL));
  for (size_t i = 0; i < sizeof cpu / sizeof cpu[0]; i++)
    compare_value(out, cpu[i], at(ma, "cpu", cpu[i]), at(mb, "cpu", cpu[i]));
  for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
    compare_value(out, memory[i], at(ma, "memory", memory[i]), at(mb, "memory", memory[i]));
  for (size_t i = 0; i < sizeof plan / sizeof plan[0]; i++)
    compare_value(out, plan[i], at(a->meta, "plan", plan[i]), at(b->meta, "plan", plan[i]));
  compare_value(out, "revision", at(a->meta, "revision", "commit"),
                at(b->meta, "revision", "commit"));
  for (size_t i = 0; i < a->allocs_n; i++) {
    const char *name = a->allocs[i].name;
    const json_t *mine = contender_named(at(a->meta, "contenders", NULL), name);
    const json_t *theirs = contender_named(at(b->meta, "contenders", NULL), name);
    if (theirs != NULL && strcmp(text_in(mine, "sha256"), text_in(theirs, "sha256")) != 0)
      strings_take(out, lab_format("%s is another file: %.12s then, %.12s now", name,
                                   text_in(theirs, "sha256"), text_in(mine, "sha256")));
  }
}
