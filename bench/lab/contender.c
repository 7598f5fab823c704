#include "bench/lab/contender.h"

#include "bench/lab/cell.h"
#include "bench/lab/procfs.h"
#include "bench/lab/roster.h"
#include "bench/lab/where.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *known_names(void) {
  struct strings names = {0};
  size_t n;
  const struct roster_entry *all = roster_all(&n);
  for (size_t i = 0; i < n; i++)
    strings_add(&names, all[i].name);
  char *text = strings_join(&names, ", ");
  strings_clear(&names);
  return text;
}

static void check_name(const char *name) {
  for (const char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c) && strchr("._-@", *c) == NULL)
      lab_refuse("'%s' is no name for an allocator: letters, digits and . _ - @ only.", name);
  if (strlen(name) >= LAB_NAME_BYTES)
    lab_refuse("'%s' is too long a name for an allocator.", name);
}

static struct contender *add(struct contenders *list, const char *name, const char *path,
                             bool is_peer, const char *setting) {
  check_name(name);
  for (size_t i = 0; i < list->n; i++)
    if (strcmp(list->at[i].name, name) == 0)
      lab_refuse("two allocators are called '%s'.", name);
  list->at = lab_realloc(list->at, (list->n + 1) * sizeof *list->at);
  struct contender *c = &list->at[list->n++];
  memset(c, 0, sizeof *c);
  snprintf(c->name, sizeof c->name, "%s", name);
  c->source = lab_copy(path);
  c->is_peer = is_peer;
  c->setting = setting;
  return c;
}

struct contender *contenders_add(struct contenders *list, const char *name, const char *path,
                                 bool is_peer, const char *setting) {
  struct contender *c = add(list, name, path, is_peer, setting);
  const char *why = elf_inspect(path, &c->facts);
  if (why != NULL)
    lab_refuse("%s (%s) %s.", path, name, why);
  return c;
}

struct contender *contenders_add_linked(struct contenders *list, const char *name, const char *path,
                                        bool is_peer, const char *setting) {
  struct contender *c = add(list, name, path, is_peer, setting);
  const struct roster_entry *e = roster_find(name);
  const char *why = elf_inspect_program(path, &c->facts);
  if (why == NULL && e != NULL && e->built != NULL && !c->facts.has_malloc)
    why = "has no malloc of its own linked in";
  if (why != NULL)
    lab_refuse("%s (%s) %s.", path, name, why);
  c->is_linked = true;
  return c;
}

/* Returns: the path given for `name` by --so, or NULL; ownership: the caller's. */
static char *object_for(const struct config *config, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < config->objects.n; i++)
    if (strncmp(config->objects.at[i], name, length) == 0 && config->objects.at[i][length] == '=')
      return where_typed(config->objects.at[i] + length + 1);
  return NULL;
}

/* Effect: adds an allocator by the probe that is linked to it; the C library's is the plain one. */
static void add_linked(struct contenders *list, const struct roster_entry *e, bool by_name) {
  char *relative =
      e->built != NULL ? lab_format("bench/linked/%s/probe", e->name) : lab_copy("bench/lab/probe");
  char *path = where_built(relative);
  if (path == NULL && by_name)
    lab_refuse("no program of the lab is linked to %s.", e->name);
  if (path != NULL)
    contenders_add_linked(list, e->name, path, e->is_peer, e->setting);
  free(path);
  free(relative);
}

static void add_known(struct contenders *list, const struct config *config,
                      const struct roster_entry *e, bool by_name) {
  if (config->linked) {
    add_linked(list, e, by_name);
    return;
  }
  char *path = object_for(config, e->name);
  if (path == NULL && e->built != NULL)
    path = where_built(e->built);
  if (path == NULL && e->built == NULL && roster_libc() != NULL)
    path = lab_copy(roster_libc());
  if (path == NULL && by_name)
    lab_refuse("%s was not built with the lab; give it with --so %s=PATH.", e->name, e->name);
  if (path != NULL)
    contenders_add(list, e->name, path, e->is_peer, e->setting);
  free(path);
}

static void add_named(struct contenders *list, const struct config *config, const char *name) {
  const struct roster_entry *e = roster_find(name);
  char *path;
  if (e != NULL) {
    add_known(list, config, e, true);
  } else if ((path = object_for(config, name)) != NULL) {
    contenders_add(list, name, path, false, NULL);
    free(path);
  } else {
    lab_refuse("no allocator is called '%s'; known: %s, or --so %s=PATH.", name, known_names(),
               name);
  }
}

void contenders_choose(struct contenders *list, const struct config *config) {
  size_t n;
  const struct roster_entry *all = roster_all(&n);
  for (size_t i = 0; i < config->allocs.n; i++)
    add_named(list, config, config->allocs.at[i]);
  for (size_t i = 0; config->allocs.n == 0 && i < n; i++)
    if (all[i].is_default)
      add_known(list, config, &all[i], false);
  for (size_t i = 0; i < config->objects.n; i++) {
    char *name =
        lab_format("%.*s", (int)strcspn(config->objects.at[i], "="), config->objects.at[i]);
    bool there = false;
    for (size_t j = 0; j < list->n; j++)
      there |= strcmp(list->at[j].name, name) == 0;
    if (!there)
      add_named(list, config, name);
    free(name);
  }
  if (list->n == 0)
    lab_refuse("no allocator to measure; known: %s.", known_names());
}

