// The libFuzzer target: bytes become a sequence that is played in turn against the shadow model. A
// sequence that fails is printed and the process aborts, so that the fuzzer keeps and minimises the
// input. --generation= is given behind -ignore_remaining_args=1.
#include "common/conformance/model.h"
#include "common/conformance/subject.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
  // libFuzzer keeps its own arguments; only ours may reach the subject.
  static char *ours[16];
  int count = 0;
  ours[count++] = (*argv)[0];
  for (int i = 1; i < *argc && count < 15; ++i) {
    if (std::strncmp((*argv)[i], "--", 2) == 0)
      ours[count++] = (*argv)[i];
  }
  conformance::subject_init(&count, ours);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const std::vector<conformance::Op> ops = conformance::decode(bytes, count);
  if (ops.empty())
    return 0;
  const std::string problem = conformance::play_in_turn(ops);
  if (!problem.empty()) {
    std::fprintf(stderr, "%s\n%s", problem.c_str(), conformance::to_text(ops).c_str());
    std::abort();
  }
  return 0;
}
