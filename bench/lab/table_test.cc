#include "bench/lab/table.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>

namespace {

template <typename Write> std::string written(Write write) {
  char *text = nullptr;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  write(out);
  fclose(out);
  std::string all(text, size);
  free(text);
  return all;
}

table sample() {
  static const char *const heads[] = {"name", "figure", "<note", nullptr};
  table t;
  table_start(&t, heads);
  table_row(&t);
  table_set(&t, 0, COLOUR_PLAIN, "hz4");
  table_set(&t, 1, COLOUR_GOOD, "±1.5 %%");
  table_set(&t, 2, COLOUR_PLAIN, "a");
  table_row(&t);
  table_set(&t, 0, COLOUR_PLAIN, "tcmalloc");
  table_set(&t, 1, COLOUR_PLAIN, "±10.5 %%");
  return t;
}

TEST(Table, ColumnsAlignByCharactersNotBytes) {
  table t = sample();
  EXPECT_EQ(written([&](FILE *out) { table_print(&t, out, false); }),
            "  name        figure   note\n"
            "  hz4         ±1.5 %   a\n"
            "  tcmalloc   ±10.5 %   \n");
  table_clear(&t);
}

TEST(Table, ColourOnlyWhenAsked) {
  table t = sample();
  std::string plain = written([&](FILE *out) { table_print(&t, out, false); });
  std::string coloured = written([&](FILE *out) { table_print(&t, out, true); });
  EXPECT_EQ(plain.find('\033'), std::string::npos);
  EXPECT_NE(coloured.find('\033'), std::string::npos);
  table_clear(&t);
}

TEST(Table, Markdown) {
  table t = sample();
  EXPECT_EQ(written([&](FILE *out) { table_markdown(&t, out); }), "| name | figure | note |\n"
                                                                  "|:---|---:|:---|\n"
                                                                  "| hz4 | ±1.5 % | a |\n"
                                                                  "| tcmalloc | ±10.5 % |  |\n");
  table_clear(&t);
}

TEST(Table, Width) {
  EXPECT_EQ(table_width(""), 0u);
  EXPECT_EQ(table_width("±×"), 2u);
}

} // namespace
