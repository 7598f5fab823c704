#include "bench/lab/pins.h"

#include "bench/lab/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Effect: copies and hashes in one reading, so that the name is that of the copied bytes. */
static bool copy_hashed(int from, int to, char hex[SHA256_HEX_BYTES]) {
  static char buffer[1 << 16];
  struct sha256 state;
  ssize_t got;
  sha256_start(&state);
  while ((got = read(from, buffer, sizeof buffer)) > 0) {
    sha256_add(&state, buffer, (size_t)got);
    for (ssize_t done = 0; done < got;) {
      ssize_t put = write(to, buffer + done, (size_t)(got - done));
      if (put <= 0)
        return false;
      done += put;
    }
  }
  sha256_finish(&state, hex);
  return got == 0;
}

struct pin pin_copy(const char *folder, const char *source, const char *name) {
  struct pin pin;
  char *fresh = lab_format("%s/.fresh", folder);
  int from = open(source, O_RDONLY | O_CLOEXEC);
  if (from < 0)
    lab_refuse("cannot read %s: %s.", source, strerror(errno));
  unlink(fresh);
  int to = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (to < 0 || !copy_hashed(from, to, pin.sha256) || fchmod(to, 0555) != 0 || close(to) != 0)
    lab_refuse("cannot copy %s into %s: %s.", source, folder, strerror(errno));
  close(from);
  pin.path = lab_format("%s/%s-%s", folder, pin.sha256, name);
  if (rename(fresh, pin.path) != 0)
    lab_refuse("cannot name %s: %s.", pin.path, strerror(errno));
  free(fresh);
  return pin;
}

struct pin pin_reuse(const char *folder, const char *sha256, const char *name) {
  struct pin pin;
  pin.path = lab_format("%s/%s-%s", folder, sha256, name);
  if (!sha256_file(pin.path, pin.sha256))
    lab_refuse("cannot read the pinned copy %s: %s.", pin.path, strerror(errno));
  if (strcmp(pin.sha256, sha256) != 0)
    lab_refuse("the pinned copy %s has changed: its SHA-256 is %s.", pin.path, pin.sha256);
  return pin;
}
