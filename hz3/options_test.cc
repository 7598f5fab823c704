// The table of options and the README's copy of it.
#include "hz3/options.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

#include "gtest/gtest.h"

namespace {

std::string printed() {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  hz3_options_print(ends[1]);
  close(ends[1]);
  std::string text;
  char part[512];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  return text;
}

TEST(Options, TheReadmeShowsTheTable) {
  std::ifstream file("hz3/README.md");
  ASSERT_TRUE(file.good());
  std::stringstream readme;
  readme << file.rdbuf();
  std::string table = printed();
  EXPECT_GT(table.size(), 200u);
  EXPECT_NE(readme.str().find(table), std::string::npos)
      << "hz3/README.md should show this table:\n"
      << table;
}

TEST(Options, DefaultsAreThoseOfSpeed) {
  EXPECT_EQ(hz3_options.profile, static_cast<uint64_t>(HZ3_PROFILE_SPEED));
  EXPECT_EQ(hz3_options.purge_delay_ms, 100u);
  EXPECT_EQ(hz3_options.cache_max_bytes, 32 * HZ_MIB);
}

} // namespace
