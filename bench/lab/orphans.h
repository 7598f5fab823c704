/* Processes that outlived their parent and were adopted by this one.
 *
 * Owns: finding and ending them. Requires PR_SET_CHILD_SUBREAPER to have been set.
 * Thread rule: one thread. */
#ifndef BENCH_LAB_ORPHANS_H
#define BENCH_LAB_ORPHANS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: kills and reaps every child of this process, and what those leave behind, until none is
 * left (bounded: at most two seconds). Requires: the caller has no child that it wants to keep. */
void orphans_end(void);

#ifdef __cplusplus
}
#endif
#endif
