#include "bench/lab/text.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

std::vector<std::string> words_of(const char *command, bool *closed) {
  strings list = {};
  *closed = strings_words(&list, command);
  std::vector<std::string> words(list.at, list.at + list.n);
  strings_clear(&list);
  return words;
}

TEST(Text, Words) {
  bool closed;
  using V = std::vector<std::string>;
  EXPECT_EQ(words_of(" a  'b c' \"d'e\"f ''", &closed), (V{"a", "b c", "d'ef", ""}));
  EXPECT_TRUE(closed);
  words_of("a 'b", &closed);
  EXPECT_FALSE(closed);
}

TEST(Text, Numbers) {
  double x = 5;
  long n = 5;
  EXPECT_FALSE(text_number("1x", &x) || text_number("", &x) || text_number("inf", &x));
  EXPECT_EQ(x, 5);
  EXPECT_TRUE(text_number("2.5", &x));
  EXPECT_EQ(x, 2.5);
  EXPECT_FALSE(text_whole("2.5", &n) || text_whole("99999999999999999999", &n));
  EXPECT_TRUE(text_whole("-3", &n));
  EXPECT_EQ(n, -3);
}

TEST(Text, FiguresAsPeopleReadThem) {
  char text[32];
  EXPECT_STREQ(text_rate(text, sizeof text, 123456789), "123 M");
  EXPECT_STREQ(text_rate(text, sizeof text, 12345678), "12.3 M");
  EXPECT_STREQ(text_rate(text, sizeof text, 1234567), "1.23 M");
  EXPECT_STREQ(text_rate(text, sizeof text, 12.34), "12.3");
  EXPECT_STREQ(text_bytes(text, sizeof text, 3 * 1024), "3 KiB");
  EXPECT_STREQ(text_bytes(text, sizeof text, 2.5 * 1024 * 1024), "2.5 MiB");
  EXPECT_STREQ(text_bytes(text, sizeof text, 1.5 * 1024 * 1024 * 1024), "1.50 GiB");
  EXPECT_STREQ(text_span(text, sizeof text, 75), "1:15");
  EXPECT_STREQ(text_span(text, sizeof text, 3675), "1:01:15");
}

} // namespace
