// What the tests of the arena share: children with an arena of their own, and looking at the
// process.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena/arena.h"
#include "common/os/os.h"

namespace arena_probe {

inline int parts() {
  return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
}

// The arena is one per process: each body has a child with an arena of its own.
template <typename Body> void in_child(const Body &body) {
  std::fflush(nullptr);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(300); // only a hang gets there
    int before = parts();
    try {
      body();
    } catch (const std::exception &e) {
      std::fprintf(stderr, "child: %s\n", e.what());
      _exit(2);
    }
    std::fflush(nullptr);
    _exit(parts() == before ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

inline hz_arena_config config(uint32_t delay_ms = 100, size_t limit = 0, bool huge = false) {
  hz_arena_config c = {};
  c.side_bytes = 64;
  c.purge_delay_ms = delay_ms;
  c.huge_pages = huge;
  c.memory_limit_bytes = limit;
  return c;
}

inline unsigned char *address(uint64_t granule) {
  return static_cast<unsigned char *>(hz_granule_address(granule));
}

inline hz_arena_stats stats() {
  hz_arena_stats s;
  hz_arena_stats_read(&s);
  return s;
}

inline hz_os_stats os_stats() {
  hz_os_stats s;
  hz_os_stats_read(&s);
  return s;
}

// Makes every page of a run resident.
inline void touch(const hz_run &run) {
  size_t page = hz_os_page_bytes();
  for (size_t at = 0; at < run.count * HZ_GRANULE_BYTES; at += page)
    address(run.granule)[at] = 1;
}

inline size_t lines_of(const char *path) {
  std::ifstream in(path);
  std::string line;
  size_t lines = 0;
  while (std::getline(in, line))
    lines++;
  return lines;
}

inline size_t rss_bytes() {
  std::ifstream in("/proc/self/statm");
  size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * hz_os_page_bytes();
}

} // namespace arena_probe
