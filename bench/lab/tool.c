#include "bench/lab/tool.h"

#include "bench/lab/interrupt.h"
#include "bench/lab/procfs.h"
#include "bench/lab/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char *tool_find(const char *name) {
  struct strings folders = {0};
  const char *path = getenv("PATH");
  char *found = NULL;
  strings_split(&folders, path != NULL ? path : "", ':');
  strings_split(&folders, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ':');
  for (size_t i = 0; i < folders.n && found == NULL; i++) {
    char *candidate = lab_format("%s/%s", folders.at[i], name);
    if (access(candidate, X_OK) == 0)
      found = candidate;
    else
      free(candidate);
  }
  strings_clear(&folders);
  return found;
}

static void become_tool(char *const *argv, int out, int err, pid_t parent) {
  sigset_t none;
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(126);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  dup2(nothing, STDIN_FILENO);
  dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
  dup2(err >= 0 ? err : nothing, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

/* Returns: the exit status, or -1. */
static int await(pid_t pid, double timeout_s) {
  struct timespec t;
  int status, before = interrupt_count();
  clock_gettime(CLOCK_MONOTONIC, &t);
  double end_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9 + timeout_s;
  for (;;) {
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got != 0)
      return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if ((double)t.tv_sec + (double)t.tv_nsec / 1e9 > end_s || interrupt_count() > before) {
      kill(-pid, SIGKILL);
      waitpid(pid, &status, 0);
      return -1;
    }
    poll(NULL, 0, 5);
  }
}

static int run(char *const *argv, int out, int err, double timeout_s) {
  pid_t self = getpid();
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    become_tool(argv, out, err, self);
  return pid < 0 ? -1 : await(pid, timeout_s);
}

int tool_run(char *const *argv, const char *out_path, double timeout_s) {
  int out = -1;
  if (out_path != NULL)
    out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  int status = run(argv, out, out, timeout_s);
  if (out >= 0)
    close(out);
  return status;
}

char *tool_output(char *const *argv, double timeout_s) {
  int out = memfd_create("tool", MFD_CLOEXEC);
  if (out < 0)
    return NULL;
  int status = run(argv, out, -1, timeout_s);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", out);
  char *text = status == 0 ? proc_text(path) : NULL;
  close(out);
  return text;
}
