// One small program per fault (misuse/), each run for three size classes under the subject's shared
// object. This file owns what each variant owes for each of them; fault_table judges and prints the
// table that docs show.
#include "common/conformance/fault_table.h"

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <regex>
#include <signal.h>

namespace conformance {
namespace {

constexpr unsigned kHangSeconds = 120;

struct Misuse {
  const char *program;
  const char *fault;
  const char *function;
  Owes owes;
  bool stop_is_enough; // a SIGSEGV at the access itself is as good
};

constexpr char kForeign[] = "foreign pointer";
constexpr char kDouble[] = "double free";
constexpr char kInvalid[] = "invalid free";
constexpr char kMismatch[] = "size mismatch";
constexpr char kFamily[] = "[a-z ]*mismatch[a-z ]*|invalid free";
constexpr char kOverflow[] = "overflow|corrupt metadata";
constexpr char kWritten[] = "write after free";
constexpr char kAny[] = "[a-z ]+";

const Misuse kMisuses[] = {
    {"double_free", kDouble, "free", kDoubleFree, false},
    {"double_free_interleaved", kDouble, "free", kDoubleFree, false},
    {"double_free_delayed", kDouble, "free", kDoubleFree, false},
    {"double_free_after_reuse", kDouble, "free", kDoubleFree, false},
    {"double_free_two_threads", kDouble, "free", kDoubleFree, false},
    {"double_free_remote", kDouble, "free", kDoubleFree, false},
    {"double_free_aligned", kDouble, "free", kDoubleFree, false},
    {"double_free_after_realloc", kDouble, "free", kDoubleFree, false},
    {"double_delete", kDouble, "operator delete", kDoubleFree, false},
    {"realloc_freed", "double free|invalid free", "realloc", kDoubleFree, false},
    {"usable_size_freed", "double free|invalid free", "malloc_usable_size", kHardenedOnly, false},

    {"free_interior_by_1", kInvalid, "free", kInvalidFree, false},
    {"free_interior_by_8", kInvalid, "free", kInvalidFree, false},
    {"free_interior_by_16", kInvalid, "free", kInvalidFree, false},
    {"free_interior_last_byte", kInvalid, "free", kInvalidFree, false},
    {"free_interior_middle", kInvalid, "free", kInvalidFree, false},
    {"free_interior_page", kInvalid, "free", kInvalidFree, false},
    {"realloc_interior", kInvalid, "realloc", kInvalidFree, false},
    {"usable_size_interior", kInvalid, "malloc_usable_size", kInvalidFree, false},
    {"free_before_block", "invalid free|foreign pointer|double free", "free", kInvalidFree, false},
    {"free_never_allocated", "invalid free|foreign pointer|double free", "free", kInvalidFree,
     false},
    {"free_never_handed_out", "invalid free|foreign pointer|double free", "free", kDoubleFree,
     false},

    {"free_stack", kForeign, "free", kInvalidFree, false},
    {"realloc_stack", kForeign, "realloc", kInvalidFree, false},
    {"usable_size_stack", kForeign, "malloc_usable_size", kInvalidFree, false},
    {"free_static", kForeign, "free", kInvalidFree, false},
    {"realloc_static", kForeign, "realloc", kInvalidFree, false},
    {"free_mapping", kForeign, "free", kInvalidFree, false},
    {"realloc_mapping", kForeign, "realloc", kInvalidFree, false},
    {"usable_size_mapping", kForeign, "malloc_usable_size", kInvalidFree, false},
    {"free_mapping_inside", kForeign, "free", kInvalidFree, false},
    {"free_small_integer", kForeign, "free", kInvalidFree, false},
    {"realloc_small_integer", kForeign, "realloc", kInvalidFree, false},
    {"usable_size_small_integer", kForeign, "malloc_usable_size", kInvalidFree, false},
    {"free_garbage", kForeign, "free", kInvalidFree, false},
    {"free_kernel_address", kForeign, "free", kInvalidFree, false},
    {"free_code", kForeign, "free", kInvalidFree, false},
    {"free_environment", kForeign, "free", kInvalidFree, false},
    {"free_program_break", kForeign, "free", kInvalidFree, false},
    {"free_unmapped", kForeign, "free", kInvalidFree, false},
    {"free_thread_local", kForeign, "free", kInvalidFree, false},
    {"free_thread_stack", kForeign, "free", kInvalidFree, false},
    {"free_allocator_itself", kForeign, "free", kInvalidFree, false},

    {"free_sized_too_small", kMismatch, "free_sized", kHardenedOnly, false},
    {"free_sized_too_large", kMismatch, "free_sized", kHardenedOnly, false},
    {"free_aligned_sized_wrong_size", kMismatch, "free_aligned_sized", kHardenedOnly, false},
    {"delete_sized_wrong", kMismatch, "operator delete", kHardenedOnly, false},
    {"new_then_free", kFamily, "free", kHardenedOnly, false},
    {"malloc_then_delete", kFamily, "operator delete", kHardenedOnly, false},
    {"new_array_then_delete", kFamily, "operator delete", kHardenedOnly, false},
    {"new_then_delete_array", kFamily, "operator delete\\[\\]", kHardenedOnly, false},
    {"new_array_then_free", kFamily, "free", kHardenedOnly, false},

    {"overflow_by_1", kOverflow, "free", kHardenedOnly, true},
    {"overflow_by_1_zero", kOverflow, "free", kHardenedOnly, true},
    {"overflow_by_8", kOverflow, "free", kHardenedOnly, true},
    {"overflow_by_32", kOverflow, "free", kHardenedOnly, true},
    {"overflow_of_request_by_1", kOverflow, "free", kHardenedOnly, true},
    {"underflow_by_1", kOverflow, "free", kHardenedOnly, true},
    {"underflow_by_32", kOverflow, "free", kHardenedOnly, true},
    {"write_after_free", kWritten, kAny, kHardenedOnly, true},
    {"write_after_free_middle", kWritten, kAny, kHardenedOnly, true},
    {"write_after_free_end", kWritten, kAny, kHardenedOnly, true},
    {"read_after_free", kAny, kAny, kHardenedOnly, true},
    {"read_uninitialised", kAny, kAny, kHardenedOnly, true},
    {"reuse_at_once", kAny, kAny, kHardenedOnly, false},
    {"malloc_zero_read", kAny, kAny, kHardenedOnly, true},
    {"malloc_zero_write", "overflow", "free", kHardenedOnly, true},
};

constexpr size_t kSizes[] = {8, 4096, 256 * 1024};

std::vector<std::string> preload() {
  if (subject().so.empty())
    return {};
  return {"LD_PRELOAD=" + subject().so};
}

class MisuseTest : public testing::TestWithParam<Misuse> {};

TEST_P(MisuseTest, IsNamedWhenItIsOwed) {
  const Misuse &misuse = GetParam();
  for (size_t size : kSizes) {
    const ChildEnd end = run_command(
        {{helper_file(misuse.program), std::to_string(size)}, preload(), "", ""}, kHangSeconds);
    judge({misuse.program, size, misuse.fault, misuse.function, misuse.owes, misuse.stop_is_enough},
          end, end.out);
  }
  // The other variants' words may depend on what lies where; hardened's must not.
  if (subject().page.empty())
    return;
  std::ifstream file(subject().page);
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string on_page =
      words_on_page(page, subject().generation, variant_name(subject().variant), misuse.program);
  EXPECT_FALSE(on_page.empty()) << "docs/faults.md does not have it";
  if (subject().variant == Variant::kHardened) {
    EXPECT_EQ(measured_words(misuse.program), on_page)
        << "docs/faults.md is stale; CONTRIBUTING.md says how it is made";
  }
}

INSTANTIATE_TEST_SUITE_P(Misuse, MisuseTest, testing::ValuesIn(kMisuses),
                         [](const testing::TestParamInfo<Misuse> &one) {
                           return std::string(one.param.program);
                         });

// Every program that was built is in the table above, and the other way round.
TEST(MisuseTable, HoldsEveryProgram) {
  EXPECT_EQ(subject().files.size(), std::size(kMisuses));
  for (const Misuse &misuse : kMisuses)
    EXPECT_FALSE(helper_file(misuse.program).empty());
}

TEST(OnFault, BacktraceFollowsTheLine) {
  if (!subject_is_ours() || subject().variant == Variant::kFast)
    GTEST_SKIP() << "SKIPPED: " << subject().generation << " owes no message here";
  std::vector<std::string> env = preload();
  env.push_back(option_variable("ON_FAULT") + "=backtrace");
  const ChildEnd end = run_command({{helper_file("free_static"), "8"}, env, "", ""}, kHangSeconds);
  EXPECT_EQ(end.signal, SIGABRT) << end.describe();
  const std::regex pattern(
      subject().generation +
      ": foreign pointer: 0x[0-9a-f]+ passed to free( \\(.*\\))?, thread [0-9]+\n"
      "([^\n]*0x[0-9a-f]+[^\n]*\n)+");
  EXPECT_TRUE(std::regex_match(end.err, pattern)) << end.err;
  EXPECT_NE(end.err.find("free_static"), std::string::npos)
      << "no frame of the program: " << end.err;
}

TEST(FamilyCheck, OffAcceptsWhatAnotherFamilyMade) {
  if (subject().variant != Variant::kHardened)
    GTEST_SKIP() << "no other variant looks";
  std::vector<std::string> env = preload();
  env.push_back(option_variable("FAMILY_CHECK") + "=off");
  for (const char *program : {"malloc_then_delete", "new_then_free", "new_array_then_free",
                              "new_then_delete_array", "new_array_then_delete"}) {
    for (size_t size : kSizes) {
      const ChildEnd end =
          run_command({{helper_file(program), std::to_string(size)}, env, "", ""}, kHangSeconds);
      EXPECT_TRUE(end.clean()) << program << " " << size << ": " << end.describe();
    }
  }
  const ChildEnd freed_twice = run_command({{helper_file("double_delete"), "8"}, env, "", ""});
  EXPECT_EQ(freed_twice.signal, SIGABRT) << freed_twice.describe();
}

} // namespace
} // namespace conformance
