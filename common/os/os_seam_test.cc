// Every call of the OS layer can be made to fail, each at its n-th turn, and says so by its result
// alone.
#include "common/os/os.h"

#include <cerrno>

#include "gtest/gtest.h"

namespace {

size_t page() {
  return hz_os_page_bytes();
}

uint64_t asked, fails_at;
bool fail_the_nth(enum hz_os_call, size_t) {
  return ++asked == fails_at;
}

enum hz_os_call refused_kind;
bool fail_the_kind(enum hz_os_call kind, size_t) {
  return kind == refused_kind;
}

// Uses every function once; true when all of them succeeded.
bool scenario() {
  size_t bytes = 4 * page();
  char *at = static_cast<char *>(hz_os_reserve(bytes, page()));
  if (!at)
    return false;
  bool ok = hz_os_commit(at, bytes);
  ok = ok && hz_os_purge(at, page());
  ok = ok && hz_os_decommit(at, page());
  ok = ok && hz_os_protect_none(at + page(), page());
  char *other = static_cast<char *>(hz_os_map(page(), page()));
  ok = ok && other;
  if (other) {
    char *grown = static_cast<char *>(hz_os_remap(other, page(), 2 * page()));
    ok = ok && grown;
    hz_os_seam = nullptr; // giving back is not under test
    hz_os_release(grown ? grown : other, grown ? 2 * page() : page());
    hz_os_seam = fail_the_nth;
  }
  if (hz_os_release(at, bytes))
    return ok;
  hz_os_seam = nullptr;
  hz_os_release(at, bytes);
  return false;
}

TEST(OsSeam, TheNthCallFailsUntilTheScenarioPasses) {
  unsigned failures = 0;
  for (fails_at = 1; fails_at < 100; fails_at++) {
    asked = 0;
    hz_os_seam = fail_the_nth;
    errno = 4711;
    bool passed = scenario();
    hz_os_seam = nullptr;
    EXPECT_EQ(errno, 4711);
    if (asked < fails_at) {
      EXPECT_TRUE(passed);
      break;
    }
    EXPECT_FALSE(passed) << fails_at;
    failures++;
  }
  EXPECT_EQ(failures, 8u); // one for each call of the scenario
}

TEST(OsSeam, EachKindFailsAndIsCounted) {
  size_t bytes = 2 * page();
  char *at = static_cast<char *>(hz_os_map(bytes, page()));
  ASSERT_NE(at, nullptr);
  struct hz_os_stats before, after;
  hz_os_stats_read(&before);
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    refused_kind = static_cast<enum hz_os_call>(kind);
    hz_os_seam = fail_the_kind;
    switch (refused_kind) {
    case HZ_OS_CALL_RESERVE:
      EXPECT_EQ(hz_os_reserve(bytes, page()), nullptr);
      break;
    case HZ_OS_CALL_MAP:
      EXPECT_EQ(hz_os_map(bytes, page()), nullptr);
      EXPECT_FALSE(hz_os_map_at(at, bytes));
      break;
    case HZ_OS_CALL_COMMIT:
      EXPECT_FALSE(hz_os_commit(at, bytes));
      break;
    case HZ_OS_CALL_DECOMMIT:
      EXPECT_FALSE(hz_os_decommit(at, bytes));
      break;
    case HZ_OS_CALL_PURGE:
      EXPECT_FALSE(hz_os_purge(at, bytes));
      break;
    case HZ_OS_CALL_PURGE_LAZILY:
      EXPECT_FALSE(hz_os_purge_lazily(at, bytes));
      break;
    case HZ_OS_CALL_RELEASE:
      EXPECT_FALSE(hz_os_release(at, bytes));
      break;
    case HZ_OS_CALL_REMAP:
      EXPECT_EQ(hz_os_remap(at, bytes, 2 * bytes), nullptr);
      EXPECT_FALSE(hz_os_move_pages(at, at + page(), page()));
      break;
    case HZ_OS_CALL_HUGE:
      EXPECT_FALSE(hz_os_huge(at, bytes, true));
      break;
    case HZ_OS_CALL_POPULATE:
      EXPECT_FALSE(hz_os_populate(at, bytes));
      break;
    case HZ_OS_CALL_PROTECT:
      EXPECT_FALSE(hz_os_protect_none(at, bytes));
      break;
    case HZ_OS_CALL_KINDS:
      break;
    }
    hz_os_seam = nullptr;
  }
  hz_os_stats_read(&after);
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++) {
    EXPECT_GT(after.failures[kind], before.failures[kind]) << kind;
    EXPECT_EQ(after.bytes[kind], before.bytes[kind]) << kind;
  }
  at[0] = 1; // nothing has happened to it
  EXPECT_TRUE(hz_os_release(at, bytes));
}

} // namespace
