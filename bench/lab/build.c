#include "bench/lab/build.h"

#include "bench/lab/interrupt.h"
#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/tool.h"
#include "bench/lab/where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUILD_TIMEOUT_S = 3600, GIT_TIMEOUT_S = 120, REVISION_DIGITS = 40 };

static const char *tree_or_refuse(void) {
  const char *tree = where_source();
  if (tree == NULL)
    lab_refuse("only a run through bazelw knows the tree to build from; give two shared objects.");
  return tree;
}

/* Returns: "//hz4:libhz4.so" for "hz4/libhz4.so"; ownership: the caller's. */
static char *label_of(const char *relative) {
  const char *slash = strrchr(relative, '/');
  return lab_format("//%.*s:%s", (int)(slash - relative), relative, slash + 1);
}

/* A tree to build in. Without an output base it is the person's own, with the Bazel they use. */
struct site {
  const char *tree;
  const char *output_base; /* NULL: the default */
};

/* Returns: argv of `bazelw WORD…` in the site's tree; ownership: the caller's. bazelw works on the
 * tree it stands in, so the shell only changes folder. */
static struct strings bazelw_argv(const struct site *site, const char *const *words, size_t n) {
  struct strings argv = {0};
  strings_add(&argv, "/bin/sh");
  strings_add(&argv, "-c");
  strings_add(&argv, "cd \"$1\" && shift && exec ./bazelw \"$@\"");
  strings_add(&argv, "sh");
  strings_add(&argv, site->tree);
  if (site->output_base != NULL) {
    strings_take(&argv, lab_format("--output_base=%s", site->output_base));
    strings_add(&argv, "--max_idle_secs=15"); /* should nobody be left to end its server */
  }
  for (size_t i = 0; i < n; i++)
    if (words[i] != NULL)
      strings_add(&argv, words[i]);
  return argv;
}

static char *build_at(const struct site *site, const char *flag, const char *relative) {
  char *label = label_of(relative);
  char *bazelw = lab_format("%s/bazelw", site->tree);
  char *scratch = where_scratch();
  char *log = lab_format("%s/build.log", scratch != NULL ? scratch : ".");
  const char *const words[] = {"build", flag, label};
  struct strings argv = bazelw_argv(site, words, sizeof words / sizeof words[0]);
  char *path = lab_format("%s/bazel-bin/%s", site->tree, relative);
  fprintf(stderr, "building %s%s%s in %s\n", label, flag != NULL ? " with " : "",
          flag != NULL ? flag : "", site->tree);
  if (access(bazelw, X_OK) != 0 || tool_run(argv.at, log, BUILD_TIMEOUT_S) != 0 ||
      access(path, R_OK) != 0) {
    char *text = interrupt_seen() == 0 ? proc_text(log) : lab_copy("interrupted");
    fprintf(stderr, "%s\n", text != NULL ? text : "bazelw did not run");
    free(text);
    free(path);
    path = NULL;
  }
  char *real = path != NULL ? realpath(path, NULL) : NULL;
  unlink(log);
  if (scratch != NULL)
    rmdir(scratch);
  strings_clear(&argv);
  free(scratch);
  free(path);
  free(log);
  free(bazelw);
  free(label);
  return real;
}

char *build_file(const char *tree, const char *flag, const char *relative) {
  return build_at(&(struct site){.tree = tree}, flag, relative);
}

/* What build_keep keeps: every file in one folder. */
static struct strings kept;
static char *kept_folder;

void build_forget(void) {
  for (size_t i = 0; i < kept.n; i++)
    unlink(kept.at[i]);
  if (kept_folder != NULL)
    rmdir(kept_folder);
  strings_clear(&kept);
  free(kept_folder);
  kept_folder = NULL;
}

char *build_keep(const char *path, const char *name) {
  if (kept_folder == NULL && (kept_folder = where_scratch()) == NULL)
    return NULL;
  if (kept.n == 0)
    atexit(build_forget);
  char *copy = lab_format("%s/%s.so", kept_folder, name);
  char *argv[] = {"/bin/cp", (char *)(size_t)path, copy, NULL};
  strings_add(&kept, copy);
  if (tool_run(argv, NULL, GIT_TIMEOUT_S) == 0)
    return copy;
  free(copy);
  return NULL;
}

