// Every operator new and delete. Owns one block at a time and the new-handler while a test runs.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cstdint>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>
#include <sys/resource.h>

namespace conformance {
namespace {

constexpr size_t kMiB = 1024 * 1024;
const std::nothrow_t kNothrow{};

struct HandlerGuard {
  ~HandlerGuard() { std::set_new_handler(nullptr); }
};

int g_calls = 0;

TEST(OperatorNew, EveryFormGivesABlockThatEveryMatchingDeleteTakes) {
  for (size_t size : interesting_sizes(4 * kMiB)) {
    void *const plain[] = {api::op_new(size), api::op_new(size),
                           api::op_new_nothrow(size, kNothrow)};
    void *const array[] = {api::op_new_array(size), api::op_new_array(size),
                           api::op_new_array_nothrow(size, kNothrow)};
    for (int i = 0; i < 3; ++i) {
      ASSERT_NE(plain[i], nullptr);
      ASSERT_NE(array[i], nullptr);
      ASSERT_TRUE(is_aligned(plain[i], 16));
      ASSERT_TRUE(is_aligned(array[i], 16));
      edges_fill(plain[i], size, 1);
      edges_fill(array[i], size, 2);
    }
    api::op_delete(plain[0]);
    api::op_delete_sized(plain[1], size);
    api::op_delete_nothrow(plain[2], kNothrow);
    api::op_delete_array(array[0]);
    api::op_delete_array_sized(array[1], size);
    api::op_delete_array_nothrow(array[2], kNothrow);
  }
}

TEST(OperatorNew, EveryAlignedForm) {
  for (size_t alignment = 1; alignment <= 64 * kMiB; alignment *= 2) {
    const auto align = static_cast<std::align_val_t>(alignment);
    for (size_t size :
         {size_t{0}, size_t{1}, size_t{100}, alignment, alignment + 1, size_t{70000}}) {
      void *const plain[] = {api::op_new_aligned(size, align), api::op_new_aligned(size, align),
                             api::op_new_aligned_nothrow(size, align, kNothrow)};
      void *const array[] = {api::op_new_array_aligned(size, align),
                             api::op_new_array_aligned(size, align),
                             api::op_new_array_aligned_nothrow(size, align, kNothrow)};
      for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(plain[i] != nullptr && is_aligned(plain[i], alignment))
            << alignment << " " << size;
        ASSERT_TRUE(array[i] != nullptr && is_aligned(array[i], alignment))
            << alignment << " " << size;
      }
      api::op_delete_aligned(plain[0], align);
      api::op_delete_sized_aligned(plain[1], size, align);
      api::op_delete_aligned_nothrow(plain[2], align, kNothrow);
      api::op_delete_array_aligned(array[0], align);
      api::op_delete_array_sized_aligned(array[1], size, align);
      api::op_delete_array_aligned_nothrow(array[2], align, kNothrow);
    }
  }
}

TEST(OperatorNew, ZeroGivesBlocksOfTheirOwn) {
  void *const a = api::op_new(0);
  void *const b = api::op_new_array(0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(b, nullptr);
  EXPECT_NE(a, b);
  api::op_delete(a);
  api::op_delete_array(b);
}

TEST(OperatorNew, DeleteOfNullIsNothing) {
  const auto align = static_cast<std::align_val_t>(64);
  api::op_delete(nullptr);
  api::op_delete_array(nullptr);
  api::op_delete_sized(nullptr, 8);
  api::op_delete_array_sized(nullptr, 8);
  api::op_delete_nothrow(nullptr, kNothrow);
  api::op_delete_array_nothrow(nullptr, kNothrow);
  api::op_delete_aligned(nullptr, align);
  api::op_delete_array_aligned(nullptr, align);
  api::op_delete_sized_aligned(nullptr, 8, align);
  api::op_delete_array_sized_aligned(nullptr, 8, align);
  api::op_delete_aligned_nothrow(nullptr, align, kNothrow);
  api::op_delete_array_aligned_nothrow(nullptr, align, kNothrow);
}

TEST(OperatorNew, ImpossibleSizesThrowOrReturnNull) {
  const auto align = static_cast<std::align_val_t>(4096);
  for (size_t size : {static_cast<size_t>(PTRDIFF_MAX), static_cast<size_t>(PTRDIFF_MAX) + 1,
                      SIZE_MAX - 4096, SIZE_MAX - 1, SIZE_MAX}) {
    EXPECT_THROW(api::op_new(size), std::bad_alloc) << size;
    EXPECT_THROW(api::op_new_array(size), std::bad_alloc) << size;
    EXPECT_EQ(api::op_new_nothrow(size, kNothrow), nullptr) << size;
    EXPECT_EQ(api::op_new_array_nothrow(size, kNothrow), nullptr) << size;
    if (!subject_is_ours() && size > SIZE_MAX - 4096)
      continue; // the compiler's own library rounds such a size up to 0 for the aligned forms
    EXPECT_THROW(api::op_new_aligned(size, align), std::bad_alloc) << size;
    EXPECT_THROW(api::op_new_array_aligned(size, align), std::bad_alloc) << size;
    EXPECT_EQ(api::op_new_aligned_nothrow(size, align, kNothrow), nullptr) << size;
    EXPECT_EQ(api::op_new_array_aligned_nothrow(size, align, kNothrow), nullptr) << size;
  }
}

TEST(OperatorNew, AsksTheNewHandlerUntilItGivesUp) {
  HandlerGuard guard;
  g_calls = 0;
  std::set_new_handler([] {
    if (++g_calls == 5)
      std::set_new_handler(nullptr);
  });
  EXPECT_THROW(api::op_new(SIZE_MAX / 2), std::bad_alloc);
  EXPECT_EQ(g_calls, 5);

  g_calls = 0;
  std::set_new_handler([] {
    if (++g_calls == 3)
      std::set_new_handler(nullptr);
  });
  EXPECT_THROW(api::op_new_aligned(SIZE_MAX / 2, static_cast<std::align_val_t>(64)),
               std::bad_alloc);
  EXPECT_EQ(g_calls, 3);
}

TEST(OperatorNew, AHandlerThatThrowsIsHeard) {
  HandlerGuard guard;
  struct Mine : std::bad_alloc {};
  std::set_new_handler([] {
    ++g_calls;
    throw Mine();
  });
  g_calls = 0;
  EXPECT_THROW(api::op_new(SIZE_MAX / 2), Mine);
  EXPECT_THROW(api::op_new_array(SIZE_MAX / 2), Mine);
  EXPECT_EQ(g_calls, 2);
  EXPECT_EQ(api::op_new_nothrow(SIZE_MAX / 2, kNothrow), nullptr);
  EXPECT_EQ(api::op_new_array_nothrow(SIZE_MAX / 2, kNothrow), nullptr);
  EXPECT_EQ(g_calls, 4);
}

TEST(OperatorNew, AHandlerThatFindsMemoryLetsTheSameCallSucceed) {
  const ChildEnd end = run_child([](const Notes &) {
    static rlimit unlimited;
    getrlimit(RLIMIT_AS, &unlimited);
    const rlimit tight = {mapped_bytes() + 16 * kMiB, unlimited.rlim_max};
    setrlimit(RLIMIT_AS, &tight);
    std::set_new_handler([] {
      setrlimit(RLIMIT_AS, &unlimited);
      std::set_new_handler(nullptr);
    });
    void *const block =
        api::op_new(512 * kMiB); // from an earlier reservation, or after the handler
    edges_fill(block, kMiB, 1);
    api::op_delete(block);
  });
  EXPECT_TRUE(end.clean()) << end.describe();
}

} // namespace
} // namespace conformance
