/* Text and refusals of the lab.
 *
 * Owns: growing lists of strings, formatted strings, splitting, the one way in which the lab says
 * no. Owns not: files, processes, the meaning of any word. Thread rule: one thread; nothing here is
 * shared. */
#ifndef BENCH_LAB_TEXT_H
#define BENCH_LAB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LAB_EXIT_OK = 0, LAB_EXIT_CELL_FAILED = 1, LAB_EXIT_REFUSED = 2 };

/* A list of owned strings. Invariant: at[n] == NULL whenever at != NULL, so that a list is an argv.
 */
struct strings {
  char **at;
  size_t n;
};

/* Effect: one sentence on stderr, then exit 2. What was measured so far stays on disk. Returns
 * never. */
void lab_refuse(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Effect: memory of `bytes` zeroed bytes, or a refusal. Ownership: the caller's, with free(). */
void *lab_zalloc(size_t bytes);

/* Effect: as realloc, or a refusal. */
void *lab_realloc(void *old, size_t bytes);

/* Returns: a new string; ownership: the caller's. */
char *lab_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *lab_copy(const char *text);

/* Effect: appends a copy of `text`, or hands over an owned string. */
void strings_add(struct strings *list, const char *text);
void strings_take(struct strings *list, char *owned);
/* Effect: appends each non-empty part of `text` between separators. */
void strings_split(struct strings *list, const char *text, char separator);
/* Effect: cuts `command` at blanks; '…' and "…" hold blanks together; no other shell meaning.
 * Returns: false when a quote stays open. */
bool strings_words(struct strings *list, const char *command);
bool strings_has(const struct strings *list, const char *text);
/* Returns: the parts with `between` between them; ownership: the caller's. */
char *strings_join(const struct strings *list, const char *between);
void strings_clear(struct strings *list);

/* Returns: true and the number when the whole of `text` is one number; false leaves *out alone. */
bool text_number(const char *text, double *out);
bool text_whole(const char *text, long *out);

/* Effect: a figure as people read it: "12.3 M", "4.56 GiB". Returns: out. */
char *text_rate(char *out, size_t room, double per_second);
char *text_bytes(char *out, size_t room, double bytes);
char *text_span(char *out, size_t room, double seconds);

#ifdef __cplusplus
}
#endif
#endif
