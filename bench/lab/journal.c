#include "bench/lab/journal.h"

#include "bench/lab/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct cell_result *slot_for(struct journal *j, const struct cell_result *r) {
  struct cell_result *old =
      (struct cell_result *)(size_t)journal_find(j, r->pass, r->row, r->alloc, r->round);
  if (old != NULL)
    return old;
  j->at = lab_realloc(j->at, (j->n + 1) * sizeof *j->at);
  return &j->at[j->n++];
}

static void keep(struct journal *j, const struct cell_result *r) {
  struct cell_result copy = *r; /* r may lie in the array that grows */
  *slot_for(j, &copy) = copy;
}

/* Effect: takes every whole line of the file. Returns: where the last whole line ends; 0: no head.
 */
static long read_lines(struct journal *j, FILE *in) {
  struct result_columns columns;
  struct cell_result r;
  char *line = NULL;
  size_t room = 0;
  long whole = 0;
  bool has_head = false;
  while (getline(&line, &room, in) > 0 && strchr(line, '\n') != NULL) {
    if (!has_head) {
      if (!result_read_head(&columns, line))
        break;
      has_head = true;
    } else if (result_parse(&r, &columns, line)) {
      keep(j, &r);
    }
    whole = ftell(in);
  }
  free(line);
  return whole;
}

static FILE *open_one(struct journal *j, const char *folder, const char *name) {
  char *path = lab_format("%s/%s", folder, name);
  FILE *f = fopen(path, "a+e");
  if (f == NULL)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  rewind(f);
  long whole = read_lines(j, f);
  if (ftruncate(fileno(f), whole) != 0)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  fseek(f, 0, SEEK_END);
  if (whole == 0)
    result_write_head(f);
  if (fflush(f) != 0)
    lab_refuse("cannot write %s: %s.", path, strerror(errno));
  free(path);
  return f;
}

void journal_open(struct journal *j, const char *folder) {
  *j = (struct journal){0};
  j->ops = open_one(j, folder, "ops.tsv");
  j->rss = open_one(j, folder, "rss.tsv");
}

void journal_read(struct journal *j, const char *folder) {
  static const char *const names[] = {"ops.tsv", "rss.tsv"};
  *j = (struct journal){0};
  for (int i = 0; i < 2; i++) {
    char *path = lab_format("%s/%s", folder, names[i]);
    FILE *in = fopen(path, "re");
    if (in == NULL && i == 0)
      lab_refuse("%s holds no run: %s: %s.", folder, names[i], strerror(errno));
    if (in != NULL) {
      read_lines(j, in);
      fclose(in);
    }
    free(path);
  }
}

void journal_add(struct journal *j, const struct cell_result *r) {
  FILE *out = r->pass == PASS_MEMORY ? j->rss : j->ops;
  result_write(out, r);
  if (fflush(out) != 0 || ferror(out))
    lab_refuse("cannot write the results: %s; what was measured so far is kept.", strerror(errno));
  keep(j, r);
}

const struct cell_result *journal_find(const struct journal *j, enum cell_pass pass,
                                       const char *row, const char *alloc, unsigned round) {
  for (size_t i = 0; i < j->n; i++)
    if (j->at[i].pass == pass && j->at[i].round == round && strcmp(j->at[i].alloc, alloc) == 0 &&
        strcmp(j->at[i].row, row) == 0)
      return &j->at[i];
  return NULL;
}

void journal_close(struct journal *j) {
  if (j->ops != NULL)
    fclose(j->ops);
  if (j->rss != NULL)
    fclose(j->rss);
  free(j->at);
  *j = (struct journal){0};
}
