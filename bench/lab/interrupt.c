#include "bench/lab/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int descriptor = -1;
static int first;
static int count;

void interrupt_watch(void) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGHUP);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  descriptor = signalfd(descriptor, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

int interrupt_fd(void) {
  return descriptor;
}

int interrupt_seen(void) {
  struct signalfd_siginfo info;
  while (descriptor >= 0 && read(descriptor, &info, sizeof info) == (ssize_t)sizeof info) {
    if (first == 0)
      first = (int)info.ssi_signo;
    count++;
  }
  return first;
}

int interrupt_count(void) {
  interrupt_seen();
  return count;
}

bool interrupt_sleep(double seconds) {
  struct pollfd watch = {.fd = descriptor, .events = POLLIN};
  if (interrupt_seen() == 0 && seconds > 0)
    poll(&watch, 1, (int)(seconds * 1000));
  return interrupt_seen() == 0;
}
