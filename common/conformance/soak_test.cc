// A soak for memory alone: phases of different work, threads that come and go, blocks that outlive
// their thread. After each epoch everything but a known set of live blocks is free.
//
// Judged of this tree's generations: the resident set at the end of an epoch, without what
// malloc_info says is kept free for a program that comes back (which is bounded for itself), ten
// epochs against the ten that begin twenty later, 5 % at most and nothing besides. Not five against
// five, as //bench:soak has it whose epochs last for seconds: one of these lasts for half a second
// and differs from the next by a tenth, because threads meet otherwise and leave other caches. For
// the same reason ten more are run where the last ten lie higher, three times at most, and judged
// by what came before them: what drifts goes on to drift, what varies does not, and what fills up
// at first (caches that find nothing, on a busy machine for up to twenty epochs) ends. Also the
// resident set once caches are given back (every fifth epoch); no growth in every epoch; and the
// floor after everything is freed.
//
// The C library proves the test: the program itself loses nothing (every block's content; the
// resident set once malloc_trim has given back what is free; the floor). It is given one arena
// (MALLOC_ARENA_MAX in the BUILD file): what several keep depends on which thread met which, and
// varies by a third. What it keeps between two trims is its own business and is not judged.
// Throughput is another instrument's.
// HZ_SOAK_EPOCHS makes it longer.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <malloc.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace conformance {
namespace {

constexpr size_t kMiB = 1024 * 1024;
constexpr size_t kWorkers = 4;
constexpr double kMostDrift = 0.05;      // of the resident set
constexpr size_t kSettleEvery = 5;       // epochs
constexpr size_t kJudged = 10;           // epochs, of the late ones and of those before
constexpr size_t kApart = 20;            // epochs, from beginning to beginning
constexpr int kExtensions = 3;           // of as many epochs
constexpr size_t kMostKept = 192 * kMiB; // 160 for who comes back (common/arena), 32 in caches

struct Held {
  void *block;
  size_t size;
  uint64_t seed;
};

// What one phase does: which sizes, how many at a time, how many steps.
struct Phase {
  const char *name;
  size_t low, high, slots;
  int steps;
};

// One epoch goes through all of these; sizes move from class to class, so memory must move too.
const Phase kPhases[] = {
    {"small", 8, 512, 20000, 50000},  {"mid", 512, 32768, 1000, 7000},
    {"large", 32768, 4 << 20, 8, 80}, {"small again", 16, 2048, 12000, 30000},
    {"mixed", 8, 1 << 20, 400, 4000},
};

// Blocks handed from thread to thread: made by one, freed by whoever comes next.
class Pool {
public:
  // Puts one in and takes another out; nothing is taken while the pool is not full.
  Held swap(const Held &given, size_t at) {
    std::lock_guard<std::mutex> lock(mutex_);
    Held &place = places_[at % kPlaces];
    const Held taken = place;
    place = given;
    return taken;
  }
  size_t empty() {
    size_t lost = 0;
    for (Held &held : places_) {
      if (held.block != nullptr)
        lost += pattern_mismatch(held.block, held.size, held.seed) != held.size;
      api::free(held.block);
      held = Held();
    }
    return lost;
  }

private:
  static constexpr size_t kPlaces = 512;
  std::mutex mutex_;
  Held places_[kPlaces] = {};
};

size_t run_phase(const Phase &phase, uint64_t seed, Pool *pool) {
  std::vector<Held> held(phase.slots);
  Random random(seed);
  size_t faults = 0;
  for (int step = 0; step < phase.steps; ++step) {
    Held &slot = held[random.below(phase.slots)];
    if (slot.block != nullptr) {
      const size_t checked = std::min<size_t>(slot.size, 256);
      faults += pattern_mismatch(slot.block, checked, slot.seed) != checked;
      api::free(slot.block);
    }
    slot.size = random.log_uniform(phase.low, phase.high);
    slot.seed = random.next();
    slot.block = api::malloc(slot.size);
    pattern_fill(slot.block, slot.size, slot.seed);
    if (random.below(16) == 0 && slot.size <= 65536)
      slot = pool->swap(slot, random.next());
  }
  for (Held &slot : held)
    api::free(slot.block);
  return faults;
}

// Threads of an epoch are new ones; each works through all phases, beginning with a different one.
size_t run_epoch(uint64_t epoch, Pool *pool) {
  std::atomic<size_t> faults{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kWorkers; ++t) {
    threads.emplace_back([&, t] {
      for (size_t p = 0; p < std::size(kPhases); ++p) {
        const Phase &phase = kPhases[(p + t) % std::size(kPhases)];
        const uint64_t seed = epoch * 1000 + t * 10 + p;
        // Every other phase runs in a thread of its own that ends right after.
        if (p % 2 == 0)
          std::thread([&] { faults += run_phase(phase, seed, pool); }).join();
        else
          faults += run_phase(phase, seed, pool);
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  return faults;
}

double mean(const std::vector<size_t> &values, size_t from, size_t count) {
  double sum = 0;
  for (size_t i = from; i < from + count; ++i)
    sum += static_cast<double>(values[i]);
  return sum / static_cast<double>(count);
}

size_t figure(const std::string &text, const std::string &word) {
  const size_t at = text.find(word);
  EXPECT_NE(at, std::string::npos) << word;
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + word.size(), nullptr, 10);
}

// Returns: what a generation keeps free, by its own word: runs that are resident, and blocks in
// caches. It may be much while the program is seen to come back for it, and little in the next
// epoch, as threads meet.
size_t kept_free() {
  if (!subject_is_ours())
    return 0;
  char *text = nullptr;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  EXPECT_EQ(malloc_info(0, out), 0);
  std::fclose(out);
  const std::string all(text, length);
  std::free(text);
  return figure(all, " dirty=\"") + figure(all, " thread=\"") + figure(all, " shared=\"");
}

double drift_of(const std::vector<size_t> &rss) {
  const size_t late = rss.size() - kJudged;
  return mean(rss, late, kJudged) / mean(rss, late - kApart, kJudged) - 1;
}

TEST(Soak, MemoryStaysWhereItIs) {
  const char *wanted = std::getenv("HZ_SOAK_EPOCHS");
  size_t epochs = wanted != nullptr && *wanted != '\0' ? std::strtoul(wanted, nullptr, 10) : 30;
  ASSERT_GE(epochs, kApart + kJudged);
  std::vector<Held> throughout; // live from the first epoch to the last
  Random random(99);
  for (int i = 0; i < 4000; ++i) {
    Held held = {nullptr, random.log_uniform(8, 20000), random.next()};
    held.block = api::malloc(held.size);
    pattern_fill(held.block, held.size, held.seed);
    throughout.push_back(held);
  }
  const size_t floor = rss_bytes();
  auto pool = std::make_unique<Pool>();
  std::vector<size_t> rss, settled;
  int extensions = 0;
  for (size_t epoch = 0; epoch < epochs; ++epoch) {
    ASSERT_EQ(run_epoch(epoch, pool.get()), 0u) << "epoch " << epoch;
    ASSERT_EQ(pool->empty(), 0u) << "epoch " << epoch;
    const size_t kept = kept_free(), all = rss_bytes();
    EXPECT_LE(kept, kMostKept) << "epoch " << epoch;
    rss.push_back(all - std::min(kept, all));
    std::printf("epoch %zu rss_kib %zu and kept_kib %zu mapped_kib %zu\n", epoch, rss.back() / 1024,
                kept / 1024, mapped_bytes() / 1024);
    if (epoch % kSettleEvery == kSettleEvery - 1) {
      api::malloc_trim(0);
      settled.push_back(rss_bytes());
      std::printf("settled_kib %zu\n", settled.back() / 1024);
    }
    std::fflush(stdout);
    if (epoch + 1 == epochs && subject_is_ours() && extensions < kExtensions &&
        drift_of(rss) > kMostDrift) {
      ++extensions;
      epochs += kJudged;
    }
  }
  // The first of the settled ones still carries what the first epoch set up.
  const double early = mean(settled, 1, 2);
  const double late = mean(settled, settled.size() - 2, 2);
  std::printf("drift of the resident set %.1f %%, settled %.1f %%\n", drift_of(rss) * 100,
              (late / early - 1) * 100);
  EXPECT_LE(late, early * (1 + kMostDrift));
  if (subject_is_ours()) {
    EXPECT_LE(drift_of(rss), kMostDrift) << "after " << epochs << " epochs";
  }
  size_t rises = 0;
  for (size_t i = rss.size() - 10; i + 1 < rss.size(); ++i)
    rises += rss[i + 1] > rss[i];
  EXPECT_LT(rises, 9u) << "the resident set grew in every epoch";
  for (Held &held : throughout) {
    ASSERT_EQ(pattern_mismatch(held.block, held.size, held.seed), held.size);
    api::free(held.block);
  }
  api::malloc_trim(0);
  std::printf("floor_kib %zu end_kib %zu\n", floor / 1024, rss_bytes() / 1024);
  EXPECT_LE(rss_bytes(), floor + 16 * kMiB);
}

} // namespace
} // namespace conformance
