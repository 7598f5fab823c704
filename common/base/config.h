// The switches that `#if` may read, always defined: what a build does not set is 0.
//
// Owns: the list of build switches and their defaults. Who sets them: tools/variants.bzl (variants)
// and the BUILD file of a part (HZ_OS_SEAM, for users of //common/os:os_seam).
#ifndef HZ_COMMON_BASE_CONFIG_H_
#define HZ_COMMON_BASE_CONFIG_H_

// Variant `fast`: options are constants, checks that cost on the hot path are out.
#ifndef HZ_FAST
#define HZ_FAST 0
#endif

// Variant `observe`: counters by box and stage.
#ifndef HZ_OBSERVE
#define HZ_OBSERVE 0
#endif

// Variant `hardened`: every check in.
#ifndef HZ_HARDENED
#define HZ_HARDENED 0
#endif

// Variant `debug`: our own invariants and the ranks of locks are checked.
#ifndef HZ_DEBUG
#define HZ_DEBUG 0
#endif

// This source sees the fault injection of common/os/seam.h.
#ifndef HZ_OS_SEAM
#define HZ_OS_SEAM 0
#endif

#endif // HZ_COMMON_BASE_CONFIG_H_
