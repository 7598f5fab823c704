// Libraries that are loaded with RTLD_DEEPBIND look for malloc and free among what they themselves
// depend on before they look at a preloaded library, and find the C library's. What the program
// gives them to free, or the C library makes for them (strdup, getline), is a block of ours,
// though: they end the process at once. PHP loads its extensions so; jemalloc #2419, mimalloc #377,
// gperftools #1148, snmalloc #595 and rpmalloc #28 report it. A preload library of ours therefore
// has a dlopen, which takes the flag away (dlopen.c).
//
// Owns: whether it does. Thread rule: written in initialisation, constant afterwards.
#ifndef HZ_COMMON_ABI_DEEPBIND_H_
#define HZ_COMMON_ABI_DEEPBIND_H_

#include "common/base/units.h"

HZ_EXTERN_C_BEGIN

// HZx_DEEPBIND=keep: the flag stays, for a program whose libraries have names in common and share
// no block.
extern HZ_HIDDEN bool hz_deepbind_kept;

// The words of that option; their index is the value of hz_deepbind_kept.
extern HZ_HIDDEN const char *const hz_deepbind_words[];

HZ_EXTERN_C_END

#endif // HZ_COMMON_ABI_DEEPBIND_H_
