/* What this machine and this tree are: the part of meta.json that makes a figure repeatable.
 *
 * Owns: asking the kernel and git. Thread rule: one thread. */
#ifndef BENCH_LAB_MACHINE_H
#define BENCH_LAB_MACHINE_H

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns: kernel, CPU, memory, governor, huge pages, limits, C library, compiler; a new reference.
 * What the kernel does not say is null. */
json_t *machine_facts(void);

/* Returns: revision and dirtiness of the source tree; null when there is no git there; a new
 * reference. */
json_t *machine_revision(void);

#ifdef __cplusplus
}
#endif
#endif