static char *build_or_refuse(const char *tree, const char *relative) {
  char *path = where_built(relative);
  if (path == NULL)
    path = build_file(tree, NULL, relative);
  if (path == NULL)
    lab_refuse("%s cannot be built; its messages are above.", relative);
  return path;
}

/* Returns: a name for a file given by path: its base name without ".so"; ownership: the caller's.
 */
static char *name_of_file(const char *path, const char *other) {
  const char *base = strrchr(path, '/');
  base = base != NULL ? base + 1 : path;
  char *name = lab_format("%.*s", (int)strcspn(base, "."), base);
  if (other == NULL || strcmp(name, other) != 0)
    return name;
  char *second = lab_format("%s_b", name);
  free(name);
  return second;
}

static void find_files(struct build_pair *pair, char *const *words) {
  for (int i = 0; i < 2; i++) {
    pair->path[i] = where_typed(words[i]);
    pair->name[i] = name_of_file(words[i], i == 1 ? pair->name[0] : NULL);
  }
}

static void find_box(struct build_pair *pair, const char *generation, const char *box) {
  const char *tree = tree_or_refuse();
  char *plain = lab_format("%s/lib%s.so", generation, generation);
  char *boxed = lab_format("%s/lib%s_%s.so", generation, generation, box);
  pair->path[0] = build_or_refuse(tree, plain);
  pair->path[1] = build_or_refuse(tree, boxed);
  pair->name[0] = lab_copy(generation);
  pair->name[1] = lab_format("%s_%s", generation, box);
  free(plain);
  free(boxed);
}

/* Returns: the hash behind "- Revision: " in an archive entry's README; ownership: the caller's. */
static char *revision_in(const char *readme) {
  static const char field[] = "- Revision: ";
  for (const char *line = readme; line != NULL;) {
    if (strncmp(line, field, sizeof field - 1) == 0) {
      const char *hash = line + sizeof field - 1;
      size_t digits = strspn(hash, "0123456789abcdef");
      return digits == REVISION_DIGITS ? lab_format("%.*s", (int)digits, hash) : NULL;
    }
    line = strchr(line, '\n');
    line = line != NULL ? line + 1 : NULL;
  }
  return NULL;
}

/* An archive entry on the bench: a work tree and a Bazel of its own, in a folder that goes with it.
 */
struct excavation {
  const char *tree;
  char *git;
  char *folder;
  struct site site;
};

static bool git_does(const struct excavation *e, const char *folder, const char *const *words) {
  struct strings argv = {0};
  strings_add(&argv, e->git);
  strings_add(&argv, "-C");
  strings_add(&argv, folder);
  for (size_t i = 0; words[i] != NULL; i++)
    strings_add(&argv, words[i]);
  bool good = tool_run(argv.at, NULL, GIT_TIMEOUT_S) == 0;
  strings_clear(&argv);
  return good;
}

static void excavation_open(struct excavation *e, const char *tree, const char *revision) {
  *e = (struct excavation){.tree = tree, .git = tool_find("git"), .folder = where_scratch()};
  if (e->git == NULL)
    lab_refuse("git is not installed: an archive entry cannot be built.");
  if (e->folder == NULL)
    lab_refuse("cannot make a folder for the work tree.");
  e->site = (struct site){.tree = lab_format("%s/tree", e->folder),
                          .output_base = lab_format("%s/bazel", e->folder)};
  const char *const add[] = {"worktree",   "add",    "--force", "--detach",
                             e->site.tree, revision, NULL};
  if (!git_does(e, tree, add)) {
    rmdir(e->folder);
    lab_refuse("git cannot check out the revision %s.", revision);
  }
}

