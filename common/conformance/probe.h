// The instruments of the suite: patterns that show a lost byte, sizes worth trying, memory figures
// of the process, and child processes whose end is reported in full. Owns no state. Any thread may
// use it; run_child() forks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace conformance {

// A small generator of our own (xorshift with a multiply), so that a seed means the same
// everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  uint64_t below(uint64_t limit) { return (next() >> 11) % limit; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  // Every doubling between low and high is equally likely; low is at least 1.
  size_t log_uniform(size_t low, size_t high);

private:
  uint64_t state_;
};

// Fills [block, block + size) with bytes that depend on the seed and on the position.
void pattern_fill(void *block, size_t size, uint64_t seed);
// Returns the offset of the first byte that differs from the pattern, or size.
size_t pattern_mismatch(const void *block, size_t size, uint64_t seed);
// Returns the offset of the first byte that is not zero, or size.
size_t first_nonzero(const void *block, size_t size);

// Writes (or checks) the first and last byte of each page the block spans, for blocks too big to
// fill.
void edges_fill(void *block, size_t size, uint64_t seed);
bool edges_intact(const void *block, size_t size, uint64_t seed);

// Every size up to 1040, then both sides of every quarter of every doubling up to limit.
std::vector<size_t> interesting_sizes(size_t limit);

bool is_aligned(const void *pointer, size_t alignment);

size_t page_bytes();
size_t rss_bytes();    // resident set of this process, read without stdio
size_t mapped_bytes(); // address space of this process

// What became of a child process.
struct ChildEnd {
  bool exited = false;
  int code = -1;   // when exited
  int signal = 0;  // when not
  std::string out; // what it wrote to descriptor 1
  std::string err; // what it wrote to descriptor 2
  std::string notes;
  bool clean() const { return exited && code == 0; }
  std::string describe() const;
};

// Inside a child: notes reach the parent even when the child dies right after.
class Notes {
public:
  explicit Notes(int descriptor) : descriptor_(descriptor) {}
  void put(char mark) const;
  void text(const std::string &text) const;

private:
  int descriptor_;
};

// Forks, runs the body with output captured, exits 0 when the body returns. A child that is silent
// for so many seconds is ended by SIGALRM, which only a hang can reach.
ChildEnd run_child(const std::function<void(const Notes &)> &body, unsigned hang_seconds = 600);

// For a child that a test forks itself: it ends by SIGALRM after so many seconds, counted one by
// one.
void limit_life(int seconds);

struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> env; // KEY=value, added to (or replacing) the inherited environment
  std::string directory;        // empty: where we are
  std::string input;
};
ChildEnd run_command(const Command &command, unsigned hang_seconds = 600);

// A new empty directory under TEST_TMPDIR (or the system's).
std::string make_directory(const std::string &label);
void write_file(const std::string &path, const std::string &text);

} // namespace conformance
