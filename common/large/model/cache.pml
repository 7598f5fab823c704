/* The cache of large blocks: THREADS threads that allocate and free BLOCKS blocks over SLOTS slots of one bin, and
 * evict; explored completely.
 *
 * Stands for: cache_put, cache_take, slot_take and cache_evict_one in common/large/large.c. A word is the number
 * of a block (its granule, count and stamp there), 0 an empty slot.
 *
 * Shown: a block has one holder at a time (a thread, a slot, or the runs), none is lost, and the total of what is
 * cached is never below what lies in the slots, so it never wraps below zero; when all are done it is exact.
 * In particular ABA is harmless: a word that left and came back means that the same block is cached again.
 *
 * Mutants, each of which must be found: MUTANT=1 puts with a store instead of a swap; MUTANT=2 takes with a
 * store; MUTANT=3 counts a block after it could be taken.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

byte slot[SLOTS];
bool out[BLOCKS + 1];   /* held by a thread */
bool runs[BLOCKS + 1];  /* given back to the runs */
short cached = 0;       /* totals.cached_blocks */
byte finished = 0;

/* slot_take: hz_cas_acquire(slot, &seen, 0), then the totals */
inline slot_take() {
#if MUTANT == 2
  slot[i] = 0;
  taken = true;
#else
  atomic { taken = (slot[i] == seen); if :: taken -> slot[i] = 0 :: else fi };
#endif
  if
  :: taken ->
    assert(!out[seen] && !runs[seen]);
    out[seen] = true;
    cached--;
    assert(cached >= 0)
  :: else
  fi
}

proctype Thread() {
  byte round = 0, i, seen, block;
  bool taken;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
    round++;
    block = 0;
    i = 0;
    do /* cache_take */
    :: block == 0 && i < SLOTS ->
       seen = slot[i]; /* hz_load_relaxed */
       if
       :: seen != 0 ->
          slot_take();
          if :: taken -> block = seen :: else fi
       :: else
       fi;
       i++
    :: else -> break
    od;
    if /* alloc_from_runs */
    :: block == 0 ->
       atomic {
         if
         :: runs[1] -> block = 1; runs[1] = false; out[1] = true
         :: !runs[1] && runs[BLOCKS] -> block = BLOCKS; runs[BLOCKS] = false; out[BLOCKS] = true
         :: else
         fi
       }
    :: else
    fi;
    if
    :: block != 0 ->
       i = 0;
       do /* cache_put */
       :: block != 0 && i < SLOTS ->
          seen = slot[i];
          if
          :: seen == 0 ->
#if MUTANT != 3
             cached++; /* counted before it can be taken */
#endif
             out[block] = false;
#if MUTANT == 1
             slot[i] = block;
             taken = true;
#else
             atomic { taken = (slot[i] == 0); if :: taken -> slot[i] = block :: else fi };
#endif
             if
             :: taken ->
#if MUTANT == 3
                cached++;
#endif
                block = 0
             :: else ->
#if MUTANT != 3
                cached--;
#endif
                out[block] = true
             fi
          :: else
          fi;
          i++
       :: else -> break
       od;
       if /* a full bin: hz_run_free */
       :: block != 0 -> atomic { out[block] = false; runs[block] = true }
       :: else
       fi
    :: else
    fi
  od;
  atomic { i = 0; seen = 0; block = 0; taken = false; finished++ }
}

init {
  byte i = 1, total = 0, n;
  atomic {
    do
    :: i <= BLOCKS -> runs[i] = true; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < THREADS -> run Thread(); i++
    :: else -> break
    od
  };
  finished == THREADS;
  atomic {
    i = 1;
    do
    :: i <= BLOCKS ->
      n = (runs[i] -> 1 : 0) + (slot[0] == i -> 1 : 0) + (SLOTS > 1 && slot[SLOTS - 1] == i -> 1 : 0);
      assert(!out[i] && n == 1);
      total = total + (runs[i] -> 0 : 1);
      i++
    :: else -> break
    od;
    assert(cached == total)
  }
}
