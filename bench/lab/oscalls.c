/* Counts the memory system calls of a program and of all it starts, by what it had printed by then:
 *
 *     oscalls PROGRAM [ARGUMENT...]
 *
 * A seccomp filter stops the program at mmap, munmap, madvise and at writes to standard output
 * alone, so that it runs at full speed otherwise; this process counts the stops. At the end, for
 * each write, one line on stdout with the counts at that moment, OSCALLS mmap=… munmap=… madvise=…,
 * and the program's own exit status. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { KIND_MMAP = 1, KIND_MUNMAP, KIND_MADVISE, KIND_WRITE, KINDS };
enum { MARKS_MAX = 4096 };

/* The counts so far, and what they were at each write. */
struct counted {
  unsigned long now[KINDS];
  unsigned long at[MARKS_MAX][KINDS];
  unsigned marks;
};

#define STOP_AT(call, kind)                                                                        \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                               \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | (kind))

static void filter_self(void) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      STOP_AT(SYS_mmap, KIND_MMAP),
      STOP_AT(SYS_munmap, KIND_MUNMAP),
      STOP_AT(SYS_madvise, KIND_MADVISE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
      STOP_AT(STDOUT_FILENO, KIND_WRITE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(126);
}

/* The child waits at its gate until it is traced: the filter's stops need a tracer. */
static void become(char **argv, int gate) {
  char byte;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (read(gate, &byte, 1) != 1)
    _exit(126);
  filter_self();
  execv(argv[0], argv);
  _exit(127);
}

/* Effect: lets a stopped thread go on, with the signal it stopped for; counts a stop of the filter.
 */
static void go_on(pid_t tid, int status, struct counted *c) {
  unsigned long kind = 0;
  int signal = WSTOPSIG(status), event = status >> 16;
  if (event == PTRACE_EVENT_SECCOMP && ptrace(PTRACE_GETEVENTMSG, tid, 0, &kind) == 0 &&
      kind < KINDS)
    c->now[kind]++;
  if (event == PTRACE_EVENT_SECCOMP && kind == KIND_WRITE && c->marks < MARKS_MAX)
    memcpy(c->at[c->marks++], c->now, sizeof c->now);
  /* A thread in a group stop stays stopped until the signal that ends it. */
  if (event == PTRACE_EVENT_STOP &&
      (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)) {
    ptrace(PTRACE_LISTEN, tid, 0, 0);
    return;
  }
  ptrace(PTRACE_CONT, tid, 0, event != 0 ? 0 : signal);
}

/* Returns: the wait status of `first` after it and all it started are gone. */
static int watch(pid_t first, struct counted *c) {
  int status, end = 0;
  for (;;) {
    pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0 && errno == EINTR)
      continue;
    if (tid < 0)
      return end;
    if (WIFSTOPPED(status))
      go_on(tid, status, c);
    else if (tid == first)
      end = status;
  }
}

int main(int argc, char **argv) {
  static struct counted counted;
  int gate[2];
  if (argc < 2 || pipe(gate) != 0)
    return 2;
  pid_t child = fork();
  if (child == 0) {
    close(gate[1]);
    become(argv + 1, gate[0]);
  }
  const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (child < 0 || ptrace(PTRACE_SEIZE, child, 0, options) != 0) {
    fprintf(stderr, "oscalls: cannot trace: %s\n", strerror(errno));
    return 126; /* the gate closes and ends the child */
  }
  if (write(gate[1], "g", 1) != 1)
    return 126;
  close(gate[0]);
  close(gate[1]);
  int status = watch(child, &counted);
  for (unsigned i = 0; i < counted.marks; i++)
    printf("OSCALLS mmap=%lu munmap=%lu madvise=%lu\n", counted.at[i][KIND_MMAP],
           counted.at[i][KIND_MUNMAP], counted.at[i][KIND_MADVISE]);
  fflush(stdout);
  if (WIFSIGNALED(status))
    return 128 + WTERMSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
