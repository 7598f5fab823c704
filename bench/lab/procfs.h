/* What the kernel says about a process and about the machine, read from /proc.
 *
 * Owns: reading and parsing. Owns not: when to look (curve.h, cell.h).
 * Thread rule: no state. */
#ifndef BENCH_LAB_PROCFS_H
#define BENCH_LAB_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Resident memory of a process in KiB; NaN where the kernel did not say. */
struct proc_memory {
  double rss_kib;
  double pss_kib;
  double lazy_free_kib;
  double anon_huge_kib;
};

/* Effect: RSS alone (cheap). Returns: false when the process is gone. */
bool proc_rss(pid_t pid, struct proc_memory *m);
/* Effect: all four, by walking the page tables (dear). Returns: false when the process is gone. */
bool proc_rollup(pid_t pid, struct proc_memory *m);

enum maps_finding { MAPS_GONE, MAPS_ABSENT, MAPS_PRESENT, MAPS_DELETED };

/* Returns: whether `path` is mapped by the process; MAPS_DELETED when any mapping is of a deleted
 * shared object, named in `which`. */
enum maps_finding proc_maps(pid_t pid, const char *path, char *which, size_t room);
/* The same over text already read. */
enum maps_finding proc_maps_text(const char *maps, const char *path, char *which, size_t room);

/* Returns: the whole of a small file, NUL-terminated, without its last newline; NULL when it cannot
 * be read; ownership: the caller's. */
char *proc_text(const char *path);
/* Returns: the number behind "Key:" in text of /proc's kind; NaN when it is not there. */
double proc_key(const char *text, const char *key);

/* Returns: seconds of CPU that the whole machine has spent busy; NaN when unknown. */
double proc_busy_s(void);

#ifdef __cplusplus
}
#endif
#endif