char *contender_pin_name(const struct contender *c) {
  return lab_format("%s.%s", c->name, c->is_linked ? "probe" : "so");
}

void contenders_pin(struct contenders *list, const char *folder) {
  for (size_t i = 0; i < list->n; i++) {
    char *name = contender_pin_name(&list->at[i]);
    list->at[i].pin = pin_copy(folder, list->at[i].source, name);
    free(name);
  }
}

struct strings contender_environment(const struct contender *c, const struct config *config,
                                     const char *scratch) {
  struct strings env = {0};
  strings_add(&env, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
  strings_add(&env, "LC_ALL=C");
  strings_add(&env, "TZ=UTC0");
  strings_take(&env, lab_format("HOME=%s", scratch));
  strings_take(&env, lab_format("TMPDIR=%s", scratch));
  if (c->setting != NULL)
    strings_add(&env, c->setting);
  for (size_t i = 0; i < config->env.n; i++)
    strings_add(&env, config->env.at[i]);
  if (!c->is_linked)
    strings_take(&env, lab_format("LD_PRELOAD=%s", c->pin.path));
  return env;
}

char *probe_objection(const char *output, const char *path) {
  static const char *const must[] = {"malloc", "free", "calloc", "realloc"};
  char which[256];
  for (size_t i = 0; i < sizeof must / sizeof must[0]; i++) {
    char *expected = lab_format("SYMBOL %s %s\n", must[i], path);
    bool good = strstr(output, expected) != NULL;
    free(expected);
    if (!good)
      return lab_format("%s does not land in the measured file", must[i]);
  }
  const char *maps = strstr(output, "\nMAP ");
  switch (proc_maps_text(maps != NULL ? maps + 1 : "", path, which, sizeof which)) {
  case MAPS_PRESENT:
    return NULL;
  case MAPS_DELETED:
    return lab_format("a deleted shared object is mapped: %s", which);
  default:
    return lab_format("the measured file is not mapped");
  }
}

/* Returns: the file that malloc must land in; not owned. */
static const char *measured_file(const struct contender *c) {
  const struct roster_entry *e = roster_find(c->name);
  bool is_libc = c->is_linked && e != NULL && e->built == NULL;
  return is_libc && roster_libc() != NULL ? roster_libc() : c->pin.path;
}

/* Returns: the other functions of the surface that land elsewhere, for the proof; ownership: the
 * caller's. */
static char *proof_of(const struct contender *c, const char *output) {
  static const char *const may[] = {"posix_memalign", "aligned_alloc", "memalign",
                                    "malloc_usable_size"};
  struct strings elsewhere = {0};
  for (size_t i = 0; i < sizeof may / sizeof may[0]; i++) {
    char *expected = lab_format("SYMBOL %s %s\n", may[i], measured_file(c));
    if (output == NULL || strstr(output, expected) == NULL)
      strings_add(&elsewhere, may[i]);
    free(expected);
  }
  char *missing = strings_join(&elsewhere, ", ");
  const char *where = !c->is_linked                     ? "the pinned file and it is mapped"
                      : measured_file(c) == c->pin.path ? "the linked program itself"
                                                        : "the C library";
  char *proof = lab_format("malloc, free, calloc, realloc land in %s%s%s", where,
                           elsewhere.n > 0 ? "; not of it: " : "", missing);
  free(missing);
  strings_clear(&elsewhere);
  return proof;
}

bool contenders_verify(struct contenders *list, const struct config *config, struct launcher *l,
                       const char *probe, const char *raw, const char *scratch) {
  for (size_t i = 0; i < list->n; i++) {
    struct contender *c = &list->at[i];
    struct cell_result r;
    char *argv[] = {c->is_linked ? c->pin.path : (char *)(size_t)probe, NULL};
    char *log = lab_format("%s/verify.%s.log", raw, c->name);
    struct strings env = contender_environment(c, config, scratch);
    struct cell_spec spec = {.argv = argv,
                             .env = env.at,
                             .directory = scratch,
                             .log_path = log,
                             .timeout_s = 20,
                             .whole_process = true};
    result_clear(&r);
    if (!cell_run(l, &spec, &r))
      return false;
    char *output = proc_text(log);
    if (output == NULL)
      output = lab_copy("");
    char *why = r.status != CELL_OK ? lab_format("a probe under it ended by %s", r.detail)
                                    : probe_objection(output, measured_file(c));
    if (why != NULL)
      lab_refuse("%s (%s) fails its verification: %s; see %s.", c->name, c->source, why, log);
    c->proof = proof_of(c, output);
    free(output);
    free(log);
    strings_clear(&env);
  }
  return true;
}
