// Variant hardened: each fault at once or at reuse, by its name, and programs that do no wrong
// pass.
#include "hz3/harden.h"

#include <cstring>
#include <vector>

#include "hz3/route.h"
#include "gtest/gtest.h"

namespace {

const size_t kSizes[] = {8, 100, 4096, 60000, 256 * 1024};

char *block(size_t bytes, enum hz_api api = HZ_API_MALLOC) {
  return static_cast<char *>(hz3_alloc(bytes, api));
}

TEST(Harden, TheUsableSizeIsTheSizeAskedFor) {
  for (size_t bytes :
       {size_t{0}, size_t{1}, size_t{24}, size_t{1000}, size_t{131072}, size_t{1} << 20}) {
    char *p = block(bytes);
    EXPECT_EQ(hz3_usable(p, HZ_API_USABLE_SIZE), bytes);
    memset(p, 1, bytes);
    hz3_free_sized(p, 0, bytes, HZ_API_FREE_SIZED);
  }
}

TEST(Harden, ReallocKeepsContentAndSeals) {
  char *p = block(10);
  memset(p, 'a', 10);
  for (size_t bytes : {20, 15, 500, 480, 100000, 300000, 64}) {
    p = static_cast<char *>(hz3_realloc(p, bytes, HZ_API_REALLOC));
    EXPECT_EQ(p[9], 'a');
    EXPECT_EQ(hz3_usable(p, HZ_API_USABLE_SIZE), bytes);
    memset(p, 'a', bytes);
  }
  hz3_free(p, HZ_API_FREE);
}

TEST(Harden, FreedMemoryReadsAsZero) {
  char *p = block(1000);
  memset(p, 's', 1000);
  hz3_free(p, HZ_API_FREE);
  const volatile char *old = p;
  for (int i = 0; i < 1000; i++)
    EXPECT_EQ(old[i], 0);
}

TEST(Harden, ReuseIsDelayed) {
  std::vector<char *> seen;
  for (int i = 0; i < 32; i++) {
    seen.push_back(block(48));
    hz3_free(seen.back(), HZ_API_FREE);
  }
  int same = 0;
  for (size_t i = 1; i < seen.size(); i++)
    same += seen[i] == seen[i - 1];
  EXPECT_LT(same, 4);
}

TEST(HardenDeathTest, ASecondFreeAtAnyDistance) {
  for (size_t bytes : kSizes)
    for (int between : {0, 5, 100})
      EXPECT_DEATH(
          {
            char *p = block(bytes);
            hz3_free(p, HZ_API_FREE);
            for (int i = 0; i < between; i++)
              hz3_free(block(24), HZ_API_FREE);
            hz3_free(p, HZ_API_FREE);
          },
          "^hz3: double free: 0x[0-9a-f]+ passed to free");
}

TEST(HardenDeathTest, AnOverflowByOneAndByMany) {
  for (size_t bytes : kSizes)
    for (size_t beyond : {1, 32})
      EXPECT_DEATH(
          {
            char *p = block(bytes);
            volatile char *end = p + bytes;
            for (size_t i = 0; i < beyond && i < 8; i++)
              end[i] = static_cast<char>(end[i] + 1);
            hz3_free(p, HZ_API_FREE);
          },
          "^hz3: overflow: 0x[0-9a-f]+ passed to free");
}

TEST(HardenDeathTest, AWriteAfterFreeIsSeenAtReuse) {
  EXPECT_DEATH(
      {
        std::vector<char *> blocks(2000);
        for (char *&p : blocks)
          p = block(200);
        for (char *p : blocks)
          hz3_free(p, HZ_API_FREE);
        for (char *p : blocks)
          p[50] = 'w';
        for (char *&p : blocks)
          p = block(200);
      },
      "^hz3: write after free: 0x[0-9a-f]+ passed to malloc");
}

TEST(HardenDeathTest, TheWrongWayToFree) {
  EXPECT_DEATH(hz3_free(block(100, HZ_API_NEW), HZ_API_FREE), "^hz3: .*0x[0-9a-f]+ passed to free");
  EXPECT_DEATH(hz3_free(block(100, HZ_API_NEW_ARRAY), HZ_API_DELETE), "^hz3: .*operator delete");
  EXPECT_DEATH(hz3_free_sized(block(100), 0, 99, HZ_API_FREE_SIZED), "^hz3: size mismatch");
}

} // namespace
