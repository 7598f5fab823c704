#include "common/os/os.h"

#include <cerrno>
#include <cstring>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace {

size_t page() {
  return hz_os_page_bytes();
}

// Whether the kernel can read (write) a byte there, asked without risking a signal; keeps errno.
bool readable(const void *at) {
  int ends[2], saved = errno;
  if (pipe(ends) != 0)
    return false;
  bool ok = write(ends[1], at, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  errno = saved;
  return ok;
}

bool writable(void *at) {
  int ends[2];
  if (pipe(ends) != 0)
    return false;
  char zero = 0;
  bool ok = write(ends[1], &zero, 1) == 1 && read(ends[0], at, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return ok;
}

bool all_zero(const void *at, size_t bytes) {
  const unsigned char *c = static_cast<const unsigned char *>(at);
  for (size_t i = 0; i < bytes; i++)
    if (c[i] != 0)
      return false;
  return true;
}

uint64_t calls_of(enum hz_os_call kind) {
  struct hz_os_stats stats;
  hz_os_stats_read(&stats);
  return stats.calls[kind];
}

uint64_t failures_of(enum hz_os_call kind) {
  struct hz_os_stats stats;
  hz_os_stats_read(&stats);
  return stats.failures[kind];
}

TEST(Os, PageSizesAreTheKernels) {
  EXPECT_EQ(page(), static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  size_t huge = hz_os_huge_page_bytes();
  EXPECT_TRUE(huge == 0 || (huge > page() && (huge & (huge - 1)) == 0));
  EXPECT_EQ(hz_os_huge_page_bytes(), huge);
}

TEST(Os, ReservationsHaveAddressesAndNothingElse) {
  for (size_t align = page(); align <= HZ_GIB; align *= 4) {
    size_t bytes = 16 * page();
    char *at = static_cast<char *>(hz_os_reserve(bytes, align));
    ASSERT_NE(at, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % align, 0u);
    EXPECT_FALSE(readable(at));
    EXPECT_FALSE(readable(at + bytes - 1));
    EXPECT_TRUE(hz_os_release(at, bytes));
  }
}

TEST(Os, NothingIsLeftOfAnAlignedReservation) {
  // Slack is given back: 2,000 of them would not fit into 47 bits otherwise.
  for (int i = 0; i < 2000; i++) {
    void *at = hz_os_reserve(page(), 128 * HZ_GIB);
    ASSERT_NE(at, nullptr) << i;
    ASSERT_TRUE(hz_os_release(at, page()));
  }
}

TEST(Os, ImpossibleSizesAreRefused) {
  errno = 4711;
  EXPECT_EQ(hz_os_reserve(0, page()), nullptr);
  EXPECT_EQ(hz_os_reserve(SIZE_MAX - page() + 1, page()), nullptr);
  EXPECT_EQ(hz_os_reserve(SIZE_MAX / 2, HZ_GIB), nullptr);
  EXPECT_EQ(hz_os_reserve(page(), static_cast<size_t>(1) << 63), nullptr);
  EXPECT_EQ(hz_os_map(SIZE_MAX - page() + 1, page()), nullptr);
  EXPECT_EQ(hz_os_map(static_cast<size_t>(1) << 62, page()), nullptr);
  EXPECT_EQ(errno, 4711);
}

TEST(Os, CommitAndDecommit) {
  size_t bytes = 8 * page();
  char *at = static_cast<char *>(hz_os_reserve(bytes, page()));
  ASSERT_NE(at, nullptr);
  ASSERT_TRUE(hz_os_commit(at + page(), 2 * page()));
  EXPECT_FALSE(readable(at));
  EXPECT_FALSE(readable(at + 3 * page()));
  EXPECT_TRUE(all_zero(at + page(), 2 * page()));
  memset(at + page(), 0x5a, 2 * page());
  ASSERT_TRUE(hz_os_decommit(at + page(), page()));
  EXPECT_FALSE(readable(at + page()));
  EXPECT_EQ(at[2 * page()], 0x5a);
  ASSERT_TRUE(hz_os_commit(at + page(), page()));
  EXPECT_TRUE(all_zero(at + page(), page()));
  EXPECT_TRUE(hz_os_release(at, bytes));
}

TEST(Os, MapAtTakesFreeAddressesOnly) {
  size_t bytes = 4 * page();
  char *at = static_cast<char *>(hz_os_reserve(bytes, page()));
  ASSERT_NE(at, nullptr);
  EXPECT_FALSE(hz_os_map_at(at, page()));
  EXPECT_FALSE(readable(at));
  ASSERT_TRUE(hz_os_release(at + page(), page()));
  ASSERT_TRUE(hz_os_map_at(at + page(), page()));
  EXPECT_TRUE(all_zero(at + page(), page()));
  EXPECT_TRUE(writable(at + page()));
  EXPECT_FALSE(hz_os_map_at(at, bytes));
  EXPECT_TRUE(hz_os_release(at, bytes));
}

TEST(Os, PurgedPagesReadAsZeroes) {
  size_t bytes = 4 * page();
  char *at = static_cast<char *>(hz_os_map(bytes, page()));
  ASSERT_NE(at, nullptr);
  memset(at, 0x77, bytes);
  ASSERT_TRUE(hz_os_purge(at + page(), 2 * page()));
  EXPECT_EQ(at[page() - 1], 0x77);
  EXPECT_TRUE(all_zero(at + page(), 2 * page()));
  EXPECT_EQ(at[3 * page()], 0x77);
  if (hz_os_purge_lazily(at, page())) { // kernels from 4.5
    at[0] = 1;
    EXPECT_EQ(at[0], 1);
  }
  EXPECT_TRUE(hz_os_release(at, bytes));
}

TEST(Os, MappingsAreAlignedAndZeroed) {
  for (size_t align = page(); align <= 256 * HZ_MIB; align *= 4) {
    char *at = static_cast<char *>(hz_os_map(3 * page(), align));
    ASSERT_NE(at, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % align, 0u);
    EXPECT_TRUE(all_zero(at, 3 * page()));
    EXPECT_TRUE(hz_os_release(at, 3 * page()));
  }
}

TEST(Os, RemapKeepsTheContent) {
  size_t bytes = 4 * page();
  char *at = static_cast<char *>(hz_os_map(bytes, page()));
  ASSERT_NE(at, nullptr);
  for (size_t i = 0; i < bytes; i++)
    at[i] = static_cast<char>(i * 31);
  char *grown = static_cast<char *>(hz_os_remap(at, bytes, 1024 * page()));
  ASSERT_NE(grown, nullptr);
  for (size_t i = 0; i < bytes; i++)
    ASSERT_EQ(grown[i], static_cast<char>(i * 31));
  EXPECT_TRUE(all_zero(grown + bytes, 1020 * page()));
  char *shrunk = static_cast<char *>(hz_os_remap(grown, 1024 * page(), page()));
  ASSERT_NE(shrunk, nullptr);
  EXPECT_EQ(shrunk[page() - 1], static_cast<char>((page() - 1) * 31));
  EXPECT_EQ(hz_os_remap(shrunk, page(), static_cast<size_t>(1) << 62), nullptr);
  EXPECT_EQ(shrunk[1], 31);
  EXPECT_TRUE(hz_os_release(shrunk, page()));
}

TEST(Os, PagesMoveWithinAReservation) {
  size_t bytes = 64 * page();
  char *at = static_cast<char *>(hz_os_reserve(2 * bytes, page()));
  ASSERT_NE(at, nullptr);
  ASSERT_TRUE(hz_os_commit(at, 2 * bytes));
  for (size_t i = 0; i < bytes; i++)
    at[i] = static_cast<char>(i % 251);
  at[bytes + 1] = 9;
  if (!hz_os_move_pages(at, at + bytes, bytes))
    GTEST_SKIP() << "the kernel has no MREMAP_DONTUNMAP";
  for (size_t i = 0; i < bytes; i++)
    ASSERT_EQ(at[bytes + i], static_cast<char>(i % 251)) << i;
  EXPECT_TRUE(!readable(at) || all_zero(at, bytes));
  ASSERT_TRUE(hz_os_commit(at, bytes));
  EXPECT_TRUE(all_zero(at, bytes));
  // Nobody else may land in the source: it stayed ours.
  EXPECT_FALSE(hz_os_map_at(at, page()));
  EXPECT_TRUE(hz_os_release(at, 2 * bytes));
}

TEST(Os, AMoveOutOfSeveralMappingsMovesNothingOrEverything) {
  size_t bytes = 8 * page();
  char *at = static_cast<char *>(hz_os_reserve(2 * bytes, page()));
  ASSERT_NE(at, nullptr);
  ASSERT_TRUE(hz_os_commit(at, 2 * bytes));
  memset(at, 0x11, bytes);
  memset(at + bytes, 0x22, bytes);
  // A different protection in the middle makes three mappings of the source.
  ASSERT_EQ(mprotect(at + 4 * page(), page(), PROT_READ), 0);
  bool moved = hz_os_move_pages(at, at + bytes, bytes);
  char expected = moved ? 0x11 : 0x22;
  for (size_t i = 0; i < bytes; i++)
    ASSERT_EQ(at[bytes + i], expected) << i;
  for (size_t i = 0; !moved && i < bytes; i++)
    ASSERT_EQ(at[i], 0x11) << i;
  EXPECT_TRUE(hz_os_release(at, 2 * bytes));
}

TEST(Os, AdviceIsQuiet) {
  size_t bytes = 4 * HZ_MIB;
  char *at = static_cast<char *>(hz_os_map(bytes, 2 * HZ_MIB));
  ASSERT_NE(at, nullptr);
  errno = 4711;
  hz_os_huge(at, bytes, true);
  hz_os_huge(at, bytes, false);
  bool resident = hz_os_populate(at, 4 * page());
  if (resident) {
    unsigned char in_core[4];
    ASSERT_EQ(mincore(at, 4 * page(), in_core), 0);
    for (unsigned char c : in_core)
      EXPECT_EQ(c & 1, 1);
  }
  EXPECT_TRUE(hz_os_protect_none(at, page()));
  EXPECT_FALSE(readable(at));
  EXPECT_TRUE(hz_os_release(at, bytes));
  EXPECT_EQ(errno, 4711);
}

TEST(Os, ResidentPagesAreCounted) {
  char *at = static_cast<char *>(hz_os_map(8 * page(), page()));
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(hz_os_resident_pages(at, 8 * page()), 0u);
  at[0] = at[3 * page()] = 1;
  EXPECT_EQ(hz_os_resident_pages(at, 8 * page()), 2u);
  EXPECT_EQ(hz_os_resident_pages(at, 3 * page()), 1u);
  EXPECT_TRUE(hz_os_release(at, 8 * page()));
  errno = 4711;
  EXPECT_EQ(hz_os_resident_pages(at + 1, 8 * page()), 0u);
  EXPECT_EQ(errno, 4711);
}

TEST(Os, FailuresAreReportedAndKeepErrno) {
  errno = 4711;
  char *at = static_cast<char *>(hz_os_reserve(page(), page()));
  ASSERT_TRUE(hz_os_release(at, page()));
  EXPECT_FALSE(hz_os_commit(at, page()));
  EXPECT_FALSE(hz_os_purge(at, page()));
  EXPECT_FALSE(hz_os_populate(at, page()));
  EXPECT_FALSE(hz_os_protect_none(at, page()));
  EXPECT_FALSE(hz_os_release(at + 1, page()));
  EXPECT_FALSE(hz_os_move_pages(at, at + page(), page()));
  EXPECT_EQ(hz_os_remap(at, page(), 2 * page()), nullptr);
  EXPECT_EQ(errno, 4711);
}

TEST(Os, ALimitOnAddressSpaceIsNullNotDeath) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    struct rlimit limit = {256 * HZ_MIB, 256 * HZ_MIB};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
      _exit(2);
    if (hz_os_reserve(HZ_GIB, page()) != nullptr || hz_os_map(HZ_GIB, page()) != nullptr)
      _exit(3);
    void *small = hz_os_map(page(), page());
    if (!small || !hz_os_release(small, page()))
      _exit(4);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Os, EveryCallIsCounted) {
  uint64_t before[HZ_OS_CALL_KINDS], failed = failures_of(HZ_OS_CALL_COMMIT);
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++)
    before[kind] = calls_of(static_cast<enum hz_os_call>(kind));
  size_t bytes = 2 * page();
  char *at = static_cast<char *>(hz_os_reserve(bytes, page()));
  hz_os_commit(at, bytes);
  hz_os_huge(at, bytes, false);
  hz_os_populate(at, page());
  hz_os_purge(at, page());
  hz_os_purge_lazily(at, page());
  hz_os_protect_none(at, page());
  hz_os_decommit(at, page());
  hz_os_release(at, bytes);
  hz_os_commit(at, page());
  void *other = hz_os_map(page(), page());
  other = hz_os_remap(other, page(), 2 * page());
  hz_os_release(other, 2 * page());
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    enum hz_os_call call = static_cast<enum hz_os_call>(kind);
    EXPECT_GT(calls_of(call), before[kind]) << hz_os_call_name(call);
    EXPECT_STRNE(hz_os_call_name(call), "unknown");
  }
  EXPECT_EQ(failures_of(HZ_OS_CALL_COMMIT), failed + 1);
  EXPECT_STREQ(hz_os_call_name(HZ_OS_CALL_KINDS), "unknown");
}

TEST(Os, TimeDoesNotGoBack) {
  uint64_t last = hz_os_now_ms();
  EXPECT_GT(last, 0u);
  for (int i = 0; i < 10000; i++) {
    uint64_t now = hz_os_now_ms();
    ASSERT_GE(now, last);
    last = now;
  }
  usleep(30000);
  EXPECT_GE(hz_os_now_ms(), last + 20);
}

TEST(Os, CpusAreThoseOfTheAffinityMask) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(hz_os_cpus_allowed(), static_cast<unsigned>(CPU_COUNT(&before)));
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
    if (CPU_ISSET(cpu, &before))
      CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(hz_os_cpus_allowed(), 1u);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(Os, RandomBytesDiffer) {
  unsigned char a[256], b[256];
  hz_os_random(a, sizeof a);
  hz_os_random(b, sizeof b);
  EXPECT_NE(memcmp(a, b, sizeof a), 0);
  unsigned seen[256] = {0}, distinct = 0;
  for (unsigned char c : a)
    distinct += seen[c]++ == 0;
  EXPECT_GT(distinct, 100u);
  hz_os_random(a, 0);
}

} // namespace
