// Atomics with the memory order in their names, over the compiler's builtins, so that the same
// header compiles as C11 and C++17. Each use says beside it why its order suffices and names its
// partner.
#ifndef HZ_COMMON_SYNC_ATOMIC_H_
#define HZ_COMMON_SYNC_ATOMIC_H_

#include "common/base/units.h"

#define hz_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define hz_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define hz_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define hz_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define hz_exchange_relaxed(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)
#define hz_exchange_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define hz_exchange_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define hz_exchange_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define hz_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define hz_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define hz_sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define hz_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define hz_or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define hz_and_relaxed(p, v) __atomic_fetch_and((p), (v), __ATOMIC_RELAXED)
// On failure *expected holds what was seen (relaxed for _relaxed and _release, acquire otherwise).
#define hz_cas_relaxed(p, expected, v)                                                             \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define hz_cas_acquire(p, expected, v)                                                             \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
#define hz_cas_release(p, expected, v)                                                             \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define hz_cas_acq_rel(p, expected, v)                                                             \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define hz_signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif // HZ_COMMON_SYNC_ATOMIC_H_
