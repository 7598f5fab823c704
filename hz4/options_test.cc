#include "hz4/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace {

std::string printed() {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  hz_options_print(fds[1], "HZ4", hz4_options_table, hz4_options_count);
  close(fds[1]);
  std::string text;
  char chunk[512];
  for (ssize_t n; (n = read(fds[0], chunk, sizeof chunk)) > 0;)
    text.append(chunk, (size_t)n);
  close(fds[0]);
  return text;
}

TEST(Options, TheReadmePrintsTheTable) {
  std::ifstream file("hz4/README.md");
  ASSERT_TRUE(file.good());
  std::stringstream all;
  all << file.rdbuf();
  EXPECT_NE(all.str().find(printed()), std::string::npos) << printed();
}

} // namespace
