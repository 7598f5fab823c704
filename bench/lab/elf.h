/* Is this file a shared object that can serve as malloc here?
 *
 * Owns: reading an ELF file's header, dynamic symbols and compiler note. Owns not: loading it
 * (verify.h). Thread rule: pure functions over a file. */
#ifndef BENCH_LAB_ELF_H
#define BENCH_LAB_ELF_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct elf_facts {
  char soname[128];   /* empty: none */
  char compiler[160]; /* what the compiler wrote about itself; empty: nothing */
  bool has_malloc;    /* defines malloc and free in its dynamic symbols */
  bool is_program;    /* linked to one address: it cannot be preloaded */
};

/* Returns: NULL and *facts when `path` is a program or shared object for this machine, whatever it
 * defines; else why not, as below. */
const char *elf_inspect_program(const char *path, struct elf_facts *facts);

/* Returns: NULL and *facts when `path` is a shared object for this machine; else why not, as the
 * end of a sentence ("is not an ELF file"); a constant string. */
const char *elf_inspect(const char *path, struct elf_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
