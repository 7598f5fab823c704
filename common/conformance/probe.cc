// See probe.h.
#include "common/conformance/probe.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace conformance {
namespace {

uint64_t pattern_word(uint64_t seed, size_t index) {
  uint64_t x = (seed + index) * 0x9e3779b97f4a7c15u;
  return x ^ (x >> 29);
}

size_t statm_field(int field) {
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  char text[256] = {};
  const ssize_t got = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (got <= 0)
    return 0;
  const char *at = text;
  for (int i = 0; i < field; ++i)
    at = std::strchr(at, ' ') + 1;
  return std::strtoull(at, nullptr, 10) * page_bytes();
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
      std::abort();
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  void close_read() {
    if (read_end >= 0)
      close(read_end);
    read_end = -1;
  }
  void close_write() {
    if (write_end >= 0)
      close(write_end);
    write_end = -1;
  }
};

// Reads all three streams at once, so that a child that fills one of them is never blocked.
// A child that lets `hang_seconds` silent seconds pass is ended, with all that it started. Seconds
// are counted one by one, so that a machine that stands still for minutes costs one of them.
void drain(pid_t child, unsigned hang_seconds, Pipe *pipes, std::string **into, size_t count) {
  size_t open_pipes = count;
  unsigned silent_seconds = 0;
  while (open_pipes > 0) {
    std::vector<pollfd> polls;
    for (size_t i = 0; i < count; ++i)
      polls.push_back({pipes[i].read_end, POLLIN, 0}); // a closed one is -1, which poll ignores
    const int ready = poll(polls.data(), polls.size(), 1000);
    if (ready == 0 && ++silent_seconds >= hang_seconds)
      kill(-child, silent_seconds == hang_seconds ? SIGALRM : SIGKILL);
    if (ready <= 0)
      continue;
    for (size_t i = 0; i < count; ++i) {
      if (polls[i].revents == 0)
        continue;
      char buffer[65536];
      const ssize_t got = read(pipes[i].read_end, buffer, sizeof(buffer));
      if (got > 0) {
        into[i]->append(buffer, static_cast<size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        pipes[i].close_read();
        --open_pipes;
      }
    }
  }
}

void become_child() {
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL); // nothing outlives the test
}

volatile sig_atomic_t g_seconds_left = 0;

ChildEnd watch(pid_t child, unsigned hang_seconds, Pipe *pipes) {
  setpgid(child, child); // whichever of the two comes first
  ChildEnd end;
  std::string *into[] = {&end.out, &end.err, &end.notes};
  for (int i = 0; i < 3; ++i)
    pipes[i].close_write();
  drain(child, hang_seconds, pipes, into, 3);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.exited = WIFEXITED(status);
  if (end.exited)
    end.code = WEXITSTATUS(status);
  else
    end.signal = WTERMSIG(status);
  return end;
}

} // namespace

size_t Random::log_uniform(size_t low, size_t high) {
  const int low_bit = 63 - __builtin_clzll(low);
  const int high_bit = 63 - __builtin_clzll(high);
  const int bit =
      static_cast<int>(between(static_cast<uint64_t>(low_bit), static_cast<uint64_t>(high_bit)));
  const size_t base = static_cast<size_t>(1) << bit;
  const size_t size = base + below(base);
  return size < low ? low : size > high ? high : size;
}

void pattern_fill(void *block, size_t size, uint64_t seed) {
  auto *bytes = static_cast<unsigned char *>(block);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const uint64_t word = pattern_word(seed, i);
    __builtin_memcpy(bytes + i, &word, 8);
  }
  const uint64_t word = pattern_word(seed, i);
  __builtin_memcpy(bytes + i, &word, size - i);
}

size_t pattern_mismatch(const void *block, size_t size, uint64_t seed) {
  const auto *bytes = static_cast<const unsigned char *>(block);
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = pattern_word(seed, i);
    const size_t length = size - i < 8 ? size - i : 8;
    if (length == 8) {
      uint64_t found;
      __builtin_memcpy(&found, bytes + i, 8);
      if (found == word)
        continue;
    }
    unsigned char want[8];
    __builtin_memcpy(want, &word, 8);
    for (size_t j = 0; j < length; ++j) {
      if (bytes[i + j] != want[j])
        return i + j;
    }
  }
  return size;
}

size_t first_nonzero(const void *block, size_t size) {
  const auto *bytes = static_cast<const unsigned char *>(block);
  for (size_t i = 0; i < size;) {
    uint64_t word;
    if (size - i >= 8) {
      __builtin_memcpy(&word, bytes + i, 8);
      if (word == 0) {
        i += 8;
        continue;
      }
    }
    if (bytes[i] != 0)
      return i;
    ++i;
  }
  return size;
}

