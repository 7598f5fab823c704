// What each function of the surface asks of its generation, and what it answers by itself.
#include "common/abi/trial/trial.h"

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

extern "C" {
void cfree(void *p);
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t align, size_t bytes);
void *__libc_malloc(size_t bytes);
void __libc_free(void *p);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
int __posix_memalign(void **out, size_t align, size_t bytes);
}

namespace {

// Through volatile pointers, so that the compiler knows nothing about the functions.
template <typename F> F *opaque(F *function) {
  F *volatile hidden = function;
  return hidden;
}

struct Recording {
  Recording() {
    trial_last = {};
    trial_calls = 0;
    trial_recording = true;
  }
  ~Recording() {
    trial_recording = false;
    trial_failures = 0;
  }
};

// Calls and then says what the generation saw.
template <typename Body> trial_call seen(Body body) {
  Recording recording;
  body();
  trial_recording = false;
  return trial_last;
}

#define EXPECT_CALL(call, function_, api_, align_, bytes_)                                         \
  do {                                                                                             \
    trial_call c_ = (call);                                                                        \
    EXPECT_EQ(c_.function, function_);                                                             \
    EXPECT_STREQ(hz_api_name(c_.api), hz_api_name(api_));                                          \
    EXPECT_EQ(c_.align, static_cast<size_t>(align_));                                              \
    EXPECT_EQ(c_.bytes, static_cast<size_t>(bytes_));                                              \
  } while (0)

#define EXPECT_NO_CALL(call) EXPECT_EQ((call).function, TRIAL_NONE)

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
int sink_int;
void *sink;
char block[64];

TEST(CSurface, OrdinaryBlocks) {
  EXPECT_CALL(seen([] { sink = opaque(malloc)(24); }), TRIAL_ALLOC, HZ_API_MALLOC, 0, 24);
  EXPECT_CALL(seen([] { sink = opaque(malloc)(0); }), TRIAL_ALLOC, HZ_API_MALLOC, 0, 0);
  EXPECT_CALL(seen([] { opaque(free)(block); }), TRIAL_FREE, HZ_API_FREE, 0, 0);
  EXPECT_CALL(seen([] { cfree(block); }), TRIAL_FREE, HZ_API_CFREE, 0, 0);
  EXPECT_CALL(seen([] { sink = opaque(calloc)(6, 7); }), TRIAL_ALLOC_ZEROED, HZ_API_CALLOC, 0, 42);
  EXPECT_CALL(seen([] { sink = opaque(calloc)(0, 7); }), TRIAL_ALLOC_ZEROED, HZ_API_CALLOC, 0, 0);
  EXPECT_CALL(seen([] { free_sized(block, 40); }), TRIAL_FREE_SIZED, HZ_API_FREE_SIZED, 0, 40);
  EXPECT_CALL(seen([] { free_aligned_sized(block, 64, 40); }), TRIAL_FREE_SIZED,
              HZ_API_FREE_ALIGNED_SIZED, 64, 40);
  EXPECT_EQ(trial_last.p, block);
}

TEST(CSurface, ProductsThatOverflowAreRefusedHere) {
  errno = 0;
  EXPECT_NO_CALL(seen([] { sink = opaque(calloc)(SIZE_MAX, 2); }));
  EXPECT_EQ(sink, nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_NO_CALL(seen([] { sink = opaque(reallocarray)(block, SIZE_MAX / 2, 3); }));
  EXPECT_EQ(sink, nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_NO_CALL(seen([] { sink = opaque(pvalloc)(SIZE_MAX - 100); }));
  EXPECT_EQ(sink, nullptr);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(CSurface, Realloc) {
  sink = opaque(malloc)(10);
  EXPECT_CALL(seen([] { sink = opaque(realloc)(sink, 30); }), TRIAL_REALLOC, HZ_API_REALLOC, 0, 30);
  EXPECT_CALL(seen([] { sink = opaque(reallocarray)(sink, 5, 8); }), TRIAL_REALLOC,
              HZ_API_REALLOCARRAY, 0, 40);
  EXPECT_CALL(seen([] { sink = opaque(realloc)(nullptr, 30); }), TRIAL_ALLOC, HZ_API_REALLOC, 0,
              30);
  EXPECT_CALL(seen([] { sink = opaque(reallocarray)(nullptr, 3, 4); }), TRIAL_ALLOC,
              HZ_API_REALLOCARRAY, 0, 12);
  EXPECT_CALL(seen([] { sink = opaque(realloc)(block, 0); }), TRIAL_FREE, HZ_API_REALLOC, 0, 0);
  EXPECT_EQ(sink, nullptr);
  EXPECT_CALL(seen([] { sink = opaque(reallocarray)(block, 0, 9); }), TRIAL_FREE,
              HZ_API_REALLOCARRAY, 0, 0);
  EXPECT_EQ(sink, nullptr);
  EXPECT_CALL(seen([] { sink = opaque(realloc)(nullptr, 0); }), TRIAL_ALLOC, HZ_API_REALLOC, 0, 0);
}

TEST(CSurface, PosixMemalign) {
  EXPECT_CALL(seen([] { sink_int = opaque(posix_memalign)(&sink, 64, 100); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_POSIX_MEMALIGN, 64, 100);
  EXPECT_EQ(sink_int, 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(sink) % 64, 0u);
  for (size_t bad : {0u, 1u, 2u, 4u, 7u, 24u, 100u}) {
    sink = block;
    errno = 4711;
    EXPECT_NO_CALL(seen([&] { sink_int = opaque(posix_memalign)(&sink, bad, 100); }));
    EXPECT_EQ(sink_int, EINVAL);
    EXPECT_EQ(sink, block);
    EXPECT_EQ(errno, 4711);
  }
  sink = block;
  EXPECT_EQ(opaque(posix_memalign)(&sink, 16, SIZE_MAX - 5), ENOMEM);
  EXPECT_EQ(sink, block);
  EXPECT_EQ(errno, 4711);
}

TEST(CSurface, AlignedAlloc) {
  EXPECT_CALL(seen([] { sink = opaque(aligned_alloc)(4096, 100); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_ALIGNED_ALLOC, 4096, 100);
  EXPECT_CALL(seen([] { sink = opaque(aligned_alloc)(1, 100); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_ALIGNED_ALLOC, 1, 100);
  for (size_t bad : {0u, 3u, 48u}) {
    errno = 0;
    EXPECT_NO_CALL(seen([&] { sink = opaque(aligned_alloc)(bad, 100); }));
    EXPECT_EQ(sink, nullptr);
    EXPECT_EQ(errno, EINVAL);
  }
}

TEST(CSurface, MemalignRoundsUpAsGlibcDoes) {
  const std::pair<size_t, size_t> cases[] = {
      {0, 16},    {1, 1},       {3, 16},      {15, 16},  {16, 16},     {17, 32},          {48, 64},
      {100, 128}, {4096, 4096}, {4097, 8192}, {65, 128}, {1000, 1024}, {1 << 20, 1 << 20}};
  for (const auto &[given, used] : cases)
    EXPECT_CALL(seen([g = given] { sink = opaque(memalign)(g, 5); }), TRIAL_ALLOC_ALIGNED,
                HZ_API_MEMALIGN, used, 5);
  errno = 0;
  EXPECT_NO_CALL(seen([] { sink = opaque(memalign)(SIZE_MAX / 2 + 2, 5); }));
  EXPECT_EQ(errno, EINVAL);
  EXPECT_CALL(seen([] { sink = opaque(memalign)(SIZE_MAX / 2, 5); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_MEMALIGN, SIZE_MAX / 2 + 1, 5);
  EXPECT_EQ(sink, nullptr);
}

TEST(CSurface, WholePages) {
  EXPECT_CALL(seen([] { sink = opaque(valloc)(5); }), TRIAL_ALLOC_ALIGNED, HZ_API_VALLOC, kPage, 5);
  EXPECT_CALL(seen([] { sink = opaque(pvalloc)(5); }), TRIAL_ALLOC_ALIGNED, HZ_API_PVALLOC, kPage,
              kPage);
  EXPECT_CALL(seen([] { sink = opaque(pvalloc)(kPage); }), TRIAL_ALLOC_ALIGNED, HZ_API_PVALLOC,
              kPage, kPage);
  EXPECT_CALL(seen([] { sink = opaque(pvalloc)(kPage + 1); }), TRIAL_ALLOC_ALIGNED, HZ_API_PVALLOC,
              kPage, 2 * kPage);
  EXPECT_CALL(seen([] { sink = opaque(pvalloc)(0); }), TRIAL_ALLOC_ALIGNED, HZ_API_PVALLOC, kPage,
              kPage);
}

TEST(CSurface, Questions) {
  sink = opaque(malloc)(77);
  EXPECT_EQ(opaque(malloc_usable_size)(sink), 77u);
  EXPECT_NO_CALL(seen([] { sink_int = static_cast<int>(opaque(malloc_usable_size)(nullptr)); }));
  EXPECT_EQ(sink_int, 0);
  EXPECT_CALL(seen([] { sink_int = opaque(malloc_trim)(4096); }), TRIAL_TRIM, HZ_API_MALLOC_TRIM, 0,
              4096);
  EXPECT_EQ(sink_int, 0);
  trial_trims = true;
  EXPECT_EQ(opaque(malloc_trim)(0), 1);
  trial_trims = false;
}

TEST(CSurface, Mallopt) {
  for (int hint : {M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_TEST,
                   M_ARENA_MAX, M_MXFAST})
    EXPECT_EQ(opaque(mallopt)(hint, 1), 1) << hint;
  EXPECT_EQ(opaque(mallopt)(M_MXFAST, -1), 0);
  EXPECT_EQ(opaque(mallopt)(M_PERTURB, 0), 1);
  EXPECT_EQ(opaque(mallopt)(M_PERTURB, 0xaa), 0);
  EXPECT_EQ(opaque(mallopt)(M_CHECK_ACTION, 3), 1);
  EXPECT_EQ(opaque(mallopt)(M_CHECK_ACTION, 0), 0);
  EXPECT_EQ(opaque(mallopt)(12345, 1), 0);
}

TEST(CSurface, InnerNamesAreTheSameFunctions) {
  EXPECT_EQ(opaque(__libc_malloc), opaque(malloc));
  EXPECT_EQ(opaque(__libc_free), opaque(free));
  EXPECT_EQ(opaque(__libc_calloc), opaque(calloc));
  EXPECT_EQ(opaque(__libc_realloc), opaque(realloc));
  EXPECT_EQ(opaque(__libc_memalign), opaque(memalign));
  EXPECT_EQ(opaque(__libc_valloc), opaque(valloc));
  EXPECT_EQ(opaque(__libc_pvalloc), opaque(pvalloc));
  EXPECT_EQ(opaque(__posix_memalign), opaque(posix_memalign));
}

TEST(CSurface, MallinfoIsWhatTheFiguresSay) {
  trial_answer = {};
  trial_answer.live_bytes = 5000;
  trial_answer.live_large_bytes = 3000;
  trial_answer.live_large_blocks = 2;
  trial_answer.cached_thread_bytes = 100;
  trial_answer.cached_shared_bytes = 50;
  trial_answer.cached_blocks = 7;
  trial_answer.arena.used_bytes = 10000;
  trial_answer.arena.free_dirty_bytes = 600;
  trial_answer.classes = 2;
  trial_answer.cls[1].blocks_free = 11;
  struct mallinfo2 info = opaque(mallinfo2)();
  EXPECT_EQ(info.uordblks, 2000u);
  EXPECT_EQ(info.hblks, 2u);
  EXPECT_EQ(info.hblkhd, 3000u);
  EXPECT_EQ(info.arena, 7600u);
  EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
  EXPECT_EQ(info.fsmblks, 150u);
  EXPECT_EQ(info.smblks, 7u);
  EXPECT_EQ(info.ordblks, 11u);
  EXPECT_EQ(info.keepcost, 600u);
  EXPECT_EQ(info.usmblks, 0u);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  struct mallinfo old = opaque(mallinfo)();
  EXPECT_EQ(old.uordblks, 2000);
  EXPECT_EQ(old.arena, 7600);
  trial_answer.live_bytes = static_cast<size_t>(1) << 40;
  EXPECT_EQ(opaque(mallinfo)().uordblks, INT_MAX);
#pragma GCC diagnostic pop
  trial_answer = {};
}

TEST(CSurface, MallocInfoRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(opaque(malloc_info)(1, stdout), EINVAL);
  EXPECT_EQ(opaque(malloc_info)(0, nullptr), EINVAL);
}

// ---- C++ ----

constexpr std::align_val_t kAlign{128};

TEST(CxxSurface, New) {
  EXPECT_CALL(seen([] { sink = ::operator new(24); }), TRIAL_ALLOC, HZ_API_NEW, 0, 24);
  EXPECT_CALL(seen([] { sink = ::operator new[](24); }), TRIAL_ALLOC, HZ_API_NEW_ARRAY, 0, 24);
  EXPECT_CALL(seen([] { sink = ::operator new(24, std::nothrow); }), TRIAL_ALLOC, HZ_API_NEW, 0,
              24);
  EXPECT_CALL(seen([] { sink = ::operator new[](24, std::nothrow); }), TRIAL_ALLOC,
              HZ_API_NEW_ARRAY, 0, 24);
  EXPECT_CALL(seen([] { sink = ::operator new(24, kAlign); }), TRIAL_ALLOC_ALIGNED, HZ_API_NEW, 128,
              24);
  EXPECT_CALL(seen([] { sink = ::operator new[](24, kAlign); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_NEW_ARRAY, 128, 24);
  EXPECT_CALL(seen([] { sink = ::operator new(24, kAlign, std::nothrow); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_NEW, 128, 24);
  EXPECT_CALL(seen([] { sink = ::operator new[](24, kAlign, std::nothrow); }), TRIAL_ALLOC_ALIGNED,
              HZ_API_NEW_ARRAY, 128, 24);
  EXPECT_CALL(seen([] { sink = ::operator new(0); }), TRIAL_ALLOC, HZ_API_NEW, 0, 0);
}

TEST(CxxSurface, Delete) {
  void *volatile p = opaque(malloc)(8);
  EXPECT_CALL(seen([&] { ::operator delete(p); }), TRIAL_FREE, HZ_API_DELETE, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete[](p); }), TRIAL_FREE, HZ_API_DELETE_ARRAY, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete(p, std::nothrow); }), TRIAL_FREE, HZ_API_DELETE, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete[](p, std::nothrow); }), TRIAL_FREE, HZ_API_DELETE_ARRAY,
              0, 0);
  EXPECT_CALL(seen([&] { ::operator delete(p, static_cast<size_t>(8)); }), TRIAL_FREE_SIZED,
              HZ_API_DELETE, 0, 8);
  EXPECT_CALL(seen([&] { ::operator delete[](p, static_cast<size_t>(8)); }), TRIAL_FREE_SIZED,
              HZ_API_DELETE_ARRAY, 0, 8);
  EXPECT_CALL(seen([&] { ::operator delete(p, kAlign); }), TRIAL_FREE, HZ_API_DELETE, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete[](p, kAlign); }), TRIAL_FREE, HZ_API_DELETE_ARRAY, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete(p, kAlign, std::nothrow); }), TRIAL_FREE, HZ_API_DELETE,
              0, 0);
  EXPECT_CALL(seen([&] { ::operator delete[](p, kAlign, std::nothrow); }), TRIAL_FREE,
              HZ_API_DELETE_ARRAY, 0, 0);
  EXPECT_CALL(seen([&] { ::operator delete(p, static_cast<size_t>(8), kAlign); }), TRIAL_FREE_SIZED,
              HZ_API_DELETE, 128, 8);
  EXPECT_CALL(seen([&] { ::operator delete[](p, static_cast<size_t>(8), kAlign); }),
              TRIAL_FREE_SIZED, HZ_API_DELETE_ARRAY, 128, 8);
}

unsigned handler_calls;
void count_and_go_on() {
  handler_calls++;
}
void count_and_give_up() {
  if (++handler_calls == 3)
    std::set_new_handler(nullptr);
}
void count_and_throw() {
  handler_calls++;
  throw std::bad_alloc();
}
void throw_something_else() {
  throw std::runtime_error("none left");
}

struct Handler {
  explicit Handler(void (*handler)()) {
    handler_calls = 0;
    std::set_new_handler(handler);
  }
  ~Handler() {
    std::set_new_handler(nullptr);
    trial_recording = false;
    trial_failures = 0;
  }
};

// Lets so many allocations fail from now on; googletest's own come after ~Handler.
void fail_next(unsigned count) {
  trial_failures = count;
  trial_recording = true;
}

TEST(CxxFailure, ThrowsBadAlloc) {
  Handler handler(nullptr);
  for (int form = 0; form < 4; form++) {
    bool thrown = false;
    fail_next(1);
    try {
      if (form == 0)
        sink = ::operator new(10);
      else if (form == 1)
        sink = ::operator new[](10);
      else if (form == 2)
        sink = ::operator new(10, kAlign);
      else
        sink = ::operator new[](10, kAlign);
    } catch (const std::bad_alloc &) {
      thrown = true;
    }
    trial_recording = false;
    EXPECT_TRUE(thrown) << form;
  }
}

TEST(CxxFailure, SizesThatCannotBeThrowToo) {
  size_t huge = SIZE_MAX - 3;
  __asm__("" : "+r"(huge));
  EXPECT_THROW(sink = ::operator new(huge), std::bad_alloc);
  EXPECT_THROW(sink = ::operator new[](huge, kAlign), std::bad_alloc);
  size_t odd = 24;
  __asm__("" : "+r"(odd));
  EXPECT_THROW(sink = ::operator new(8, static_cast<std::align_val_t>(odd)), std::bad_alloc);
  EXPECT_EQ(::operator new(huge, std::nothrow), nullptr);
  EXPECT_EQ(::operator new(8, static_cast<std::align_val_t>(odd), std::nothrow), nullptr);
}

TEST(CxxFailure, NothrowReturnsNull) {
  Handler handler(nullptr);
  fail_next(4);
  void *got[4] = {::operator new(10, std::nothrow), ::operator new[](10, std::nothrow),
                  ::operator new(10, kAlign, std::nothrow),
                  ::operator new[](10, kAlign, std::nothrow)};
  trial_recording = false;
  for (void *p : got)
    EXPECT_EQ(p, nullptr);
}

TEST(CxxFailure, TheHandlerRunsUntilThereIsMemory) {
  Handler handler(count_and_go_on);
  fail_next(5);
  void *p = ::operator new(10);
  trial_recording = false;
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(handler_calls, 5u);
  handler_calls = 0;
  fail_next(2);
  p = ::operator new[](10, kAlign, std::nothrow);
  trial_call last = trial_last;
  trial_recording = false;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 128, 0u);
  EXPECT_EQ(handler_calls, 2u);
  EXPECT_EQ(last.align, 128u); // the alignment outlives the second attempt
}

TEST(CxxFailure, AHandlerThatGivesUpEndsInBadAlloc) {
  Handler handler(count_and_give_up);
  bool thrown = false;
  fail_next(100);
  try {
    sink = ::operator new(10);
  } catch (const std::bad_alloc &) {
    thrown = true;
  }
  trial_recording = false;
  trial_failures = 0;
  EXPECT_TRUE(thrown);
  EXPECT_EQ(handler_calls, 3u);
}

// While failures are set up exceptions must come from elsewhere: libstdc++ has a reserve of its
// own.
TEST(CxxFailure, WhatTheHandlerThrowsPassesThrough) {
  Handler handler(throw_something_else);
  std::string what;
  size_t huge = SIZE_MAX - 3;
  __asm__("" : "+r"(huge));
  try {
    sink = ::operator new(huge);
  } catch (const std::runtime_error &e) {
    what = e.what();
  }
  EXPECT_EQ(what, "none left");
}

TEST(CxxFailure, NothrowMeansIt) {
  Handler handler(count_and_throw);
  size_t huge = SIZE_MAX - 3;
  __asm__("" : "+r"(huge));
  EXPECT_EQ(::operator new(huge, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](huge, std::nothrow), nullptr);
  EXPECT_EQ(::operator new(huge, kAlign, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](huge, kAlign, std::nothrow), nullptr);
  EXPECT_EQ(handler_calls, 4u);
}

} // namespace
