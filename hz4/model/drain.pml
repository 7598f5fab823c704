/* Draining the bin of a CPU while threads work on it, for ROUNDS operations of each of two threads on that
 * CPU and DRAINS drains from elsewhere; explored completely.
 *
 * Stands for: the sequences hz4_rseq_pop, hz4_rseq_push and hz4_rseq_swap (hz4/rseq_x86_64.h,
 * rseq_aarch64.h) on one bin, and words_take and the claim in drain of hz4/front_cpu.c, whose steps 1 to 4
 * are drawn in hz4/front_cpu.h. A bin is the number of blocks in its magazine, or STOPPED.
 *
 * What rseq promises is modelled as the kernel means it: the two threads share a CPU, so while one is between
 * its read and its commit the other may run instead; then the first starts again. A drain runs on another CPU,
 * at any moment in between. membarrier returns when every sequence on the CPU has committed or will start again.
 *
 * Shown: no block is in two places and none is lost: in the hands of threads, in the bin, given back to the spans;
 * a drain that says it has a magazine is the only one that has it.
 * The tests run 2 rounds and a drain each of two drainers (2.6 million states); 2 rounds and 2 drains each (7.8
 * million), 3 rounds and 1 (12.8 million) hold too.
 *
 * Mutants, each of which must be found: MUTANT=1 has no membarrier; MUTANT=2 takes the magazine without looking
 * whether the word is still STOPPED; MUTANT=3 lets swap replace STOPPED; MUTANT=4 has two drains at once without
 * the claim.
 */
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef DRAINS
#define DRAINS 2
#endif
#ifndef MUTANT
#define MUTANT 0
#endif
#define CAPACITY 2
#define STOPPED 7
#define BLOCKS 8

byte bin = 0;            /* hz4_cache.top[cls] */
byte held = 2;           /* blocks in the hands of the program */
byte spans = BLOCKS - 2; /* blocks in spans */
bool running[2];         /* a sequence of this thread is between read and commit */
bool again[2];           /* and must start again */
bool claimed = false;    /* hz4_cache.draining */
byte finished = 0;

/* The kernel runs this thread: the other's sequence, if it is in one, starts again. */
inline begin_sequence() {
  atomic {
    again[1 - me] = running[1 - me];
    running[me] = true;
    again[me] = false;
    top = bin
  }
}

/* The commit: one store, if nobody else ran on this CPU and no barrier came since the read. */
inline commit(value, done) {
  atomic {
    if
    :: again[me] -> done = false
    :: else -> bin = value; done = true
    fi;
    running[me] = false
  }
}

proctype Thread(byte me) {
  byte round = 0, top, fresh;
  bool done;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
    round++;
    if
    :: /* hz4_rseq_pop */
       do
       :: begin_sequence();
          if
          :: top == 0 || top == STOPPED -> running[me] = false; break  /* slow path */
          :: else ->
            commit(top - 1, done);
            if
            :: done -> held++; break
            :: else
            fi
          fi
       od
    :: atomic { held > 0 -> held-- };  /* hz4_rseq_push of a block that is freed */
       do
       :: begin_sequence();
          if
          :: top == CAPACITY || top == STOPPED -> running[me] = false; spans++; break
          :: else ->
            commit(top + 1, done);
            if
            :: done -> break
            :: else
            fi
          fi
       od
    :: atomic { spans >= CAPACITY -> spans = spans - CAPACITY; fresh = CAPACITY };
       /* hz4_rseq_swap: a full magazine comes in, what was there goes to the depot */
       do
       :: begin_sequence();
          if
#if MUTANT != 3
          :: top == STOPPED -> running[me] = false; spans = spans + fresh; break
#endif
          :: else ->
            commit(fresh, done);
            if
            :: done -> spans = spans + (top == STOPPED -> 0 : top); break
            :: else
            fi
          fi
       od
    fi;
    top = 0;
    fresh = 0;
    done = false
  od;
  atomic { top = 0; finished++ }
}

proctype Drain() {
  byte round = 0, old;
  do
  :: round == DRAINS -> break
  :: round < DRAINS ->
    round++;
#if MUTANT != 4
    if
    :: atomic { !claimed -> claimed = true }
    :: atomic { claimed -> goto next }
    fi;
#endif
    atomic { old = bin; bin = STOPPED };                     /* step 1: hz_exchange_acquire */
#if MUTANT != 1
    atomic {                                                 /* step 2 */
      again[0] = running[0];
      again[1] = running[1]
    };
#endif
    atomic {                                                 /* steps 3 and 4: one hz_cas_release */
#if MUTANT != 2
      if
      :: bin == STOPPED -> spans = spans + (old == STOPPED -> 0 : old); bin = 0
      :: else
      fi
#else
      spans = spans + (old == STOPPED -> 0 : old);
      if :: bin == STOPPED -> bin = 0 :: else fi
#endif
    };
    claimed = false;
next:
    old = 0
  od;
  finished++
}

init {
  atomic {
    run Thread(0);
    run Thread(1);
    run Drain();
    run Drain()
  };
  finished == 4;
  assert(bin != STOPPED);
  assert(held + spans + bin == BLOCKS)
}
