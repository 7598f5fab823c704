// Sequences of operations: drawn from a seed, read from bytes, written as text, made shorter. See
// model.h.
#include "common/conformance/model.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

namespace conformance {
namespace {

struct KindEntry {
  Kind kind;
  const char *name;
  int weight; // in drawn sequences
};

const KindEntry kKinds[] = {
    {Kind::kMalloc, "malloc", 200},
    {Kind::kCalloc, "calloc", 60},
    {Kind::kRealloc, "realloc", 110},
    {Kind::kReallocarray, "reallocarray", 15},
    {Kind::kPosixMemalign, "posix_memalign", 20},
    {Kind::kAlignedAlloc, "aligned_alloc", 25},
    {Kind::kMemalign, "memalign", 12},
    {Kind::kValloc, "valloc", 4},
    {Kind::kPvalloc, "pvalloc", 4},
    {Kind::kNew, "new", 50},
    {Kind::kNewArray, "new_array", 30},
    {Kind::kNewAligned, "new_aligned", 15},
    {Kind::kNewNothrow, "new_nothrow", 10},
    {Kind::kFree, "free", 290},
    {Kind::kFreeSized, "free_sized", 90},
    {Kind::kUseAll, "use_all", 25},
    {Kind::kCheck, "check", 40},
    {Kind::kImpossible, "impossible", 10},
    {Kind::kTrim, "trim", 3},
    {Kind::kThreadEnd, "thread_end", 4},
    {Kind::kFork, "fork", 1},
    {Kind::kGive, "give", 0}, // concurrent sequences draw these two by themselves
    {Kind::kTake, "take", 0},
};

Kind draw_kind(Random *random, bool concurrent) {
  if (concurrent && random->below(8) == 0)
    return random->below(2) == 0 ? Kind::kGive : Kind::kTake;
  int total = 0;
  for (const KindEntry &entry : kKinds)
    total += entry.weight;
  int at = static_cast<int>(random->below(static_cast<uint64_t>(total)));
  for (const KindEntry &entry : kKinds) {
    if ((at -= entry.weight) < 0)
      return concurrent && entry.kind == Kind::kFork ? Kind::kCheck : entry.kind;
  }
  return Kind::kMalloc;
}

size_t draw_size(Random *random) {
  const uint64_t dice = random->below(100);
  if (dice < 2)
    return 0;
  if (dice < 60)
    return random->log_uniform(1, 2048);
  if (dice < 85)
    return random->log_uniform(1024, 65536);
  if (dice < 97)
    return random->log_uniform(32768, 1 << 20);
  if (dice < 99)
    return (size_t{1} << random->between(4, 20)) + random->below(3) - 1; // around powers of two
  return random->log_uniform(1 << 20, 12 << 20);
}

size_t draw_align(Random *random) {
  return size_t{1} << (random->below(20) == 0 ? random->between(13, 22) : random->between(0, 12));
}

} // namespace

std::vector<Op> draw(uint64_t seed, size_t length, uint8_t threads, bool concurrent) {
  Random random(seed);
  std::vector<Op> ops(length);
  // A sequence favours some slots and keeps to one thread for a while: runs of frees, reuse, and
  // hand-over all occur.
  const uint64_t used_slots = random.between(8, kSlots);
  uint8_t thread = 0;
  for (Op &op : ops) {
    if (concurrent || random.below(12) == 0)
      thread = static_cast<uint8_t>(random.below(threads));
    op.thread = thread;
    op.kind = draw_kind(&random, concurrent);
    op.slot = static_cast<uint16_t>(random.below(used_slots));
    op.size = draw_size(&random);
    op.align = draw_align(&random);
  }
  return ops;
}

std::vector<Op> decode(const uint8_t *bytes, size_t count) {
  constexpr size_t kBytesPerOp = 6, kMostOps = 2000;
  std::vector<Op> ops;
  for (size_t i = 0; i + kBytesPerOp <= count && ops.size() < kMostOps; i += kBytesPerOp) {
    const uint8_t *at = bytes + i;
    Op op;
    op.thread = static_cast<uint8_t>(at[0] % kMostThreads);
    op.kind = static_cast<Kind>(at[1] % static_cast<uint8_t>(Kind::kFork)); // not fork, give, take
    op.slot = static_cast<uint16_t>(at[2] % kSlots);
    const size_t base = size_t{1} << (at[3] % 24);
    op.size = at[3] >= 240 ? at[4] : base + base * at[4] / 256 + at[5] % 16;
    op.align = size_t{1} << (at[5] / 16 + (at[0] >= 250 ? 8 : 0));
    ops.push_back(op);
  }
  return ops;
}

std::string to_text(const std::vector<Op> &ops) {
  std::ostringstream text;
  for (const Op &op : ops)
    text << int{op.thread} << ' ' << kKinds[static_cast<size_t>(op.kind)].name << ' ' << op.slot
         << ' ' << op.size << ' ' << op.align << '\n';
  return text.str();
}

bool from_text(const std::string &text, std::vector<Op> *ops, std::string *problem) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '#')
      continue;
    std::istringstream words(line);
    unsigned thread = 0, slot = 0;
    std::string name;
    Op op;
    if (!(words >> thread >> name >> slot >> op.size >> op.align) || thread >= kMostThreads ||
        slot >= kSlots) {
      *problem = "not THREAD KIND SLOT SIZE ALIGN: " + line;
      return false;
    }
    const auto *entry = std::find_if(std::begin(kKinds), std::end(kKinds),
                                     [&](const KindEntry &e) { return name == e.name; });
    if (entry == std::end(kKinds)) {
      *problem = "no operation has this name: " + name;
      return false;
    }
    op.thread = static_cast<uint8_t>(thread);
    op.slot = static_cast<uint16_t>(slot);
    op.kind = entry->kind;
    ops->push_back(op);
  }
  return true;
}

std::vector<Op> shrink(std::vector<Op> ops,
                       const std::function<bool(const std::vector<Op> &)> &fails, int budget) {
  for (size_t piece = (ops.size() + 1) / 2; piece > 0 && budget > 0;) {
    bool shorter = false;
    for (size_t at = 0; at < ops.size() && budget > 0;) {
      std::vector<Op> without = ops;
      const size_t end = std::min(at + piece, without.size());
      without.erase(without.begin() + static_cast<long>(at),
                    without.begin() + static_cast<long>(end));
      --budget;
      if (!without.empty() && fails(without)) {
        ops = without;
        shorter = true;
      } else {
        at += piece;
      }
    }
    if (!shorter || piece > ops.size())
      piece /= 2;
  }
  for (size_t i = 0; i < ops.size(); ++i) {
    for (size_t smaller : {size_t{0}, size_t{16}, ops[i].size / 16, ops[i].size / 2}) {
      if (smaller >= ops[i].size || budget <= 0)
        continue;
      std::vector<Op> tried = ops;
      tried[i].size = smaller;
      --budget;
      if (fails(tried)) {
        ops = tried;
        break;
      }
    }
    if (ops[i].thread != 0 && budget > 0) {
      std::vector<Op> tried = ops;
      tried[i].thread = 0;
      --budget;
      if (fails(tried))
        ops = tried;
    }
  }
  return ops;
}

} // namespace conformance
