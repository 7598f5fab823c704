/* report.html: one file that opens offline and tells a run, or several runs by machine.
 *
 * The page is a template with our style and script, the plotting library as Bazel fetched it, and
 * the data as JSON, all inside one file. Without the plotting library the page still has every
 * table.
 *
 * Owns: the data's shape and putting the file together. Owns not: drawing (report/report.js).
 * Thread rule: one thread. */
#ifndef BENCH_LAB_REPORT_H
#define BENCH_LAB_REPORT_H

#include "bench/lab/run_folder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: writes the page to `path`; refuses on a full disk. Returns: false when the page's own
 * parts were not built with the lab. */
bool report_write(const char *path, const struct run_folder *runs, size_t n);

/* Returns: the data of one run as the page wants it; a new reference. */
json_t *report_run(const struct run_folder *f);

#ifdef __cplusplus
}
#endif
#endif
