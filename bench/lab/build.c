#include "bench/lab/build.h"

#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/tool.h"
#include "bench/lab/where.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUILD_TIMEOUT_S = 3600, REVISION_DIGITS_LEAST = 7 };

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

char *build_file(const char *tree, const char *relative) {
  char *label = label_of(relative);
  char *bazelw = lab_format("%s/bazelw", tree);
  char *scratch = where_scratch();
  char *log = lab_format("%s/build.log", scratch != NULL ? scratch : ".");
  /* bazelw works on the tree it stands in, so the shell only changes folder. */
  char *argv[] = {
      "/bin/sh", "-c", "cd \"$1\" && exec ./bazelw build \"$2\"", "sh", (char *)(size_t)tree,
      label,     NULL};
  char *path = lab_format("%s/bazel-bin/%s", tree, relative);
  fprintf(stderr, "building %s in %s\n", label, tree);
  if (access(bazelw, X_OK) != 0 || tool_run(argv, log, BUILD_TIMEOUT_S) != 0 ||
      access(path, R_OK) != 0) {
    char *text = proc_text(log);
    fprintf(stderr, "%s\n", text != NULL ? text : "bazelw did not run");
    free(text);
    free(path);
    path = NULL;
  }
  char *real = path != NULL ? realpath(path, NULL) : NULL;
  unlink(log);
  if (scratch != NULL)
    rmdir(scratch);
  free(scratch);
  free(path);
  free(log);
  free(bazelw);
  free(label);
  return real;
}

static char *build_or_refuse(const char *tree, const char *relative) {
  char *path = where_built(relative);
  if (path == NULL)
    path = build_file(tree, relative);
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

/* Returns: the first word of at least seven hexadecimal digits behind "evision" in an archive
 * entry's README; ownership: the caller's. */
static char *revision_in(const char *readme) {
  const char *at = strstr(readme, "evision");
  while (at != NULL && *at != '\0') {
    size_t digits = strspn(at, "0123456789abcdef");
    if (digits >= REVISION_DIGITS_LEAST && !isalnum((unsigned char)at[digits]))
      return lab_format("%.*s", (int)digits, at);
    at += digits > 0 ? digits : 1;
  }
  return NULL;
}

/* Effect: a work tree of `revision` at `folder`, with the patch where there is one. Refuses on
 * failure. */
static void check_out(const char *tree, const char *revision, const char *folder,
                      const char *patch) {
  char *git = tool_find("git");
  if (git == NULL)
    lab_refuse("git is not installed: an archive entry cannot be built.");
  char *add[] = {git,
                 "-C",
                 (char *)(size_t)tree,
                 "worktree",
                 "add",
                 "--force",
                 "--detach",
                 (char *)(size_t)folder,
                 (char *)(size_t)revision,
                 NULL};
  if (tool_run(add, NULL, 120) != 0)
    lab_refuse("git cannot check out the revision %s.", revision);
  char *apply[] = {git, "-C", (char *)(size_t)folder, "apply", (char *)(size_t)patch, NULL};
  if (patch != NULL && tool_run(apply, NULL, 60) != 0)
    lab_refuse("%s does not apply to %s.", patch, revision);
  free(git);
}

static void drop(const char *tree, const char *folder) {
  char *git = tool_find("git");
  char *argv[] = {git,      "-C",      (char *)(size_t)tree,   "worktree",
                  "remove", "--force", (char *)(size_t)folder, NULL};
  tool_run(argv, NULL, 60);
  free(git);
}

/* Effect: keeps a built file after its work tree is gone. */
static char *keep_file(const char *path, const char *name) {
  char *folder = where_scratch();
  if (folder == NULL)
    lab_refuse("cannot make a folder for %s.", path);
  char *kept = lab_format("%s/%s.so", folder, name);
  char *argv[] = {"/bin/cp", (char *)(size_t)path, kept, NULL};
  if (tool_run(argv, NULL, 60) != 0)
    lab_refuse("cannot copy %s.", path);
  free(folder);
  return kept;
}

static void find_archived(struct build_pair *pair, const char *entry) {
  const char *tree = tree_or_refuse();
  char generation[32], box[64];
  if (sscanf(entry, "archive/%31[^/]/%63[^/]", generation, box) != 2)
    lab_refuse("'%s' is no archive entry; accepted: archive/GENERATION/BOX.", entry);
  char *readme_path = lab_format("%s/archive/%s/%s/README.md", tree, generation, box);
  char *patch = lab_format("%s/archive/%s/%s/%s.patch", tree, generation, box, box);
  char *readme = proc_text(readme_path);
  char *revision = readme != NULL ? revision_in(readme) : NULL;
  if (revision == NULL || access(patch, R_OK) != 0)
    lab_refuse("%s is not whole: it needs README.md with a revision and %s.patch.", entry, box);
  char *relative = lab_format("%s/lib%s.so", generation, generation);
  for (int i = 0; i < 2; i++) {
    char *folder = where_scratch();
    if (folder == NULL)
      lab_refuse("cannot make a folder for the work tree.");
    rmdir(folder);
    check_out(tree, revision, folder, i == 1 ? patch : NULL);
    char *path = build_file(folder, relative);
    pair->name[i] = i == 0 ? lab_copy(generation) : lab_format("%s_%s", generation, box);
    if (path != NULL)
      pair->path[i] = keep_file(path, pair->name[i]);
    free(path);
    drop(tree, folder);
    free(folder);
    if (pair->path[i] == NULL)
      lab_refuse("%s cannot be built at %s; its messages are above.", relative, revision);
  }
  free(relative);
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
