// The shadow model itself: one operation, and what must be true after it. Sequences are in
// sequence.cc, playing them with threads in player.cc.
#include "common/conformance/model.h"
#include "common/conformance/api.h"
#include "common/conformance/exchange.h"
#include "common/conformance/subject.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace conformance {
namespace {

constexpr int kSentinel = 7777;
constexpr size_t kWholePattern =
    32 * 1024; // larger blocks are written at both ends and once a page
constexpr size_t kEnd = 2048;

size_t tail_start(size_t size) {
  return (size - kEnd) / 8 * 8;
}

void fill(const Block &block) {
  auto *bytes = static_cast<char *>(block.address);
  if (block.size <= kWholePattern) {
    pattern_fill(bytes, block.size, block.seed);
    return;
  }
  pattern_fill(bytes, kEnd, block.seed);
  for (size_t at = page_bytes(); at < block.size; at += page_bytes())
    pattern_fill(bytes + at, 1, block.seed + at);
  const size_t tail = tail_start(block.size);
  pattern_fill(bytes + tail, block.size - tail, block.seed + tail);
}

// Checks the part of a block of `size` bytes that survived in its first `kept`; returns the first
// wrong offset or kept.
size_t mismatch(const void *address, size_t size, size_t kept, uint64_t seed) {
  const auto *bytes = static_cast<const char *>(address);
  if (size <= kWholePattern)
    return pattern_mismatch(bytes, kept, seed);
  const size_t head = kept < kEnd ? kept : kEnd;
  const size_t at = pattern_mismatch(bytes, head, seed);
  if (at != head)
    return at;
  for (size_t page = page_bytes(); page < kept; page += page_bytes()) {
    if (pattern_mismatch(bytes + page, 1, seed + page) != 1)
      return page;
  }
  const size_t tail = tail_start(size);
  if (tail >= kept)
    return kept;
  return tail + pattern_mismatch(bytes + tail, kept - tail, seed + tail);
}

bool is_zero(const void *address, size_t size) {
  if (size <= 1024 * 1024)
    return first_nonzero(address, size) == size;
  const auto *bytes = static_cast<const char *>(address);
  for (size_t at = 0; at + 64 <= size; at += page_bytes()) {
    if (first_nonzero(bytes + at, 64) != 64)
      return false;
  }
  return first_nonzero(bytes + size - 4096, 4096) == 4096;
}

bool overlap(const Block &a, const Block &b) {
  const auto *a_begin = static_cast<const char *>(a.address),
             *b_begin = static_cast<const char *>(b.address);
  const size_t a_size = a.size > 0 ? a.size : 1, b_size = b.size > 0 ? b.size : 1;
  return a_begin < b_begin + b_size && b_begin < a_begin + a_size;
}

bool is_new(Kind made) {
  return made == Kind::kNew || made == Kind::kNewArray || made == Kind::kNewAligned ||
         made == Kind::kNewNothrow;
}

const size_t kImpossibleSizes[] = {
    static_cast<size_t>(PTRDIFF_MAX),
    static_cast<size_t>(PTRDIFF_MAX) + 1,
    SIZE_MAX,
    SIZE_MAX - 15,
    SIZE_MAX - 4096,
    SIZE_MAX - 65536,
    size_t{1} << 62,
    size_t{1} << 56,
};

} // namespace

Model::Model(uint64_t identity, Exchange *exchange)
    : next_seed_(identity << 40), exchange_(exchange) {}

const char *Model::wrong(const char *what, const Block &block, size_t detail) {
  std::snprintf(text_, sizeof(text_), "%s: block %p of %zu (asked %zu, alignment %zu), %zu", what,
                block.address, block.size, block.asked, block.align, detail);
  return text_;
}

const char *Model::check(const Block &block) {
  if (block.address == nullptr)
    return nullptr;
  const size_t at = mismatch(block.address, block.size, block.size, block.seed);
  return at == block.size ? nullptr : wrong("contents changed at", block, at);
}

const char *Model::check_all() {
  for (const Block &block : slots_) {
    if (const char *problem = check(block))
      return problem;
  }
  return nullptr;
}

