/* The person's wish to stop: INT, TERM and HUP as one file descriptor.
 *
 * Owns: blocking those signals and remembering the first. Owns not: what is stopped.
 * Thread rule: one thread. */
#ifndef BENCH_LAB_INTERRUPT_H
#define BENCH_LAB_INTERRUPT_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Effect: from now on the signals arrive through the descriptor. */
void interrupt_watch(void);
/* Returns: a descriptor that is readable when a signal waits; -1 before interrupt_watch. */
int interrupt_fd(void);
/* Effect: takes a waiting signal. Returns: the first signal taken so far, 0 for none. */
int interrupt_seen(void);
/* Returns: how many signals were taken; a second one means "at once". */
int interrupt_count(void);
/* Effect: sleeps, at most `seconds`, not beyond an interrupt. Returns: false when one came. */
bool interrupt_sleep(double seconds);

#ifdef __cplusplus
}
#endif
#endif
