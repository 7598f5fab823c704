/* The futex lock, for THREADS threads that each take it ROUNDS times; explored completely.
 *
 * Stands for: hz_lock_acquire, hz_lock_try, hz_lock_release in common/sync/lock.h and hz_lock_slow,
 * hz_unlock_slow in common/sync/lock.c. Each label below is the line of that name there.
 *
 * Shown: at most one thread inside; no thread sleeps for ever (an end state in which somebody has not
 * finished is an error); the word is 0 when all are done.
 * Assumed: memory is sequentially consistent. The orders that the code asks for make what the holder
 * wrote visible to the next; that half is ThreadSanitizer's (lock_tsan_test).
 *
 * SPURIOUS=1 lets sleepers wake for no reason, as the kernel may; it is a run of its own because such
 * wakes would hide a lost one.
 * Mutants, each of which must be found: MUTANT=1 takes the contended lock as 1 (forgets that others
 * wait); MUTANT=2 sleeps without the kernel's comparison; MUTANT=3 never wakes.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef SPURIOUS
#define SPURIOUS 0
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

byte state = 0;        /* hz_lock.state */
bool asleep[THREADS];  /* in the kernel's queue */
byte inside = 0;
byte finished = 0;

proctype Thread(byte me) {
  byte round = 0, seen;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
    round++;

    if
    :: /* hz_lock_acquire: hz_cas_acquire(&state, 0, 1) */
       atomic { seen = state; if :: seen == 0 -> state = 1 :: else fi };
       if
       :: seen == 0
       :: else ->
         do
         :: /* hz_lock_slow: hz_exchange_acquire(&state, 2) */
            atomic {
              seen = state;
#if MUTANT == 1
              state = (seen == 0 -> 1 : 2)
#else
              state = 2
#endif
            };
            if
            :: seen == 0 -> break
            :: else ->
              /* hz_lock_slow: FUTEX_WAIT; the kernel compares and queues in one step */
#if MUTANT == 2
              asleep[me] = true;
#else
              atomic { if :: state == 2 -> asleep[me] = true :: else fi };
#endif
#if SPURIOUS
              if :: !asleep[me] :: asleep[me] = false fi
#else
              !asleep[me]
#endif
            fi
         od
       fi
    :: /* hz_lock_try: hz_cas_acquire(&state, 0, 1), and no more */
       atomic { seen = state; if :: seen == 0 -> state = 1 :: else fi };
       if :: seen == 0 :: else -> goto next fi
    fi;

    inside++;
    assert(inside == 1);
    inside--;

    /* hz_lock_release: hz_exchange_release(&state, 0) == 2 */
    atomic { seen = state; state = 0 };
    assert(seen != 0);
#if MUTANT != 3
    if
    :: seen == 2 ->
      /* hz_unlock_slow: FUTEX_WAKE of one, whichever */
      atomic {
        if
        :: asleep[0] -> asleep[0] = false
        :: asleep[1] -> asleep[1] = false
#if THREADS > 2
        :: asleep[2] -> asleep[2] = false
#endif
#if THREADS > 3
        :: asleep[3] -> asleep[3] = false
#endif
        :: else
        fi
      }
    :: else
    fi;
#endif
next: skip
  od;
  finished++
}

init {
  byte i = 0;
  atomic {
    do
    :: i < THREADS -> run Thread(i); i++
    :: else -> break
    od
  };
  finished == THREADS;
  assert(state == 0 && inside == 0)
}
