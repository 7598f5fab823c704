// Playing a sequence with threads: in turn (the same every time) or all at once. See model.h.
#include "common/conformance/exchange.h"
#include "common/conformance/model.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace conformance {
namespace {

// Hands the model from thread to thread. All state is under one mutex.
class Turn {
public:
  Turn(const std::vector<Op> &ops, Model *model) : ops_(ops), model_(model) {}

  // The body of one worker: plays whenever the next operation is its own, until there is none or it
  // must end. Returns true when a new thread must take its place.
  bool work(uint8_t self) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      change_.wait(lock, [&] { return over() || ops_[next_].thread == self; });
      if (over())
        return false;
      while (!over() && ops_[next_].thread == self) {
        const Op &op = ops_[next_];
        if (const char *problem = model_->play(op))
          problem_ = "operation " + std::to_string(next_) + ": " + problem;
        ++next_;
        if (op.kind == Kind::kThreadEnd) {
          change_.notify_all();
          return true; // its successor goes on
        }
      }
      change_.notify_all();
    }
  }
  const std::string &problem() const { return problem_; }

private:
  bool over() const { return next_ == ops_.size() || !problem_.empty(); }

  const std::vector<Op> &ops_;
  Model *const model_;
  std::mutex mutex_;
  std::condition_variable change_;
  size_t next_ = 0;
  std::string problem_;
};

} // namespace

std::string play_in_turn(const std::vector<Op> &ops) {
  Model model(1);
  Turn turn(ops, &model);
  std::vector<std::thread>
      keepers; // each keeps one worker alive, and starts its successor when it ends
  for (uint8_t t = 0; t < kMostThreads; ++t) {
    keepers.emplace_back([&turn, t] {
      bool again = true;
      while (again)
        std::thread([&] { again = turn.work(t); }).join();
    });
  }
  for (std::thread &keeper : keepers)
    keeper.join();
  if (!turn.problem().empty())
    return turn.problem();
  const char *problem = model.finish();
  return problem != nullptr ? std::string("at the end: ") + problem : "";
}

std::string play_at_once(const std::vector<Op> &ops) {
  Exchange exchange;
  std::vector<Op> own[kMostThreads];
  for (const Op &op : ops)
    own[op.thread % kMostThreads].push_back(op);
  std::string problems[kMostThreads];
  std::atomic<bool> stop{false};
  std::vector<std::thread> keepers;
  for (uint8_t t = 0; t < kMostThreads; ++t) {
    keepers.emplace_back([&, t] {
      auto model = std::make_unique<Model>(t + 2u, &exchange);
      size_t next = 0;
      while (next < own[t].size() && !stop) {
        std::thread([&] {
          while (next < own[t].size() && !stop) {
            const Op &op = own[t][next++];
            if (const char *problem = model->play(op)) {
              problems[t] = "thread " + std::to_string(t) + ", operation " +
                            std::to_string(next - 1) + ": " + problem;
              stop = true;
            }
            if (op.kind == Kind::kThreadEnd)
              break; // the next one goes on with what this one made
          }
        }).join();
      }
      const char *problem = problems[t].empty() ? model->finish() : nullptr;
      if (problem != nullptr)
        problems[t] = "thread " + std::to_string(t) + " at the end: " + problem;
    });
  }
  for (std::thread &keeper : keepers)
    keeper.join();
  auto rest = std::make_unique<Model>(1, &exchange);
  for (;;) { // what still lies in the exchange
    if (const char *problem = rest->play({0, Kind::kTake, 0, 0, 0}))
      return problem;
    if (rest->slots()[0].address == nullptr)
      break;
    if (const char *problem = rest->play({0, Kind::kFree, 0, 0, 0}))
      return problem;
  }
  for (const std::string &problem : problems) {
    if (!problem.empty())
      return problem;
  }
  return "";
}

} // namespace conformance