void edges_fill(void *block, size_t size, uint64_t seed) {
  auto *bytes = static_cast<unsigned char *>(block);
  for (size_t i = 0; i < size; i += page_bytes())
    bytes[i] = static_cast<unsigned char>(pattern_word(seed, i));
  if (size > 0)
    bytes[size - 1] = static_cast<unsigned char>(pattern_word(seed, size - 1));
}

bool edges_intact(const void *block, size_t size, uint64_t seed) {
  const auto *bytes = static_cast<const unsigned char *>(block);
  if (size > 0 && bytes[size - 1] != static_cast<unsigned char>(pattern_word(seed, size - 1)))
    return false;
  for (size_t i = 0; i + 1 < size; i += page_bytes()) {
    if (bytes[i] != static_cast<unsigned char>(pattern_word(seed, i)))
      return false;
  }
  return true;
}

std::vector<size_t> interesting_sizes(size_t limit) {
  std::vector<size_t> sizes;
  for (size_t n = 0; n <= 1040 && n <= limit; ++n)
    sizes.push_back(n);
  for (size_t power = 1024; power <= limit; power *= 2) {
    for (size_t quarter = 4; quarter < 8; ++quarter) {
      for (long step : {-16L, -1L, 0L, 1L, 16L}) {
        const size_t size = power / 4 * quarter + static_cast<size_t>(step);
        if (size > 1040 && size <= limit)
          sizes.push_back(size);
      }
    }
  }
  return sizes;
}

bool is_aligned(const void *pointer, size_t alignment) {
  return (reinterpret_cast<uintptr_t>(pointer) & (alignment - 1)) == 0;
}

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

size_t rss_bytes() {
  return statm_field(1);
}
size_t mapped_bytes() {
  return statm_field(0);
}

std::string ChildEnd::describe() const {
  std::string text =
      exited ? "exit " + std::to_string(code)
             : std::string("signal ") + std::to_string(signal) + " (" + strsignal(signal) + ")";
  if (!out.empty())
    text += "; stdout: " + out.substr(0, 2000);
  if (!err.empty())
    text += "; stderr: " + err.substr(0, 2000);
  return text;
}

void Notes::put(char mark) const {
  if (write(descriptor_, &mark, 1) != 1)
    _exit(125);
}

void Notes::text(const std::string &text) const {
  if (write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    _exit(125);
}

ChildEnd run_child(const std::function<void(const Notes &)> &body, unsigned hang_seconds) {
  Pipe pipes[3];
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0)
    std::abort();
  if (child == 0) {
    dup2(pipes[0].write_end, 1);
    dup2(pipes[1].write_end, 2);
    become_child();
    body(Notes(pipes[2].write_end));
    _exit(0);
  }
  return watch(child, hang_seconds, pipes);
}

void limit_life(int seconds) {
  g_seconds_left = seconds;
  struct sigaction action = {};
  action.sa_flags = SA_RESTART;
  action.sa_handler = [](int) {
    g_seconds_left = g_seconds_left - 1;
    if (g_seconds_left <= 0)
      signal(SIGALRM, SIG_DFL); // the next tick ends the process
  };
  sigaction(SIGALRM, &action, nullptr);
  const itimerval every_second = {{1, 0}, {1, 0}};
  setitimer(ITIMER_REAL, &every_second, nullptr);
}

ChildEnd run_command(const Command &command, unsigned hang_seconds) {
  Pipe pipes[3];
  std::vector<char *> argv;
  for (const std::string &word : command.argv)
    argv.push_back(const_cast<char *>(word.c_str()));
  argv.push_back(nullptr);
  int input = -1;
  if (!command.input.empty()) {
    input = memfd_create("input", MFD_CLOEXEC);
    if (write(input, command.input.data(), command.input.size()) !=
        static_cast<ssize_t>(command.input.size()))
      std::abort();
    lseek(input, 0, SEEK_SET);
  } else {
    input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0)
    std::abort();
  if (child == 0) {
    dup2(input, 0);
    dup2(pipes[0].write_end, 1);
    dup2(pipes[1].write_end, 2);
    become_child();
    for (const std::string &pair : command.env) {
      const size_t equals = pair.find('=');
      setenv(pair.substr(0, equals).c_str(), pair.c_str() + equals + 1, 1);
    }
    if (!command.directory.empty() && chdir(command.directory.c_str()) != 0)
      _exit(126);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(input);
  return watch(child, hang_seconds, pipes);
}

std::string make_directory(const std::string &label) {
  const char *base = std::getenv("TEST_TMPDIR");
  std::string path = std::string(base != nullptr ? base : "/tmp") + "/" + label + "-XXXXXX";
  if (mkdtemp(path.data()) == nullptr)
    std::abort();
  return path;
}

void write_file(const std::string &path, const std::string &text) {
  FILE *file = std::fopen(path.c_str(), "w");
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size())
    std::abort();
  std::fclose(file);
}

} // namespace conformance
