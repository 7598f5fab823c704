// Who brings blocks back: a share that follows what happens, and stays a share.
#include "common/base/loyal.h"

#include "gtest/gtest.h"

namespace {

uint32_t after(uint32_t share, unsigned batches, unsigned blocks, bool own) {
  for (unsigned i = 0; i < batches; i++) {
    share = hz_loyal_after(share, blocks, own);
    EXPECT_LE(share, HZ_LOYAL_WHOLE);
  }
  return share;
}

TEST(Loyal, NobodyIsBeforeMuchCameBack) {
  EXPECT_FALSE(hz_is_loyal(0));
  EXPECT_FALSE(hz_is_loyal(after(0, 100, 10, true)));
}

TEST(Loyal, WhoseOwnThreadsBringWhatTheyTook) {
  for (unsigned blocks : {1u, 60u, 256u, HZ_LOYAL_BLOCKS})
    EXPECT_TRUE(hz_is_loyal(after(0, 10000 / blocks + 1, blocks, true))) << blocks;
}

TEST(Loyal, NotWhereOthersBringHalf) {
  uint32_t share = after(0, 100, 256, true);
  ASSERT_TRUE(hz_is_loyal(share));
  for (int i = 0; i < 100; i++)
    share = hz_loyal_after(hz_loyal_after(share, 60, false), 60, true);
  EXPECT_FALSE(hz_is_loyal(share));
}

TEST(Loyal, AgainWhenOthersBringAnEighth) {
  uint32_t share = after(0, 20, 256, false);
  for (int i = 0; i < 100; i++)
    share = after(hz_loyal_after(share, 32, false), 7, 32, true);
  EXPECT_TRUE(hz_is_loyal(share));
}

} // namespace
