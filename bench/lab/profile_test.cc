#include "bench/lab/profile.h"

#include <gtest/gtest.h>

namespace {

TEST(Profile, ReadsPerfsReport) {
  const char report[] =
      "# Samples: 155  of event 'cpu-clock'\n#\n"
      "# Overhead\tShared Object       \tSymbol        \tIPC   [IPC Coverage]\n"
      " 14.19% \targs                \t[.] churn.constprop.0\t-      -            \n"
      "  9.68%  \tc65677941aee42ea21cbfb3178986e8901b4e3839aaa7c61e99bea8d9cf89105-hz4.so   \t"
      "[.] free                             \t-      -            \n"
      " 5.81%  \t[kernel.kallsyms]           \t[k] clear_page\t-      -            \n";
  struct profile p;
  ASSERT_EQ(profile_read(report, &p), 3u);
  EXPECT_STREQ(p.at[0].object, "args");
  EXPECT_STREQ(p.at[0].name, "churn.constprop.0");
  EXPECT_DOUBLE_EQ(p.at[0].percent, 14.19);
  EXPECT_STREQ(p.at[1].object, "hz4.so");
  EXPECT_STREQ(p.at[1].name, "free");
  EXPECT_STREQ(p.at[2].name, "clear_page");
}

TEST(Profile, NothingInNothing) {
  struct profile p;
  EXPECT_EQ(profile_read("", &p), 0u);
  EXPECT_EQ(profile_read("# only a comment\n", &p), 0u);
}

} // namespace
