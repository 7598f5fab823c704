/* Programs of the machine that help the lab (git, gdb, perf, valgrind): found, run, bounded.
 *
 * Owns: running one with its output in a file or in memory, never longer than it may.
 * Owns not: cells; a tool is no measurement.
 * Thread rule: one at a time. */
#ifndef BENCH_LAB_TOOL_H
#define BENCH_LAB_TOOL_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns: the absolute path of a program on PATH, or NULL; ownership: the caller's. */
char *tool_find(const char *name);

/* Effect: runs argv (argv[0] is a path) with stdout and stderr into `out_path` (NULL: nowhere) and
 * kills it after timeout_s, or when the person interrupts meanwhile. Returns: its exit status, or
 * -1 when it did not run, was killed or overran. */
int tool_run(char *const *argv, const char *out_path, double timeout_s);

/* Returns: what the program printed on stdout, without the last newline; NULL when it failed;
 * ownership: the caller's. */
char *tool_output(char *const *argv, double timeout_s);

#ifdef __cplusplus
}
#endif
#endif
