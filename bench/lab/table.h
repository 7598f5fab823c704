/* Aligned tables for a terminal, and the same cells as Markdown.
 *
 * Owns: widths (counted in characters, not bytes), alignment, colour on a terminal only.
 * Thread rule: one thread. */
#ifndef BENCH_LAB_TABLE_H
#define BENCH_LAB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum table_colour { COLOUR_PLAIN, COLOUR_GOOD, COLOUR_BAD, COLOUR_DIM, COLOUR_BOLD };

enum { TABLE_COLUMNS_MAX = 24 };

/* Invariant: cells holds rows * columns texts, the head among them as row 0. */
struct table {
  size_t columns;
  size_t rows;
  char **cells;
  enum table_colour *colours;
};

/* Effect: a table with these column heads (ended by NULL). The first column is aligned left, the
 * others right; a head that starts with '<' makes its column left too. */
void table_start(struct table *t, const char *const *heads);
/* Effect: begins a row; its cells are empty. */
void table_row(struct table *t);
/* Effect: sets a cell of the last row. */
void table_set(struct table *t, size_t column, enum table_colour colour, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void table_print(const struct table *t, FILE *out, bool colour);
void table_markdown(const struct table *t, FILE *out);
void table_clear(struct table *t);

/* Returns: how many columns of a terminal a UTF-8 text fills. */
size_t table_width(const char *text);

#ifdef __cplusplus
}
#endif
#endif
