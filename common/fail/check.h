// HZ_ASSERT: our own invariants, debug builds only. HZ_CHECK: what a caller gave us, always.
#ifndef HZ_COMMON_FAIL_CHECK_H_
#define HZ_COMMON_FAIL_CHECK_H_

#include "common/fail/fail.h"

#if HZ_DEBUG
#define HZ_ASSERT(x) ((x) ? (void)0 : hz_fail_assert(#x, __FILE__, __LINE__))
#else
#define HZ_ASSERT(x) ((void)sizeof(!(x)))
#endif
#define HZ_CHECK(x) (HZ_LIKELY(x) ? (void)0 : hz_fail_assert(#x, __FILE__, __LINE__))

#endif // HZ_COMMON_FAIL_CHECK_H_