const char *Model::finish() {
  for (Block &block : slots_) {
    if (const char *problem = release(&block, false))
      return problem;
  }
  return nullptr;
}

// What must be true of every new block; fills it.
const char *Model::admit(Block *block, bool zeroed) {
  if (block->address == nullptr)
    return wrong("no block", *block, static_cast<size_t>(errno));
  if (subject_is_ours() && block->align == 0 && errno != kSentinel)
    return wrong("errno was touched", *block, static_cast<size_t>(errno));
  const size_t alignment = block->align > 16 ? block->align : 16;
  if (!is_aligned(block->address, alignment))
    return wrong("alignment", *block, alignment);
  const size_t usable = api::malloc_usable_size(block->address);
  if (usable < block->size)
    return wrong("usable size", *block, usable);
  for (const Block &other : slots_) {
    if (&other != block && other.address != nullptr && overlap(other, *block))
      return wrong("overlaps a live block", *block, other.size);
  }
  if (zeroed && !is_zero(block->address, block->size))
    return wrong("calloc is not zero", *block, 0);
  block->seed = next_seed_ += 1u << 20;
  fill(*block);
  return nullptr;
}

const char *Model::allocate(Block *block, const Op &op) {
  if (const char *problem = release(block, false))
    return problem;
  *block = {nullptr, op.size, op.size, 0, 0, op.kind};
  const auto align = static_cast<std::align_val_t>(op.align);
  errno = kSentinel;
  switch (op.kind) {
  case Kind::kCalloc: {
    const size_t count = op.align % 7 + 1;
    block->address = api::calloc(count, (op.size + count - 1) / count);
    break;
  }
  case Kind::kPosixMemalign:
    block->align = op.align < sizeof(void *) ? sizeof(void *) : op.align;
    if (api::posix_memalign(&block->address, block->align, op.size) != 0)
      block->address = nullptr;
    break;
  case Kind::kAlignedAlloc:
    block->align = op.align;
    block->address = api::aligned_alloc(op.align, op.size);
    break;
  case Kind::kMemalign:
    block->align = op.align;
    block->address = api::memalign(op.align, op.size);
    break;
  case Kind::kValloc:
    block->align = page_bytes();
    block->address = api::valloc(op.size);
    break;
  case Kind::kPvalloc:
    block->align = page_bytes();
    block->address = api::pvalloc(op.size);
    block->size = (op.size + page_bytes() - 1) / page_bytes() * page_bytes();
    break;
  case Kind::kNew:
    block->address = api::op_new(op.size);
    break;
  case Kind::kNewArray:
    block->address = api::op_new_array(op.size);
    break;
  case Kind::kNewAligned:
    block->align = op.align;
    block->address = api::op_new_aligned(op.size, align);
    break;
  case Kind::kNewNothrow:
    block->address = api::op_new_nothrow(op.size, std::nothrow);
    break;
  default:
    block->address = api::malloc(op.size);
    break;
  }
  return admit(block, op.kind == Kind::kCalloc);
}

const char *Model::reallocate(Block *block, const Op &op) {
  if (const char *problem = check(*block))
    return problem;
  if (block->address != nullptr && is_new(block->made)) // realloc has no business with these
    return allocate(block, {op.thread, Kind::kMalloc, op.slot, op.size, op.align});
  const Block old = *block;
  const size_t next = op.size > 0 ? op.size : 1;
  errno = kSentinel;
  block->address = op.kind == Kind::kRealloc ? api::realloc(old.address, next)
                                             : api::reallocarray(old.address, next, 1);
  block->size = block->asked = next;
  block->align = 0;
  block->made = Kind::kMalloc;
  if (block->address == nullptr)
    return wrong("realloc gave no block", old, next);
  if (old.address != nullptr) {
    const size_t kept = old.size < next ? old.size : next;
    const size_t at = mismatch(block->address, old.size, kept, old.seed);
    if (at != kept)
      return wrong("realloc lost a byte at", old, at);
  }
  return admit(block, false);
}

