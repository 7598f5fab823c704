// Which calls of the OS layer are refused in this process: a plan from the environment, so that it
// holds from the first call on, before main.
//
// Owns: the answer of the seam (common/os/os.h) and its counters. Linked instead of os_seam.
// Thread rule: any thread, any time; relaxed counters, nothing is ordered by them.
//
// HZ_SWEEP names the plan:
//   once N      the N-th call                    from N      every call from the N-th on
//   burst N     the N-th and the 9 that follow   kind K      every call of kind K (enum hz_os_call)
//   commit B    commits beyond B bytes in all, as a kernel that does not overcommit
//   reserve B   every reservation above B bytes
// Without it nothing is refused.
#ifndef HZ_COMMON_CONFORMANCE_SWEEP_REFUSAL_H_
#define HZ_COMMON_CONFORMANCE_SWEEP_REFUSAL_H_

#include <stdint.h>

// Effect: nothing is refused any more.
void refusal_end(void);
// Calls asked so far; refused so far; the kinds among the refused, a bit each.
uint64_t refusal_asked(void);
uint64_t refusal_refused(void);
uint64_t refusal_kinds(void);

#endif // HZ_COMMON_CONFORMANCE_SWEEP_REFUSAL_H_
