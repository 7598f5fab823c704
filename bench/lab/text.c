#include "bench/lab/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lab_refuse(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fflush(stdout);
  fputs("lab: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(LAB_EXIT_REFUSED);
}

void *lab_zalloc(size_t bytes) {
  void *p = calloc(1, bytes ? bytes : 1);
  if (p == NULL)
    lab_refuse("out of memory (%zu bytes).", bytes);
  return p;
}

void *lab_realloc(void *old, size_t bytes) {
  void *p = realloc(old, bytes ? bytes : 1);
  if (p == NULL)
    lab_refuse("out of memory (%zu bytes).", bytes);
  return p;
}

char *lab_format(const char *format, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0)
    lab_refuse("out of memory.");
  va_end(args);
  return text;
}

char *lab_copy(const char *text) {
  return lab_format("%s", text);
}

void strings_take(struct strings *list, char *owned) {
  list->at = lab_realloc(list->at, (list->n + 2) * sizeof *list->at);
  list->at[list->n++] = owned;
  list->at[list->n] = NULL;
}

void strings_add(struct strings *list, const char *text) {
  strings_take(list, lab_copy(text));
}

void strings_split(struct strings *list, const char *text, char separator) {
  while (*text != '\0') {
    const char *end = strchrnul(text, separator);
    if (end > text)
      strings_take(list, lab_format("%.*s", (int)(end - text), text));
    text = *end == '\0' ? end : end + 1;
  }
}

bool strings_words(struct strings *list, const char *command) {
  size_t room = strlen(command) + 1;
  char *word = lab_zalloc(room);
  size_t n = 0;
  bool inside = false;
  char quote = '\0';
  for (const char *c = command; *c != '\0'; c++) {
    if (quote != '\0') {
      if (*c == quote)
        quote = '\0';
      else
        word[n++] = *c;
    } else if (*c == '\'' || *c == '"') {
      quote = *c;
      inside = true;
    } else if (*c == ' ' || *c == '\t' || *c == '\n') {
      if (inside)
        strings_take(list, lab_format("%.*s", (int)n, word));
      n = 0;
      inside = false;
    } else {
      word[n++] = *c;
      inside = true;
    }
  }
  if (inside && quote == '\0')
    strings_take(list, lab_format("%.*s", (int)n, word));
  free(word);
  return quote == '\0';
}

bool strings_has(const struct strings *list, const char *text) {
  for (size_t i = 0; i < list->n; i++)
    if (strcmp(list->at[i], text) == 0)
      return true;
  return false;
}

char *strings_join(const struct strings *list, const char *between) {
  size_t bytes = 1;
  for (size_t i = 0; i < list->n; i++)
    bytes += strlen(list->at[i]) + strlen(between);
  char *text = lab_zalloc(bytes);
  char *end = text;
  for (size_t i = 0; i < list->n; i++) {
    if (i > 0)
      end = stpcpy(end, between);
    end = stpcpy(end, list->at[i]);
  }
  return text;
}

void strings_clear(struct strings *list) {
  for (size_t i = 0; i < list->n; i++)
    free(list->at[i]);
  free(list->at);
  *list = (struct strings){0};
}

bool text_number(const char *text, double *out) {
  char *end = NULL;
  if (text == NULL || *text == '\0')
    return false;
  errno = 0;
  double value = strtod(text, &end);
  if (*end != '\0' || errno == ERANGE || !isfinite(value))
    return false;
  *out = value;
  return true;
}

bool text_whole(const char *text, long *out) {
  char *end = NULL;
  if (text == NULL || *text == '\0')
    return false;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (*end != '\0' || errno == ERANGE)
    return false;
  *out = value;
  return true;
}

char *text_rate(char *out, size_t room, double per_second) {
  if (!isfinite(per_second))
    snprintf(out, room, "-");
  else if (per_second >= 99.95e6)
    snprintf(out, room, "%.0f M", per_second / 1e6);
  else if (per_second >= 9.995e6)
    snprintf(out, room, "%.1f M", per_second / 1e6);
  else if (per_second >= 1e6)
    snprintf(out, room, "%.2f M", per_second / 1e6);
  else if (per_second >= 1e4)
    snprintf(out, room, "%.3f M", per_second / 1e6);
  else
    snprintf(out, room, "%.3g", per_second);
  return out;
}

char *text_bytes(char *out, size_t room, double bytes) {
  if (!isfinite(bytes))
    snprintf(out, room, "-");
  else if (bytes >= 1024.0 * 1024 * 1024)
    snprintf(out, room, "%.2f GiB", bytes / (1024.0 * 1024 * 1024));
  else if (bytes >= 99.95 * 1024 * 1024)
    snprintf(out, room, "%.0f MiB", bytes / (1024.0 * 1024));
  else if (bytes >= 1024.0 * 1024)
    snprintf(out, room, "%.1f MiB", bytes / (1024.0 * 1024));
  else
    snprintf(out, room, "%.0f KiB", bytes / 1024.0);
  return out;
}

char *text_span(char *out, size_t room, double seconds) {
  long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600)
    snprintf(out, room, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(out, room, "%ld:%02ld", s / 60, s % 60);
  return out;
}
