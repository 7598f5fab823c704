#include "bench/lab/launcher.h"

#include "bench/lab/orphans.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_RUN, REQUEST_GO, REQUEST_STOP };
enum { REPLY_STARTED, REPLY_ENDED };
enum { PAYLOAD_BYTES = 96 * 1024 };

struct request {
  int kind;
  int grace_ms;
  unsigned argc, envc; /* strings in the payload: argv, env, directory */
  bool has_cpus;
  cpu_set_t cpus;
};

struct reply {
  int kind;
  pid_t pid;
  int error;
  struct launch_end end;
};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the launcher's side ---- */

/* Invariant: cell > 0 while one lives; gate >= 0 while it waits; deadline_s > 0 after TERM was
 * sent. */
struct keeper {
  int socket;
  int signals;
  pid_t cell;
  int gate;
  double started_s;
  double deadline_s;
};

static char **take_strings(char **from, unsigned n) {
  char **list = calloc(n + 1, sizeof *list);
  char *text = *from;
  for (unsigned i = 0; list != NULL && i < n; i++) {
    list[i] = text;
    text += strlen(text) + 1;
  }
  *from = text;
  return list;
}

static void become_cell(const struct request *ask, char *payload, int gate, int fds[2],
                        pid_t parent) {
  char **argv = take_strings(&payload, ask->argc);
  char **env = take_strings(&payload, ask->envc);
  sigset_t none;
  char byte;
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent || argv == NULL || env == NULL)
    _exit(126);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (ask->has_cpus && sched_setaffinity(0, sizeof ask->cpus, &ask->cpus) != 0)
    dprintf(fds[1], "lab: cannot pin to the CPU list: %s\n", strerror(errno));
  if (*payload != '\0' && chdir(payload) != 0)
    dprintf(fds[1], "lab: cannot enter %s: %s\n", payload, strerror(errno));
  if (read(gate, &byte, 1) != 1)
    _exit(126);
  dup2(fds[0], STDOUT_FILENO);
  dup2(fds[1], STDERR_FILENO);
  execve(argv[0], argv, env);
  dprintf(STDERR_FILENO, "lab: cannot execute %s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

static void start_cell(struct keeper *k, const struct request *ask, char *payload, int fds[2]) {
  struct reply reply = {.kind = REPLY_STARTED};
  int gate[2];
  pid_t self = getpid();
  if (pipe(gate) != 0) {
    reply.error = errno;
  } else if ((reply.pid = fork()) == 0) {
    close(gate[1]);
    close(k->socket);
    close(k->signals);
    become_cell(ask, payload, gate[0], fds, self);
  } else {
    reply.error = reply.pid < 0 ? errno : 0;
    close(gate[0]);
    k->gate = gate[1];
    k->cell = reply.pid > 0 ? reply.pid : 0;
  }
  k->deadline_s = 0;
  k->started_s = now_s();
  if (write(k->socket, &reply, sizeof reply) < 0)
    k->deadline_s = now_s();
}

static void open_gate(struct keeper *k) {
  k->started_s = now_s();
  if (k->gate >= 0 && write(k->gate, "g", 1) != 1)
    kill(k->cell, SIGKILL);
  if (k->gate >= 0)
    close(k->gate);
  k->gate = -1;
}

static void stop_cell(struct keeper *k, int grace_ms) {
  if (k->cell == 0)
    return;
  if (k->gate >= 0) /* waits at its gate: a closed gate ends it */
    close(k->gate);
  k->gate = -1;
  kill(-k->cell, SIGTERM);
  kill(-k->cell, SIGCONT);
  k->deadline_s = now_s() + grace_ms / 1000.0;
}

/* Effect: takes the account of an ended cell, then ends everything it left behind. */
static void reap(struct keeper *k) {
  struct reply reply = {.kind = REPLY_ENDED, .pid = k->cell};
  if (k->cell == 0 || wait4(k->cell, &reply.end.status, WNOHANG, &reply.end.usage) != k->cell)
    return;
  reply.end.wall_s = now_s() - k->started_s;
  kill(-k->cell, SIGKILL);
  orphans_end();
  k->cell = 0;
  k->deadline_s = 0;
  if (write(k->socket, &reply, sizeof reply) < 0)
    _exit(0);
}

static bool serve_request(struct keeper *k) {
  static char payload[PAYLOAD_BYTES];
  struct request ask;
  int fds[2] = {-1, -1};
  char control[CMSG_SPACE(sizeof fds)];
  struct iovec parts[2] = {{&ask, sizeof ask}, {payload, sizeof payload - 1}};
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(k->socket, &message, MSG_CMSG_CLOEXEC);
  if (got < (ssize_t)sizeof ask)
    return false;
  payload[got - (ssize_t)sizeof ask] = '\0';
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (head != NULL && head->cmsg_type == SCM_RIGHTS)
    memcpy(fds, CMSG_DATA(head), sizeof fds);
  if (ask.kind == REQUEST_RUN)
    start_cell(k, &ask, payload, fds);
  else if (ask.kind == REQUEST_GO)
    open_gate(k);
  else
    stop_cell(k, ask.grace_ms);
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  return true;
}

/* Effect: the lab is gone: TERM, grace, KILL, nothing left. */
static void end_everything(struct keeper *k) {
  stop_cell(k, LAUNCHER_GRACE_MS);
  while (k->cell != 0 && now_s() < k->deadline_s) {
    if (waitpid(k->cell, NULL, WNOHANG) == k->cell) {
      kill(-k->cell, SIGKILL);
      k->cell = 0;
    }
    poll(NULL, 0, 10);
  }
  if (k->cell != 0) {
    kill(-k->cell, SIGKILL);
    waitpid(k->cell, NULL, 0);
  }
  orphans_end();
  _exit(0);
}

static void keep(int socket) {
  struct keeper k = {.socket = socket, .gate = -1};
  sigset_t mask;
  sigfillset(&mask);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigaddset(&mask, SIGTERM);
  k.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  for (;;) {
    struct pollfd watch[2] = {{.fd = socket, .events = POLLIN},
                              {.fd = k.signals, .events = POLLIN}};
    double left = k.deadline_s > 0 ? k.deadline_s - now_s() : -1;
    poll(watch, 2, k.deadline_s > 0 ? (left > 0 ? (int)(left * 1000) + 1 : 0) : -1);
    struct signalfd_siginfo info;
    while (read(k.signals, &info, sizeof info) == (ssize_t)sizeof info)
      if (info.ssi_signo == SIGTERM)
        end_everything(&k);
    reap(&k);
    if (k.cell != 0 && k.deadline_s > 0 && now_s() >= k.deadline_s) {
      kill(-k.cell, SIGKILL);
      k.deadline_s = now_s() + 1;
    }
    if (watch[0].revents != 0 && !serve_request(&k))
      end_everything(&k);
  }
}

/* ---- the lab's side ---- */

bool launcher_start(struct launcher *l) {
  int pair[2];
  pid_t lab = getpid();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return false;
  signal(SIGPIPE, SIG_IGN);
  pid_t pid = fork();
  if (pid < 0)
    return false;
  if (pid == 0) {
    close(pair[0]);
    setsid();
    prctl(PR_SET_NAME, "lab-launcher");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != lab)
      _exit(0);
    keep(pair[1]);
  }
  close(pair[1]);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  *l = (struct launcher){.socket = pair[0], .pid = pid};
  return true;
}

