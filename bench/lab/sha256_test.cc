// Vectors: FIPS 180-4's examples as published with the standard ("abc", the 448-bit message, one
// million 'a'), and the empty message.
#include "bench/lab/sha256.h"

#include <gtest/gtest.h>
#include <stdio.h>
#include <string>
#include <unistd.h>

namespace {

std::string digest(const std::string &text, size_t step) {
  struct sha256 state;
  char hex[SHA256_HEX_BYTES];
  sha256_start(&state);
  for (size_t at = 0; at < text.size(); at += step)
    sha256_add(&state, text.data() + at, std::min(step, text.size() - at));
  sha256_finish(&state, hex);
  return hex;
}

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(digest("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 64),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1000000, 'a'), 4096),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, StepsDoNotMatter) {
  std::string text;
  for (int i = 0; i < 300; i++)
    text += static_cast<char>('A' + i % 50);
  for (size_t step : {1, 7, 55, 56, 57, 63, 64, 65, 300})
    EXPECT_EQ(digest(text, step), digest(text, 128)) << step;
}

TEST(Sha256, Files) {
  char path[] = P_tmpdir "/sha256_test_XXXXXX";
  char hex[SHA256_HEX_BYTES];
  int fd = mkstemp(path);
  ASSERT_EQ(write(fd, "abc", 3), 3);
  close(fd);
  ASSERT_TRUE(sha256_file(path, hex));
  EXPECT_STREQ(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  unlink(path);
  EXPECT_FALSE(sha256_file(path, hex));
}

} // namespace
