#include "bench/lab/where.h"

#include "bench/lab/text.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns: root/repository/relative for whichever repository of the tree holds it; NULL: none. */
static char *in_runfiles(const char *root, const char *relative) {
  DIR *dir = opendir(root);
  struct dirent *entry;
  char *found = NULL;
  while (dir != NULL && found == NULL && (entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] == '.')
      continue;
    char *path = lab_format("%s/%s/%s", root, entry->d_name, relative);
    if (access(path, R_OK) == 0)
      found = path;
    else
      free(path);
  }
  if (dir != NULL)
    closedir(dir);
  return found;
}

char *where_built(const char *relative) {
  char self[PATH_MAX];
  char *found = NULL;
  const char *roots[2] = {getenv("RUNFILES_DIR"), getenv("TEST_SRCDIR")};
  for (int i = 0; i < 2 && found == NULL; i++)
    if (roots[i] != NULL)
      found = in_runfiles(roots[i], relative);
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (found == NULL && length > 0) {
    self[length] = '\0';
    char *root = lab_format("%s.runfiles", self);
    found = in_runfiles(root, relative);
    free(root);
  }
  if (found == NULL && access(relative, R_OK) == 0)
    found = lab_copy(relative);
  if (found == NULL)
    return NULL;
  char *real = realpath(found, NULL);
  if (real == NULL)
    return found;
  free(found);
  return real;
}

char *where_typed(const char *path) {
  const char *stands = getenv("BUILD_WORKING_DIRECTORY");
  char here[PATH_MAX];
  if (path[0] == '/')
    return lab_copy(path);
  if (stands == NULL || stands[0] != '/')
    stands = getcwd(here, sizeof here);
  return lab_format("%s/%s", stands != NULL ? stands : "", path);
}

const char *where_source(void) {
  return getenv("BUILD_WORKSPACE_DIRECTORY");
}

char *where_scratch(void) {
  const char *root = getenv("TMPDIR");
  char *folder = lab_format("%s/lab-XXXXXX", root != NULL && root[0] == '/' ? root : P_tmpdir);
  if (mkdtemp(folder) != NULL)
    return folder;
  free(folder);
  return NULL;
}

bool where_make(const char *path) {
  char *copy = lab_copy(path);
  bool good = true;
  for (char *slash = strchr(copy + 1, '/'); good; slash = strchr(slash + 1, '/')) {
    if (slash != NULL)
      *slash = '\0';
    struct stat status;
    if (mkdir(copy, 0777) != 0 && errno != EEXIST)
      good = false;
    else if (stat(copy, &status) != 0 || !S_ISDIR(status.st_mode)) {
      good = false;
      errno = ENOTDIR;
    }
    if (slash == NULL)
      break;
    *slash = '/';
  }
  int error = errno;
  free(copy);
  errno = error;
  return good;
}
