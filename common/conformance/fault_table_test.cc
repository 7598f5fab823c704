// The judge itself: which ends of a child it accepts, and that it refuses every other.
#include "common/conformance/fault_table.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace conformance {
namespace {

const Expectation kAtOnce = {"free of the stack", 64, "foreign pointer", "free", kInvalidFree};
const Expectation kLater = {"double free", 64, "double free", "free", kDoubleFree};
const Expectation kNothingOwed = {"overflow", 64, "overflow", "free", kHardenedOnly, true};

constexpr char kGood[] = "hzself: foreign pointer: 0x10 passed to free, thread 12\n";
constexpr char kGoodDetail[] =
    "hzself: foreign pointer: 0x10 passed to free (in [stack]), thread 12\n";
constexpr char kDouble[] =
    "hzself: double free: 0x10 passed to thread exit (48-byte block), thread 12\n";
constexpr char kAccount[] = "about 0x10\nthread 12\n";
constexpr char kCommitted[] = "about 0x10\nthread 12\ncommitted\n";

ChildEnd died(int signal_number, const std::string &text) {
  ChildEnd end;
  end.signal = signal_number;
  end.err = text;
  return end;
}

ChildEnd lived() {
  ChildEnd end;
  end.exited = true;
  end.code = 0;
  return end;
}

TEST(FaultTable, AcceptsWhatIsOwed) {
  judge(kAtOnce, died(SIGABRT, kGood), kAccount);
  judge(kAtOnce, died(SIGABRT, kGoodDetail), kAccount);
  judge(kLater, died(SIGABRT, kDouble), kCommitted);
  judge(kNothingOwed, lived(), kCommitted);
}

TEST(FaultTable, AcceptsHarmlessMisuse) {
  judge(kAtOnce, lived(), "prevented\ncommitted\n");
  judge(kAtOnce, lived(), "inapplicable\n");
  judge(kNothingOwed, died(SIGSEGV, ""), kAccount); // the access itself was stopped
}

#define REFUSES(expected, end, account, word)                                                      \
  EXPECT_NONFATAL_FAILURE(judge(expected, end, account), word)

TEST(FaultTable, RefusesSilence) {
  REFUSES(kAtOnce, lived(), kCommitted, "named not");
}

TEST(FaultTable, RefusesALateWordWhereItIsOwedAtOnce) {
  const std::string late = "hzself: foreign pointer: 0x10 passed to free, thread 12\n";
  REFUSES(kAtOnce, died(SIGABRT, late), kCommitted, "by the next batch");
}

TEST(FaultTable, RefusesOtherWords) {
  const char *const wrong[] = {
      "",
      "hzself: foreign pointer: 0x10 passed to free, thread 12",             // no end of line
      "hzself: foreign pointer: 0x10 passed to free\n",                      // no thread
      "hzself: foreign pointer: 0x20 passed to free, thread 12\n",           // another address
      "hzself: foreign pointer: 0x10 passed to realloc, thread 12\n",        // another function
      "hzself: invalid free: 0x10 passed to free, thread 12\n",              // another fault
      "other: foreign pointer: 0x10 passed to free, thread 12\n",            // another allocator
      "hzself: foreign pointer: 0x10 passed to free, thread 13\n",           // another thread
      "hzself: foreign pointer: 0x10 passed to free, thread 12\nand more\n", // two lines
      "warning\nhzself: foreign pointer: 0x10 passed to free, thread 12\n",  // something before it
  };
  for (const char *text : wrong)
    REFUSES(kAtOnce, died(SIGABRT, text), kAccount, "said");
}

TEST(FaultTable, RefusesCrashesHangsAndExits) {
  REFUSES(kAtOnce, died(SIGSEGV, ""), kAccount, "ended by");
  REFUSES(kAtOnce, died(SIGILL, kGood), kAccount, "ended by");
  REFUSES(kAtOnce, died(SIGALRM, ""), kAccount, "hung");
  REFUSES(kNothingOwed, died(SIGSEGV, ""), kCommitted,
          "ended by"); // not at the access, but some time later
  ChildEnd one = lived();
  one.code = 1;
  REFUSES(kAtOnce, one, kAccount, "ended by");
}

TEST(Page, HasACellForEachFaultAndVariant) {
  const std::string page = "# Faults\n\n## hz8\n\n| misuse | fast |\n|---|---|\n| x | never |\n"
                           "## hz9\n\n| misuse | fast | hardened |\n|---|---|---|\n"
                           "| x | not | at once / not |\n";
  EXPECT_EQ(words_on_page(page, "hz9", "hardened", "x"), "at once / not");
  EXPECT_EQ(words_on_page(page, "hz9", "fast", "x"), "not");
  EXPECT_EQ(words_on_page(page, "hz8", "fast", "x"), "never");
  EXPECT_EQ(words_on_page(page, "hz8", "hardened", "x"), "");
  EXPECT_EQ(words_on_page(page, "hz9", "fast", "y"), "");
}

TEST(Page, WordsOfAllSizes) {
  judge({"once", 8, "overflow", "free", kHardenedOnly, true}, lived(), kCommitted);
  judge({"once", 64, "overflow", "free", kHardenedOnly, true}, lived(), kCommitted);
  EXPECT_EQ(measured_words("once"), "not");
  judge({"once", 4096, "overflow", "free", kHardenedOnly, true}, lived(), "prevented\n");
  EXPECT_EQ(measured_words("once"), "not / not / prevented");
}

} // namespace
} // namespace conformance
