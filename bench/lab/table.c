#include "bench/lab/table.h"

#include "bench/lab/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

size_t table_width(const char *text) {
  size_t width = 0;
  for (; *text != '\0'; text++)
    width += ((unsigned char)*text & 0xc0) != 0x80; /* continuation bytes fill nothing */
  return width;
}

void table_row(struct table *t) {
  size_t from = t->rows++ * t->columns, n = t->rows * t->columns;
  t->cells = lab_realloc(t->cells, n * sizeof *t->cells);
  t->colours = lab_realloc(t->colours, n * sizeof *t->colours);
  for (size_t i = from; i < n; i++) {
    t->cells[i] = lab_copy("");
    t->colours[i] = COLOUR_PLAIN;
  }
}

void table_start(struct table *t, const char *const *heads) {
  *t = (struct table){0};
  while (heads[t->columns] != NULL)
    t->columns++;
  table_row(t);
  for (size_t i = 0; i < t->columns; i++)
    table_set(t, i, COLOUR_DIM, "%s", heads[i]);
}

void table_set(struct table *t, size_t column, enum table_colour colour, const char *format, ...) {
  size_t at = (t->rows - 1) * t->columns + column;
  va_list args;
  char *text = NULL;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0)
    lab_refuse("out of memory.");
  va_end(args);
  free(t->cells[at]);
  t->cells[at] = text;
  t->colours[at] = colour;
}

static bool is_left(const struct table *t, size_t column) {
  return column == 0 || t->cells[column][0] == '<';
}

static const char *shown(const struct table *t, size_t row, size_t column) {
  const char *text = t->cells[row * t->columns + column];
  return row == 0 && text[0] == '<' ? text + 1 : text;
}

static size_t column_width(const struct table *t, size_t column) {
  size_t width = 0;
  for (size_t row = 0; row < t->rows; row++) {
    size_t w = table_width(shown(t, row, column));
    width = w > width ? w : width;
  }
  return width;
}

static const char *colour_code(enum table_colour colour) {
  switch (colour) {
  case COLOUR_GOOD:
    return "\033[1;34m"; /* blue and orange: told apart by colour-blind eyes too */
  case COLOUR_BAD:
    return "\033[33m";
  case COLOUR_DIM:
    return "\033[2m";
  case COLOUR_BOLD:
    return "\033[1m";
  default:
    return "";
  }
}

void table_print(const struct table *t, FILE *out, bool colour) {
  for (size_t row = 0; row < t->rows; row++) {
    for (size_t column = 0; column < t->columns; column++) {
      const char *text = shown(t, row, column);
      const char *code = colour ? colour_code(t->colours[row * t->columns + column]) : "";
      int pad = (int)(column_width(t, column) - table_width(text));
      bool left = is_left(t, column), last = column + 1 == t->columns;
      fprintf(out, "%s%*s%s%s%s%*s", column == 0 ? "  " : "   ", left ? 0 : pad, "", code, text,
              *code != '\0' ? "\033[0m" : "", left && !last ? pad : 0, "");
    }
    fputc('\n', out);
  }
}

void table_markdown(const struct table *t, FILE *out) {
  for (size_t row = 0; row < t->rows; row++) {
    for (size_t column = 0; column < t->columns; column++)
      fprintf(out, "| %s ", shown(t, row, column));
    fputs("|\n", out);
    if (row > 0)
      continue;
    for (size_t column = 0; column < t->columns; column++)
      fputs(is_left(t, column) ? "|:---" : "|---:", out);
    fputs("|\n", out);
  }
}

void table_clear(struct table *t) {
  for (size_t i = 0; i < t->rows * t->columns; i++)
    free(t->cells[i]);
  free(t->cells);
  free(t->colours);
  *t = (struct table){0};
}
