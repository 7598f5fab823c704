/* The gate of initialisation: THREADS threads that allocate for the first time at once; explored completely.
 *
 * Stands for: hz_process_enter and gate_run in common/process/process.c, a futex among it: FUTEX_WAIT compares and
 * sleeps in one step, FUTEX_WAKE wakes those that sleep at that moment.
 *
 * Shown: initialisation runs once; whoever passes the gate finds it done; an allocation within it is told so, and
 * does not wait for itself; nobody sleeps for ever (no end but all finished).
 *
 * Mutants, each of which must be found: MUTANT=1 opens before initialisation is done; MUTANT=2 wakes nobody;
 * MUTANT=3 sleeps without comparing.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define ME (_pid + 1) /* thread ids; 0 is nobody's */

byte state = 0;   /* hz_process_state */
byte owner = 0;   /* gate_owner */
byte runs = 0;    /* of init */
bool done = false;
bool asleep[THREADS + 1];

/* What init itself allocates comes to the gate again. */
inline enter_within() {
  assert(state == 1 && owner == ME)
}

inline wake() {
#if MUTANT == 2
  skip
#else
  atomic {
    waker = 1;
    do
    :: waker <= THREADS -> asleep[waker] = false; waker++
    :: else -> break
    od
  }
#endif
}

inline gate_run() {
  owner = ME;
  runs++;
  assert(runs == 1);
#if MUTANT == 1
  state = 2;
  done = true;
#else
  enter_within();
  done = true;
  state = 2;
#endif
  wake()
}

/* FUTEX_WAIT on 1 */
inline sleep_while_1() {
#if MUTANT == 3
  asleep[ME] = true;
#else
  atomic { if :: state == 1 -> asleep[ME] = true :: else fi };
#endif
  !asleep[ME]
}

active [THREADS] proctype Thread() {
  byte seen, waker;
  bool mine;
  if
  :: state == 2 -> goto passed
  :: else
  fi;
  atomic { seen = state; mine = (seen == 0); if :: mine -> state = 1 :: else fi };
  if
  :: mine -> gate_run()
  :: !mine && seen == 1 && owner == ME -> assert(false) /* no other thread finds its own id there */
  :: else ->
    do
    :: state == 2 -> break
    :: else -> sleep_while_1()
    od
  fi;
passed:
  assert(done && runs == 1)
}
