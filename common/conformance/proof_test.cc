// The proof of the suite: under an allocator with one known fault (broken_allocator) the test that
// watches for it must fail, and without a fault it must pass. Helper files: the suite's program,
// the random test's program, the broken library, the loader's plugin.
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <gtest/gtest.h>
#include <set>

namespace conformance {
namespace {

struct Proof {
  const char *fault;
  const char *test; // a filter that names one test
  const char *program = "suite_program";
};

const Proof kProofs[] = {
    {"zero_is_null", "Malloc.ZeroGivesBlocksOfTheirOwn"},
    {"malloc_sets_errno", "Malloc.EverySizeIsAlignedUsableAndKeepsErrno"},
    {"free_sets_errno", "Malloc.EverySizeIsAlignedUsableAndKeepsErrno"},
    {"aligned_to_8", "Malloc.EverySizeIsAlignedUsableAndKeepsErrno"},
    {"too_small", "Malloc.EverySizeIsAlignedUsableAndKeepsErrno"},
    {"given_twice", "Malloc.LiveBlocksOfEverySizeNeverShareAByte"},
    {"huge_granted", "Malloc.ImpossibleSizesEndInEnomem"},
    {"no_enomem", "Malloc.ImpossibleSizesEndInEnomem"},
    {"huge_granted", "Malloc.ManyImpossibleSizesLeakNothing"},
    {"free_null_sets_errno", "Free.NullIsNothing"},
    {"free_does_nothing", "Free.GivesMemoryBackForUseAgain"},
    {"calloc_dirty", "Calloc.EverySizeIsZeroAlsoOnReuse"},
    {"calloc_wraps", "Calloc.OverflowingCountsEndInEnomem"},
    {"alignment_capped", "PosixMemalign.EveryPowerOfTwo"},
    {"alignment_capped", "AlignedAlloc.EveryPowerOfTwo"},
    {"alignment_capped", "Memalign.EveryPowerOfTwo"},
    {"any_alignment_goes", "PosixMemalign.RefusesOtherAlignmentsAndTouchesNothing"},
    {"touches_out", "PosixMemalign.RefusesOtherAlignmentsAndTouchesNothing"},
    {"alignment_wraps", "PosixMemalign.ImpossibleSizesReturnEnomemAndTouchNothing"},
    {"alignment_wraps", "AlignedAlloc.ImpossibleSizesEndInEnomem"},
    {"realloc_loses_a_byte", "AlignedAlloc.BlocksGoThroughReallocAndFree"},
    {"valloc_is_malloc", "Valloc.IsPageAligned"},
    {"pvalloc_is_valloc", "Pvalloc.IsPageAlignedAndWholePages"},
    {"free_sized_is_strict", "FreeSized.TakesTheSizeAskedFor"},
    {"free_aligned_sized_aborts", "FreeAlignedSized.TakesAlignmentAndSizeAskedFor"},
    {"trim_answers_7", "MallocTrim.ReturnsZeroOrOneAndHarmsNothing"},
    {"free_does_nothing", "Mallinfo2.CountsWhatIsLive"},
    {"info_unbalanced", "MallocInfo.WritesOneDocument"},
    {"info_takes_options", "MallocInfo.RefusesOptions"},
    {"stats_to_stdout", "MallocStats.WritesToStandardError"},
    {"mallopt_answers_9", "Mallopt.AnswersZeroOrOne"},
    {"realloc_leaks_zero", "Realloc.ToZeroFreesOrGivesABlockAndLeaksNothing"},
    {"realloc_loses_a_byte", "Realloc.EverySizeGrowsByOneStepAfterAnother"},
    {"realloc_sets_errno", "Realloc.EverySizeGrowsByOneStepAfterAnother"},
    {"realloc_loses_a_byte", "Realloc.EveryPairOfFarSizes"},
    {"given_twice", "Realloc.NeighboursStayIntact"},
    {"realloc_loses_pages", "Realloc.HugeBlocksMoveWithAllTheirPages"},
    {"realloc_frees_on_failure", "Realloc.ImpossibleSizesLeaveTheBlockAlone"},
    {"reallocarray_wraps", "Reallocarray.MultipliesAndKeepsContent"},
    {"too_small", "UsableSize.MayBeAskedAsRealloc"},
    {"new_returns_null", "OperatorNew.ImpossibleSizesThrowOrReturnNull"},
    {"new_never_asks", "OperatorNew.AsksTheNewHandlerUntilItGivesUp"},
    {"new_never_asks", "OperatorNew.AHandlerThatThrowsIsHeard"},
    {"delete_null_aborts", "OperatorNew.DeleteOfNullIsNothing"},
    {"given_twice", "Threads.AThousandAliveAtOnce"},
    {"thread_leak", "Threads.TwentyThousandInSequenceWithoutGrowth"},
    {"free_keeps_other_threads_blocks", "RemoteFree.OneThreadAllocatesAnotherFreesSmall"},
    {"free_keeps_other_threads_blocks", "RemoteFree.OneThreadAllocatesAnotherFreesMid"},
    {"free_keeps_other_threads_blocks", "RemoteFree.AThreadThatOnlyFreesDoesNotHoard"},
    {"free_does_nothing", "Threads.MemoryOfFinishedThreadsIsUsedAgain"},
    {"free_does_nothing", "Threads.EachLeavesBlocksThatAnotherFrees"},
    {"free_does_nothing", "Limits.AddressesFrom64MiBTo4GiB"},
    {"no_enomem", "Limits.AddressesFrom64MiBTo4GiB"},
    {"thread_leak", "ThreadEnd.KeyDestructorsAllocateInEveryRound"},
    {"thread_leak", "ThreadEnd.CancelledAndDetachedThreadsLeaveNothingBehind"},
    {"free_does_nothing", "Loader.UsersComeAndGoAThousandTimes"},
    {"given_twice", "Signals.ATimerInterruptsAllocationsEverywhere"},
    {"realloc_loses_a_byte", "Random.InTurnAgainstTheModel", "random_program"},
    {"calloc_dirty", "Random.InTurnAgainstTheModel", "random_program"},
    {"alignment_capped", "Random.InTurnAgainstTheModel", "random_program"},
    {"free_sets_errno", "Random.ManyShortSequences", "random_program"},
    {"given_twice", "Random.AllThreadsAtOnce", "random_program"},
};

ChildEnd run_under(const Proof &proof, const char *fault) {
  return run_command(
      {{helper_file(proof.program), "--generation=broken", "--brief",
        "--preload=" + helper_file("libbroken_allocator.so"), helper_file("libloader_plugin.so"),
        helper_file("limits_program"), std::string("--gtest_filter=") + proof.test},
       {std::string("BROKEN=") + fault, "HZ_CONFORMANCE_RUNS=3", "HZ_CONFORMANCE_SHRINK=10"},
       "",
       ""});
}

class ProofTest : public testing::TestWithParam<Proof> {};

TEST_P(ProofTest, FailsUnderTheFaultOnly) {
  const Proof &proof = GetParam();
  static std::set<std::string> seen_passing;
  if (seen_passing.insert(proof.test).second) {
    const ChildEnd good = run_under(proof, "");
    EXPECT_TRUE(good.clean()) << good.describe();
    EXPECT_NE(good.out.find("1 test"), std::string::npos) << proof.test << " names no test";
  }
  const ChildEnd bad = run_under(proof, proof.fault);
  EXPECT_FALSE(bad.clean()) << proof.test << " did not notice " << proof.fault;
  const bool said = bad.out.find("[  FAILED  ]") != std::string::npos || !bad.exited;
  EXPECT_TRUE(said) << bad.describe();
}

INSTANTIATE_TEST_SUITE_P(Proof, ProofTest, testing::ValuesIn(kProofs),
                         [](const testing::TestParamInfo<Proof> &one) {
                           std::string name = std::string(one.param.fault) + "_" + one.param.test;
                           for (char &c : name)
                             c = c == '.' ? '_' : c;
                           return name;
                         });

} // namespace
} // namespace conformance
