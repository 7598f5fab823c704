// One death per fault, inside the test program, so that a linked allocator is judged too. Each
// child commits one fault and tells how far it came; fault_table judges whether it was named, when,
// and in which words. Every kind of fault has a small program of its own in misuse/ as well; here
// stand the ones that every variant is held to.
#include "common/conformance/api.h"
#include "common/conformance/fault_table.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace conformance {
namespace {

constexpr unsigned kHangSeconds = 120;
constexpr size_t kSizes[] = {8, 1000, 4096, 100 * 1024, 256 * 1024, 4 * 1024 * 1024};
constexpr size_t kInteriorSizes[] = {100, 8000, 30000, 200000, 4 * 1024 * 1024};

std::string hex(const void *pointer) {
  char text[32];
  std::snprintf(text, sizeof(text), "0x%lx", reinterpret_cast<unsigned long>(pointer));
  return text;
}

// What a child tells about itself, and the other blocks that it needs to empty caches.
class Scene {
public:
  Scene(const Notes &notes, size_t size, bool with_others) : notes_(notes), size_(size) {
    const size_t count = 96 * 1024 * 1024 / (size + 16);
    if (with_others)
      others_.resize(count > 20000 ? 20000 : count < 64 ? 64 : count);
    for (void *&other : others_)
      other = api::malloc(size);
  }
  // The message must name this address, and this thread when it comes at once.
  void about(const void *pointer) const {
    notes_.text("about " + hex(pointer) + "\nthread " + std::to_string(syscall(SYS_gettid)) + "\n");
  }
  void committed() const { notes_.text("committed\n"); }
  // Frees that many other blocks of the same size.
  void free_others(size_t count) {
    for (; count > 0 && !others_.empty(); --count) {
      api::free(others_.back());
      others_.pop_back();
    }
  }
  // Forces every batch with blocks of this size out of the cache: frees far more than a cache
  // holds, allocates as many again, frees them, and does the same in a thread that then ends.
  void empty_the_caches() {
    free_others(others_.size());
    churn();
    std::thread([this] { churn(); }).join();
  }

private:
  void churn() {
    std::vector<void *> more(2000);
    for (void *&block : more)
      block = api::malloc(size_);
    for (void *block : more)
      api::free(block);
  }
  const Notes &notes_;
  size_t size_;
  std::vector<void *> others_;
};

// Runs `commit` in a child and judges it.
template <typename Commit> void die_of(const Expectation &expected, Commit commit) {
  const ChildEnd end = run_child(
      [&](const Notes &notes) {
        const bool may_come_later = expected.owes.standard == When::kNextBatch;
        Scene scene(notes, expected.size, may_come_later);
        commit(scene);
        scene.committed();
        if (may_come_later)
          scene.empty_the_caches();
      },
      kHangSeconds);
  judge(expected, end, end.notes);
}

// ---- double free ----

Expectation double_free(const char *name, size_t size) {
  return {name, size, "double free", "free", kDoubleFree};
}

TEST(DoubleFree, Immediate) {
  for (size_t size : kSizes) {
    die_of(double_free("double free", size), [size](Scene &scene) {
      void *const block = api::malloc(size);
      scene.about(block);
      api::free(block);
      api::free(block);
    });
  }
}

TEST(DoubleFree, AfterOtherFrees) {
  for (size_t size : kSizes) {
    for (size_t others : {size_t{1}, size_t{10}, size_t{500}}) {
      const std::string name = "double free after " + std::to_string(others);
      die_of(double_free(name.c_str(), size), [size, others](Scene &scene) {
        void *const block = api::malloc(size);
        scene.about(block);
        api::free(block);
        scene.free_others(others);
        api::free(block);
      });
    }
  }
}

TEST(DoubleFree, ByTwoThreads) {
  for (size_t size : kSizes) {
    Expectation expected = double_free("double free by another thread", size);
    expected.function = "free|thread exit"; // the other thread's cache is emptied when it ends
    die_of(expected, [size](Scene &scene) {
      void *const block = api::malloc(size);
      std::thread([block] { api::free(block); }).join();
      scene.about(block);
      api::free(block);
    });
  }
}

TEST(DoubleFree, OfAlignedBlocks) {
  for (size_t size : kSizes) {
    die_of(double_free("double free of an aligned block", size), [size](Scene &scene) {
      void *const block = api::aligned_alloc(4096, size);
      scene.about(block);
      api::free(block);
      api::free(block);
    });
  }
}

TEST(DoubleFree, OfABlockThatReallocMoved) {
  for (size_t size : kSizes) {
    die_of(double_free("free of what realloc moved", size), [size](Scene &scene) {
      void *const block = api::malloc(size);
      void *const wall = api::malloc(size);
      void *const moved = api::realloc(block, size * 40 + 100000);
      if (moved == block)
        _exit(0); // it grew where it is: nothing to show
      scene.about(block);
      api::free(block);
      api::free(wall);
    });
  }
}

// ---- invalid frees ----

struct Route {
  const char *name; // as the message says it
  void (*call)(void *);
};

// Every public function that takes a block back or looks at one.
const Route kRoutes[] = {
    {"free", [](void *block) { api::free(block); }},
    {"realloc", [](void *block) { api::realloc(block, 500); }},
    {"malloc_usable_size", [](void *block) { api::malloc_usable_size(block); }},
    {"reallocarray", [](void *block) { api::reallocarray(block, 5, 100); }},
    {"operator delete", [](void *block) { api::op_delete(block); }},
    {"operator delete[]", [](void *block) { api::op_delete_array(block); }},
};

// A regular expression that matches this text alone.
std::string literally(const std::string &text) {
  std::string pattern;
  for (char c : text) {
    if (c == '[' || c == ']')
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

template <typename Make>
void wrong_pointer(const char *what, size_t size, const char *fault, Make make) {
  for (const Route &route : kRoutes) {
    const Expectation expected = {std::string(route.name) + " of " + what, size, fault,
                                  literally(route.name), kInvalidFree};
    die_of(expected, [&](Scene &scene) {
      void *const pointer = make(size);
      scene.about(pointer);
      route.call(pointer);
    });
  }
}

TEST(ForeignPointer, OfTheStack) {
  wrong_pointer("a stack address", 64, "foreign pointer", [](size_t) -> void * {
    return reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) &
                                    ~uintptr_t{15});
  });
}

TEST(ForeignPointer, OfStaticStorage) {
  static char storage[4096] __attribute__((aligned(4096)));
  wrong_pointer("static storage", 64, "foreign pointer",
                [](size_t) -> void * { return storage + 64; });
}

TEST(ForeignPointer, OfAForeignMapping) {
  wrong_pointer("a foreign mapping", 64, "foreign pointer", [](size_t) {
    return mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  });
  wrong_pointer("the inside of a foreign mapping", 64, "foreign pointer", [](size_t) -> void * {
    return static_cast<char *>(
               mmap(nullptr, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) +
           (4 << 20) + 16;
  });
}

TEST(ForeignPointer, OfAddressesThatAreNowhere) {
  for (unsigned long address : {0x10ul, 0x1000ul, 0x7ffffffff000ul, 0x4141414141414141ul,
                                0xffff800000000000ul, 0xfffffffffffffff0ul}) {
    wrong_pointer(("address " + hex(reinterpret_cast<void *>(address))).c_str(), 64,
                  "foreign pointer",
                  [address](size_t) { return reinterpret_cast<void *>(address); });
  }
}

TEST(InvalidFree, InteriorPointers) {
  for (size_t size : kInteriorSizes) {
    for (size_t offset : {size_t{1}, size_t{16}, page_bytes(), size / 2, size - 1}) {
      if (offset >= size)
        continue;
      wrong_pointer(
          ("a pointer " + std::to_string(offset) + " inside").c_str(), size, "invalid free",
          [offset](size_t bytes) { return static_cast<char *>(api::malloc(bytes)) + offset; });
    }
  }
}

TEST(InvalidFree, OfABlockThatWasNeverHandedOut) {
  for (size_t size : {size_t{48}, size_t{1000}, size_t{20000}}) {
    const Expectation expected = {"free of what was never handed out", size,
                                  "invalid free|foreign pointer|double free", "free", kInvalidFree};
    const ChildEnd end = run_child(
        [&](const Notes &notes) {
          // Far behind the highest of several fresh blocks, at the distance that blocks of this
          // size have: where no cache holds any yet.
          constexpr size_t kBlocks = 200;
          uintptr_t blocks[kBlocks];
          for (uintptr_t &block : blocks)
            block = reinterpret_cast<uintptr_t>(api::malloc(size));
          uintptr_t highest = 0, distance = UINTPTR_MAX;
          for (uintptr_t a : blocks) {
            highest = a > highest ? a : highest;
            for (uintptr_t b : blocks)
              distance = b > a && b - a < distance ? b - a : distance;
          }
          void *const never = reinterpret_cast<void *>(highest + 150 * distance);
          notes.text("about " + hex(never) + "\n");
          api::free(never);
          notes.text("committed\n");
        },
        kHangSeconds);
    judge(expected, end, end.notes);
  }
}

// ---- sized deallocation with the wrong size ----

TEST(SizeMismatch, IsRefused) {
  struct Wrong {
    size_t is, said;
  };
  for (const Wrong &w : {Wrong{100, 5000}, Wrong{5000, 100}, Wrong{100000, 1000},
                         Wrong{3000000, 20}, Wrong{20, 3000000}}) {
    die_of({"operator delete of size " + std::to_string(w.said), w.is, "size mismatch",
            "operator delete", kHardenedOnly},
           [&w](Scene &scene) {
             void *const block = api::op_new(w.is);
             scene.about(block);
             api::op_delete_sized(block, w.said);
           });
    if (api::free_sized == nullptr)
      continue;
    die_of({"free_sized of size " + std::to_string(w.said), w.is, "size mismatch", "free_sized",
            kHardenedOnly},
           [&w](Scene &scene) {
             void *const block = api::malloc(w.is);
             scene.about(block);
             api::free_sized(block, w.said);
           });
    die_of({"free_aligned_sized of size " + std::to_string(w.said), w.is, "size mismatch",
            "free_aligned_sized", kHardenedOnly},
           [&w](Scene &scene) {
             void *const block = api::aligned_alloc(64, w.is);
             scene.about(block);
             api::free_aligned_sized(block, 64, w.said);
           });
  }
}

// ---- the message itself ----

TEST(Message, NamesTheThreadThatCalled) {
  die_of({"free of static storage in a thread", 64, "foreign pointer", "free", kInvalidFree},
         [](Scene &scene) {
           std::thread([&] {
             static char storage[64];
             scene.about(storage);
             api::free(storage);
           }).join();
         });
}

void die_without_stderr(void (*close_it)()) {
  if (!subject_is_ours() || subject().variant == Variant::kFast)
    GTEST_SKIP() << "SKIPPED: " << subject().generation << " owes no message here";
  static char storage[64];
  const ChildEnd end = run_child([close_it](const Notes &) {
    close_it();
    api::free(storage);
  });
  EXPECT_FALSE(end.exited) << end.describe();
  EXPECT_EQ(end.signal, SIGABRT) << end.describe();
}

TEST(Message, StderrClosedStillAborts) {
  die_without_stderr([] { close(2); });
}

TEST(Message, StderrThatNobodyReadsStillAborts) {
  die_without_stderr([] {
    int ends[2];
    if (pipe(ends) != 0)
      _exit(1);
    close(ends[0]);
    dup2(ends[1], 2);
    signal(SIGPIPE, SIG_IGN);
  });
}

} // namespace
} // namespace conformance