static bool ask_for(struct launcher *l, struct request *ask, char *payload, size_t bytes,
                    const int fds[2]) {
  char control[CMSG_SPACE(2 * sizeof(int))] = {0};
  struct iovec parts[2] = {{ask, sizeof *ask}, {payload, bytes}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = bytes > 0 ? 2 : 1};
  if (fds != NULL) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(head), fds, 2 * sizeof(int));
  }
  return sendmsg(l->socket, &message, MSG_NOSIGNAL) >= 0;
}

static size_t put_strings(char *payload, size_t used, char *const *list, unsigned *n) {
  for (*n = 0; list[*n] != NULL; ++*n) {
    size_t bytes = strlen(list[*n]) + 1;
    if (used + bytes >= PAYLOAD_BYTES)
      return PAYLOAD_BYTES;
    memcpy(payload + used, list[*n], bytes);
    used += bytes;
  }
  return used;
}

pid_t launcher_spawn(struct launcher *l, const struct launch *what) {
  static char payload[PAYLOAD_BYTES];
  struct request ask = {.kind = REQUEST_RUN, .has_cpus = what->cpus != NULL};
  struct reply reply = {0};
  const char *directory[2] = {what->directory ? what->directory : "", NULL};
  unsigned one;
  int fds[2] = {what->out_fd, what->err_fd};
  if (what->cpus != NULL)
    ask.cpus = *what->cpus;
  size_t used = put_strings(payload, 0, what->argv, &ask.argc);
  used = put_strings(payload, used, what->env, &ask.envc);
  used = put_strings(payload, used, (char *const *)directory, &one);
  if (used >= PAYLOAD_BYTES) {
    errno = E2BIG;
    return -1;
  }
  if (l->socket < 0 || !ask_for(l, &ask, payload, used, fds) ||
      read(l->socket, &reply, sizeof reply) != (ssize_t)sizeof reply) {
    errno = EPIPE;
    return -1;
  }
  errno = reply.error;
  l->cell = reply.pid > 0 ? reply.pid : 0;
  return reply.pid;
}

void launcher_go(struct launcher *l) {
  struct request ask = {.kind = REQUEST_GO};
  ask_for(l, &ask, NULL, 0, NULL);
}

void launcher_stop(struct launcher *l, int grace_ms) {
  struct request ask = {.kind = REQUEST_STOP, .grace_ms = grace_ms};
  if (l->cell != 0)
    ask_for(l, &ask, NULL, 0, NULL);
}

bool launcher_ended(struct launcher *l, int timeout_ms, struct launch_end *end) {
  struct pollfd watch = {.fd = l->socket, .events = POLLIN};
  struct reply reply;
  if (l->cell == 0 || poll(&watch, 1, timeout_ms) <= 0)
    return false;
  ssize_t got = read(l->socket, &reply, sizeof reply);
  if (got == (ssize_t)sizeof reply && reply.kind == REPLY_ENDED) {
    *end = reply.end;
  } else {
    *end = (struct launch_end){.status = SIGKILL};
    kill(-l->cell, SIGKILL);
    waitpid(l->pid, NULL, 0);
    orphans_end();
    close(l->socket);
    l->socket = -1;
  }
  l->cell = 0;
  return true;
}

void launcher_shutdown(struct launcher *l) {
  if (l->socket < 0)
    return;
  close(l->socket);
  l->socket = -1;
  waitpid(l->pid, NULL, 0);
  orphans_end();
}
