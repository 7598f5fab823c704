#include "bench/lab/result.h"

#include "bench/lab/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const figure_names[FIGURE_COUNT] = {
#define X(name) #name,
    LAB_FIGURES(X)
#undef X
};

static const char *const pass_names[PASS_COUNT] = {"speed", "memory", "latency", "floor"};

static const char *const status_names[CELL_STATUS_COUNT] = {
    "missing", "ok", "invalid", "exit", "signal", "timeout", "hang",
};

const char *figure_name(enum figure f) {
  return figure_names[f];
}
const char *pass_name(enum cell_pass p) {
  return pass_names[p];
}
const char *status_name(enum cell_status s) {
  return status_names[s];
}

static int index_of(const char *const *names, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0)
      return i;
  return -1;
}

void result_clear(struct cell_result *r) {
  memset(r, 0, sizeof *r);
  for (int i = 0; i < FIGURE_COUNT; i++)
    r->figure[i] = NAN;
}

/* Effect: sets every known figure of the blank-separated key=value parts; other parts stay in
 * *others. */
static void read_pairs(struct cell_result *r, const char *text, struct strings *others) {
  struct strings parts = {0};
  strings_split(&parts, text, ' ');
  for (size_t i = 0; i < parts.n; i++) {
    parts.at[i][strcspn(parts.at[i], "\r\n")] = '\0';
    char *value = strchr(parts.at[i], '=');
    if (value == NULL)
      continue;
    *value = '\0';
    int f = index_of(figure_names, FIGURE_COUNT, parts.at[i]);
    *value = '=';
    if (f >= 0)
      text_number(value + 1, &r->figure[f]);
    else
      strings_add(others, parts.at[i]);
  }
  strings_clear(&parts);
}

bool result_read_line(struct cell_result *r, const char *line) {
  struct strings others = {0};
  bool valid = true;
  const char *reason = "no reason given";
  if (strncmp(line, "RESULT ", 7) != 0)
    return false;
  read_pairs(r, line + 7, &others);
  for (size_t i = 0; i < others.n; i++) {
    if (strcmp(others.at[i], "valid=0") == 0)
      valid = false;
    else if (strncmp(others.at[i], "reason=", 7) == 0)
      reason = others.at[i] + 7;
  }
  bool good = isfinite(r->figure[FIGURE_ops]);
  if (good && !isfinite(r->figure[FIGURE_ops_per_s]) && r->figure[FIGURE_seconds] > 0)
    r->figure[FIGURE_ops_per_s] = r->figure[FIGURE_ops] / r->figure[FIGURE_seconds];
  if (good && !valid) {
    r->status = CELL_INVALID;
    snprintf(r->detail, sizeof r->detail, "%s", reason);
  }
  strings_clear(&others);
  return good;
}

bool result_read_latency(struct cell_result *r, const char *line) {
  struct strings others = {0};
  struct cell_result fresh;
  if (strncmp(line, "LATENCY ", 8) != 0)
    return false;
  result_clear(&fresh);
  read_pairs(&fresh, line + 8, &others);
  strings_clear(&others);
  /* Not above: the first line too, while r has no samples. */
  if (!(fresh.figure[FIGURE_samples] <= r->figure[FIGURE_samples]))
    for (int f = FIGURE_p50_ns; f <= FIGURE_latency_floor_ns; f++)
      r->figure[f] = fresh.figure[f];
  return true;
}

void result_write_head(FILE *out) {
  fputs("pass\trow\talloc\tround\tposition\tstatus\tdetail", out);
  for (int i = 0; i < FIGURE_COUNT; i++)
    fprintf(out, "\t%s", figure_names[i]);
  fputc('\n', out);
}

static void write_figure(FILE *out, double value) {
  if (!isfinite(value))
    fputc('\t', out);
  else if (value == floor(value) && fabs(value) < 1e15)
    fprintf(out, "\t%.0f", value);
  else
    fprintf(out, "\t%.9g", value);
}

void result_write(FILE *out, const struct cell_result *r) {
  fprintf(out, "%s\t%s\t%s\t%u\t%u\t%s\t", pass_names[r->pass], r->row, r->alloc, r->round,
          r->position, status_names[r->status]);
  for (const char *c = r->detail; *c != '\0'; c++)
    fputc(*c == '\t' || *c == '\n' || *c == '\r' ? ' ' : *c, out);
  for (int i = 0; i < FIGURE_COUNT; i++)
    write_figure(out, r->figure[i]);
  fputc('\n', out);
}

/* Returns: the fields of a line, empty ones included; ownership: the caller's. */
static struct strings fields_of(const char *line) {
  struct strings fields = {0};
  size_t length = strcspn(line, "\r\n");
  const char *end = line + length;
  for (;;) {
    const char *tab = memchr(line, '\t', (size_t)(end - line));
    const char *stop = tab ? tab : end;
    strings_take(&fields, lab_format("%.*s", (int)(stop - line), line));
    if (tab == NULL)
      return fields;
    line = tab + 1;
  }
}

static int column_of(const struct strings *fields, const char *name) {
  return index_of((const char *const *)fields->at, (int)fields->n, name);
}

bool result_read_head(struct result_columns *columns, const char *line) {
  struct strings fields = fields_of(line);
  columns->pass = column_of(&fields, "pass");
  columns->row = column_of(&fields, "row");
  columns->alloc = column_of(&fields, "alloc");
  columns->round = column_of(&fields, "round");
  columns->position = column_of(&fields, "position");
  columns->status = column_of(&fields, "status");
  columns->detail = column_of(&fields, "detail");
  for (int i = 0; i < FIGURE_COUNT; i++)
    columns->figure[i] = column_of(&fields, figure_names[i]);
  columns->n = (int)fields.n;
  strings_clear(&fields);
  return columns->pass >= 0 && columns->row >= 0 && columns->alloc >= 0 && columns->round >= 0 &&
         columns->status >= 0;
}

bool result_parse(struct cell_result *r, const struct result_columns *columns, const char *line) {
  struct strings fields = fields_of(line);
  bool good = false;
  result_clear(r);
  if ((int)fields.n == columns->n) {
    int pass = index_of(pass_names, PASS_COUNT, fields.at[columns->pass]);
    int status = index_of(status_names, CELL_STATUS_COUNT, fields.at[columns->status]);
    long round = 0, position = 0;
    good = pass >= 0 && status >= 0 && text_whole(fields.at[columns->round], &round);
    if (columns->position >= 0)
      text_whole(fields.at[columns->position], &position);
    r->pass = pass >= 0 ? (enum cell_pass)pass : PASS_SPEED;
    r->status = status >= 0 ? (enum cell_status)status : CELL_MISSING;
    r->round = (unsigned)round;
    r->position = (unsigned)position;
    snprintf(r->row, sizeof r->row, "%s", fields.at[columns->row]);
    snprintf(r->alloc, sizeof r->alloc, "%s", fields.at[columns->alloc]);
    if (columns->detail >= 0)
      snprintf(r->detail, sizeof r->detail, "%s", fields.at[columns->detail]);
    for (int i = 0; i < FIGURE_COUNT; i++)
      if (columns->figure[i] >= 0)
        text_number(fields.at[columns->figure[i]], &r->figure[i]);
  }
  strings_clear(&fields);
  return good;
}
