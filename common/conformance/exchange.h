// Where threads of a concurrent play hand live blocks to each other. Owns the blocks that lie in it
// and one mutex; any thread may put and take.
#pragma once

#include "common/conformance/model.h"

#include <mutex>

namespace conformance {

class Exchange {
public:
  // Returns false when there is no room.
  bool put(const Block &block) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (used_ == kRoom)
      return false;
    blocks_[used_++] = block;
    return true;
  }
  // Takes the oldest block, so that blocks lie here for a while. Returns false when there is none.
  bool take(Block *block) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (used_ == 0)
      return false;
    *block = blocks_[0];
    --used_;
    for (size_t i = 0; i < used_; ++i)
      blocks_[i] = blocks_[i + 1];
    return true;
  }

private:
  static constexpr size_t kRoom = 64;
  std::mutex mutex_;
  Block blocks_[kRoom];
  size_t used_ = 0;
};

} // namespace conformance
