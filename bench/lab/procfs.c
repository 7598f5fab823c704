#include "bench/lab/procfs.h"

#include "bench/lab/text.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *proc_text(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  size_t room = 4096, used = 0;
  char *text = lab_zalloc(room);
  ssize_t got;
  while ((got = read(fd, text + used, room - used - 1)) > 0) {
    used += (size_t)got;
    if (used + 1 == room)
      text = lab_realloc(text, room *= 2);
  }
  close(fd);
  if (got < 0) {
    free(text);
    return NULL;
  }
  while (used > 0 && text[used - 1] == '\n')
    used--;
  text[used] = '\0';
  return text;
}

double proc_key(const char *text, const char *key) {
  size_t length = strlen(key);
  for (const char *line = text; line != NULL && *line != '\0';) {
    double value;
    if (strncmp(line, key, length) == 0 && line[length] == ':' &&
        sscanf(line + length + 1, "%lf", &value) == 1)
      return value;
    line = strchr(line, '\n');
    if (line != NULL)
      line++;
  }
  return NAN;
}

static char *text_of(pid_t pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  return proc_text(path);
}

bool proc_rss(pid_t pid, struct proc_memory *m) {
  *m = (struct proc_memory){NAN, NAN, NAN, NAN};
  char *text = text_of(pid, "statm");
  unsigned long pages = 0;
  bool good = text != NULL && sscanf(text, "%*u %lu", &pages) == 1 && pages > 0;
  if (good)
    m->rss_kib = (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
  free(text);
  return good;
}

bool proc_rollup(pid_t pid, struct proc_memory *m) {
  *m = (struct proc_memory){NAN, NAN, NAN, NAN};
  char *text = text_of(pid, "smaps_rollup");
  if (text == NULL)
    return false;
  m->rss_kib = proc_key(text, "Rss");
  m->pss_kib = proc_key(text, "Pss");
  m->lazy_free_kib = proc_key(text, "LazyFree");
  m->anon_huge_kib = proc_key(text, "AnonHugePages");
  free(text);
  return isfinite(m->rss_kib);
}

enum maps_finding proc_maps_text(const char *maps, const char *path, char *which, size_t room) {
  enum maps_finding finding = MAPS_ABSENT;
  size_t length = strlen(path);
  for (const char *line = maps; line != NULL && *line != '\0';) {
    const char *end = strchrnul(line, '\n');
    const char *file = memchr(line, '/', (size_t)(end - line));
    if (file != NULL) {
      size_t bytes = (size_t)(end - file);
      static const char gone[] = " (deleted)";
      bool deleted =
          bytes > sizeof gone - 1 && memcmp(end - (sizeof gone - 1), gone, sizeof gone - 1) == 0;
      if (deleted && memmem(file, bytes, ".so", 3) != NULL) {
        snprintf(which, room, "%.*s", (int)bytes, file);
        return MAPS_DELETED;
      }
      if (bytes == length && memcmp(file, path, length) == 0)
        finding = MAPS_PRESENT;
    }
    line = *end == '\0' ? NULL : end + 1;
  }
  return finding;
}

enum maps_finding proc_maps(pid_t pid, const char *path, char *which, size_t room) {
  char *maps = text_of(pid, "maps");
  if (maps == NULL || *maps == '\0') {
    free(maps);
    return MAPS_GONE;
  }
  enum maps_finding finding = proc_maps_text(maps, path, which, room);
  free(maps);
  return finding;
}

double proc_busy_s(void) {
  char *text = proc_text("/proc/stat");
  double user, nice, system, irq, soft;
  double busy = NAN;
  if (text != NULL &&
      sscanf(text, "cpu %lf %lf %lf %*f %*f %lf %lf", &user, &nice, &system, &irq, &soft) == 5)
    busy = (user + nice + system + irq + soft) / (double)sysconf(_SC_CLK_TCK);
  free(text);
  return busy;
}
