// The main of every conformance program: the subject first, because it may start the program again
// under LD_PRELOAD.
#include "common/conformance/subject.h"

#include <gtest/gtest.h>

int main(int argc, char **argv) {
  conformance::subject_init(&argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