const char *Model::release(Block *block, bool sized) {
  if (block->address == nullptr)
    return nullptr;
  if (const char *problem = check(*block))
    return problem;
  const Block old = *block;
  *block = Block();
  const auto align = static_cast<std::align_val_t>(old.align);
  errno = kSentinel;
  switch (old.made) {
  case Kind::kNew:
  case Kind::kNewNothrow:
    sized ? api::op_delete_sized(old.address, old.asked) : api::op_delete(old.address);
    break;
  case Kind::kNewArray:
    sized ? api::op_delete_array_sized(old.address, old.asked) : api::op_delete_array(old.address);
    break;
  case Kind::kNewAligned:
    sized ? api::op_delete_sized_aligned(old.address, old.asked, align)
          : api::op_delete_aligned(old.address, align);
    break;
  default:
    if (sized && old.align == 0 && old.made == Kind::kMalloc && api::free_sized != nullptr)
      api::free_sized(old.address, old.asked);
    else if (sized && old.made == Kind::kAlignedAlloc && api::free_aligned_sized != nullptr)
      api::free_aligned_sized(old.address, old.align, old.asked);
    else
      api::free(old.address);
  }
  return errno == kSentinel ? nullptr
                            : wrong("free touched errno", old, static_cast<size_t>(errno));
}

const char *Model::impossible(const Op &op) {
  const size_t size = kImpossibleSizes[op.size % std::size(kImpossibleSizes)];
  Block asked = {nullptr, size, size, 0, 0, op.kind};
  errno = kSentinel;
  switch (op.align % 4) {
  case 0:
    asked.address = api::malloc(size);
    break;
  case 1:
    asked.address = api::calloc(size, 1);
    break;
  case 2:
    asked.address = api::aligned_alloc(64, size);
    break;
  default: {
    Block &block = slots_[op.slot % kSlots];
    if (block.address == nullptr || is_new(block.made)) {
      asked.address = api::realloc(nullptr, size);
    } else {
      asked.address = api::realloc(block.address, size);
      if (const char *problem = check(block))
        return problem;
    }
  }
  }
  if (asked.address != nullptr)
    return wrong("an impossible size was granted", asked, size);
  return errno == ENOMEM ? nullptr
                         : wrong("errno of an impossible size", asked, static_cast<size_t>(errno));
}

const char *Model::in_child(const Op &op) {
  const pid_t child = fork();
  if (child < 0)
    return nullptr; // no process to be had: nothing to learn
  if (child == 0) {
    limit_life(300); // only a hang reaches it
    const char *problem = finish();
    if (problem == nullptr)
      problem = allocate(&slots_[0], {0, Kind::kMalloc, 0, op.size, 0});
    _exit(problem == nullptr ? 0 : 1);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return nullptr;
  return wrong("the forked child failed", slots_[0], static_cast<size_t>(status));
}

const char *Model::play(const Op &op) {
  Block *const block = &slots_[op.slot % kSlots];
  switch (op.kind) {
  case Kind::kRealloc:
  case Kind::kReallocarray:
    return reallocate(block, op);
  case Kind::kFree:
    return release(block, false);
  case Kind::kFreeSized:
    return release(block, true);
  case Kind::kUseAll: {
    if (block->address == nullptr)
      return nullptr;
    if (const char *problem = check(*block))
      return problem;
    const size_t usable = api::malloc_usable_size(block->address);
    if (usable < block->size)
      return wrong("usable size shrank", *block, usable);
    block->size = usable;
    fill(*block);
    return nullptr;
  }
  case Kind::kCheck:
    return check(*block);
  case Kind::kImpossible:
    return impossible(op);
  case Kind::kTrim:
    api::malloc_trim(op.size);
    return nullptr;
  case Kind::kFork:
    return in_child(op);
  case Kind::kGive:
    if (exchange_ != nullptr && block->address != nullptr && exchange_->put(*block))
      *block = Block();
    return nullptr;
  case Kind::kTake:
    if (exchange_ != nullptr && block->address == nullptr)
      exchange_->take(block);
    return check(*block);
  case Kind::kThreadEnd:
  case Kind::kCount:
    return nullptr;
  default:
    return allocate(block, op);
  }
}

} // namespace conformance
