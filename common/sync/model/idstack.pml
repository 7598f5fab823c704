/* The lock-free stack of numbered nodes, for THREADS threads and NODES nodes; explored completely.
 *
 * Stands for: hz_idstack_push and hz_idstack_pop in common/sync/idstack.h. Each thread ROUNDS times takes
 * a node and puts it back, or holds one and takes another before it returns both, in either order.
 *
 * Shown: a node taken has no other holder; none is lost, none is twice in the stack.
 * Assumed: sequential consistency (the orders are ThreadSanitizer's: idstack_tsan_test) and a version
 * that does not wrap while one pop is under way: versions here count to 255, a run makes fewer steps.
 *
 * The tests run 2 threads, 2 rounds, 3 nodes (1.4 million states) and 3 threads, 1 round, 2 nodes (0.5
 * million); 3 threads, 1 round, 3 nodes (8.1 million) holds too and takes half a minute by hand.
 *
 * MUTANT=1 leaves the version out (the ABA fault); MUTANT=2 forgets to write `next` anew when a push has
 * lost its race. Both must be found.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef NODES
#define NODES 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

byte head_id = 0, head_version = 0;  /* hz_idstack.head, changed together only */
byte next[NODES + 1];
bool held[NODES + 1];
byte finished = 0;

#if MUTANT == 1
#define NEW_VERSION(v) (v)
#else
#define NEW_VERSION(v) ((v) + 1)
#endif

/* The swap: succeeds when nothing has changed, else tells what is there. */
inline swap(to) {
  atomic {
    if
    :: head_id == seen_id && head_version == seen_version ->
      head_id = to;
      head_version = NEW_VERSION(seen_version);
      swapped = true
    :: else ->
      seen_id = head_id;
      seen_version = head_version;
      swapped = false
    fi
  }
}

/* hz_idstack_pop */
inline pop(result) {
  atomic { seen_id = head_id; seen_version = head_version };  /* hz_load_acquire(&head) */
  do
  :: seen_id == 0 -> result = 0; break
  :: else ->
    below = next[seen_id];                                    /* hz_load_relaxed(next(id)) */
    old_id = seen_id;
    swap(below);                                              /* hz_cas_acquire */
    if
    :: swapped -> result = old_id; break
    :: else
    fi
  od;
  if
  :: result != 0 ->
    assert(!held[result]);
    held[result] = true
  :: else
  fi
}

/* hz_idstack_push */
inline push(id) {
  held[id] = false;
  atomic { seen_id = head_id; seen_version = head_version };  /* hz_load_relaxed(&head) */
#if MUTANT == 2
  next[id] = seen_id;
#endif
  do
  ::
#if MUTANT != 2
    next[id] = seen_id;                                       /* hz_store_relaxed(next(id)) */
#endif
    swap(id);                                                 /* hz_cas_release */
    if :: swapped -> break :: else fi
  od
}

proctype Thread() {
  byte seen_id, seen_version, below, old_id, a, b, round = 0;
  bool swapped;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
    round++;
    pop(a);
    if
    :: a == 0
    :: a != 0 -> push(a)
    :: a != 0 ->
      pop(b);
      if
      :: b == 0 -> push(a)
      :: b != 0 -> push(a); push(b)
      :: b != 0 -> push(b); push(a)
      fi
    fi;
    a = 0;
    b = 0
  od;
  atomic { seen_id = 0; seen_version = 0; below = 0; old_id = 0; finished++ }
}

init {
  byte i = 1, count = 0;
  atomic {
    do
    :: i <= NODES -> next[i] = head_id; head_id = i; i++
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
    i = head_id;
    do
    :: i != 0 ->
      count++;
      assert(count <= NODES && !held[i]);
      i = next[i]
    :: else -> break
    od;
    assert(count == NODES)
  }
}
