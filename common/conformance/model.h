// A shadow model of the heap, and sequences of operations played against it.
//
// Owns: a fixed number of slots, each empty or holding one live block, and everything that must be
// true of them: no two blocks share a byte, contents are as written, alignment, usable size, zeroed
// calloc, errno. Allocates nothing itself, so that it disturbs what it watches as little as it can.
// Thread rule: one Model belongs to one thread at a time; whoever hands it on synchronises.
#pragma once

#include "common/conformance/probe.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace conformance {

enum class Kind : uint8_t {
  kMalloc,
  kCalloc,
  kRealloc, // of whatever the slot holds, also nothing
  kReallocarray,
  kPosixMemalign,
  kAlignedAlloc,
  kMemalign,
  kValloc,
  kPvalloc,
  kNew,
  kNewArray,
  kNewAligned,
  kNewNothrow,
  kFree,      // with the function that belongs to how the block was made
  kFreeSized, // the same, with the size where there is such a function
  kUseAll,    // asks for the usable size and writes all of it
  kCheck,     // the contents of this slot
  kImpossible,
  kTrim,
  kThreadEnd, // the thread that plays this operation ends; a new one takes its place
  kFork,      // a child checks and frees everything, and allocates
  kGive,      // concurrent play: puts the block where another thread can take it
  kTake,      // concurrent play: takes a block that another thread made into this slot
  kCount
};

struct Op {
  uint8_t thread = 0;
  Kind kind = Kind::kMalloc;
  uint16_t slot = 0;
  size_t size = 0;
  size_t align = 0;
};

constexpr size_t kSlots = 192;
constexpr uint8_t kMostThreads = 4;

// One line per operation: `THREAD KIND SLOT SIZE ALIGN`. Parsing ignores empty lines and those that
// begin with #.
std::string to_text(const std::vector<Op> &ops);
bool from_text(const std::string &text, std::vector<Op> *ops, std::string *problem);

// A sequence drawn from a seed; the same everywhere.
std::vector<Op> draw(uint64_t seed, size_t length, uint8_t threads, bool concurrent);
// A sequence read from a fuzzer's bytes.
std::vector<Op> decode(const uint8_t *bytes, size_t count);

struct Block {
  void *address = nullptr;
  size_t size = 0;  // as written: the size asked for, or the usable size after kUseAll
  size_t asked = 0; // what a sized free must say
  size_t align = 0; // 0: none was asked for
  uint64_t seed = 0;
  Kind made = Kind::kMalloc;
};

// Where threads exchange blocks in concurrent play. Owns a small table under one mutex; any thread.
class Exchange;

class Model {
public:
  // Each model fills its blocks with seeds of its own.
  explicit Model(uint64_t identity, Exchange *exchange = nullptr);
  // Effect: plays one operation that concerns blocks. Returns null, or what is wrong, in a buffer
  // of this model.
  const char *play(const Op &op);
  // Checks every live block and frees it. Returns null, or what is wrong.
  const char *finish();
  const char *check_all();
  const Block *slots() const { return slots_; }

private:
  const char *allocate(Block *block, const Op &op);
  const char *reallocate(Block *block, const Op &op);
  const char *release(Block *block, bool sized);
  const char *admit(Block *block, bool zeroed);
  const char *impossible(const Op &op);
  const char *check(const Block &block);
  const char *in_child(const Op &op);
  const char *wrong(const char *what, const Block &block, size_t detail);

  Block slots_[kSlots];
  uint64_t next_seed_;
  Exchange *exchange_;
  char text_[256];
};

// Plays the whole sequence in order, each operation in its own thread, one at a time: the same
// every time. Returns what is wrong, or an empty string. Everything is freed at the end.
std::string play_in_turn(const std::vector<Op> &ops);
// Every thread plays its own operations, all at once, exchanging blocks.
std::string play_at_once(const std::vector<Op> &ops);

// A shorter sequence for which `fails` still holds, by leaving out ever smaller pieces and then
// making sizes smaller; asks at most `budget` times.
std::vector<Op> shrink(std::vector<Op> ops,
                       const std::function<bool(const std::vector<Op> &)> &fails, int budget);

} // namespace conformance