/* Effect: the Bazel of the excavation ends, and nothing of it is left. */
static void excavation_close(struct excavation *e) {
  const char *const expunge[] = {"clean", "--expunge"};
  const char *const remove[] = {"worktree", "remove", "--force", e->site.tree, NULL};
  struct strings argv = bazelw_argv(&e->site, expunge, 2);
  char *rest[] = {"/bin/rm", "-rf", e->folder, NULL};
  tool_run(argv.at, NULL, GIT_TIMEOUT_S);
  git_does(e, e->tree, remove);
  tool_run(rest, NULL, GIT_TIMEOUT_S);
  strings_clear(&argv);
  free((char *)(size_t)e->site.tree);
  free((char *)(size_t)e->site.output_base);
  free(e->folder);
  free(e->git);
}

/* Returns: the file that carries the box: a build of its own where the generation's registry has a
 * line for it, else the generation itself; ownership: the caller's. */
static char *boxed_file(const struct excavation *e, const char *generation, const char *box) {
  char *path = lab_format("%s/%s/box/registry.bzl", e->site.tree, generation);
  char *line = lab_format("name = \"%s\"", box);
  char *text = proc_text(path);
  bool listed = text != NULL && strstr(text, line) != NULL;
  char *file = listed ? lab_format("%s/lib%s_%s.so", generation, generation, box)
                      : lab_format("%s/lib%s.so", generation, generation);
  free(text);
  free(line);
  free(path);
  return file;
}

/* Effect: builds one side and keeps the file under the side's name. Returns: false when it could
 * not; its messages are on stderr. */
static bool excavate(struct build_pair *pair, int side, const struct excavation *e,
                     const char *file) {
  char *path = build_at(&e->site, NULL, file);
  if (path != NULL)
    pair->path[side] = build_keep(path, pair->name[side]);
  free(path);
  return pair->path[side] != NULL;
}

static void find_archived(struct build_pair *pair, const char *entry) {
  const char *tree = tree_or_refuse();
  char generation[32], box[64];
  struct excavation e;
  if (sscanf(entry, "archive/%31[^/]/%63[^/]", generation, box) != 2)
    lab_refuse("'%s' is no archive entry; accepted: archive/GENERATION/BOX.", entry);
  char *readme_path = lab_format("%s/archive/%s/%s/README.md", tree, generation, box);
  char *patch = lab_format("%s/archive/%s/%s/%s.patch", tree, generation, box, box);
  char *readme = proc_text(readme_path);
  char *revision = readme != NULL ? revision_in(readme) : NULL;
  if (revision == NULL || access(patch, R_OK) != 0)
    lab_refuse("%s is not whole; archive/check.sh says what it lacks.", entry);
  char *plain = lab_format("%s/lib%s.so", generation, generation);
  const char *const apply[] = {"apply", patch, NULL};
  pair->name[0] = lab_copy(generation);
  pair->name[1] = lab_format("%s_%s", generation, box);
  interrupt_watch(); /* from here on there is something to clear away */
  excavation_open(&e, tree, revision);
  bool built = excavate(pair, 0, &e, plain);
  bool applied = built && git_does(&e, e.site.tree, apply);
  char *boxed = boxed_file(&e, generation, box);
  built = applied && excavate(pair, 1, &e, boxed);
  excavation_close(&e);
  if (interrupt_seen() != 0)
    exit(128 + interrupt_seen());
  if (pair->path[0] != NULL && !applied)
    lab_refuse("%s does not apply to %s.", patch, revision);
  if (!built)
    lab_refuse("%s cannot be built at %s; the messages are above.", entry, revision);
  free(boxed);
  free(plain);
  free(revision);
  free(readme);
  free(patch);
  free(readme_path);
}

void build_pair_find(struct build_pair *pair, char *const *words, size_t n) {
  memset(pair, 0, sizeof *pair);
  if (n == 1 && strncmp(words[0], "archive/", 8) == 0)
    find_archived(pair, words[0]);
  else if (n == 2 && strstr(words[0], ".so") == NULL && strchr(words[0], '/') == NULL)
    find_box(pair, words[0], words[1]);
  else if (n == 2)
    find_files(pair, words);
  else
    lab_refuse("ab takes A.so B.so, GENERATION BOX, or archive/GENERATION/BOX.");
}
