#include "common/abi/report.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "gtest/gtest.h"

namespace {

struct hz_stats sample() {
  struct hz_stats s = {};
  s.generation = "hz9";
  s.version = "1.2.3";
  s.live_bytes = 5000;
  s.live_large_bytes = 3000;
  s.live_large_blocks = 2;
  s.cached_thread_bytes = 100;
  s.cached_shared_bytes = 60;
  s.cached_blocks = 10;
  s.span_free_bytes = 32 * 4 + 160 * 3;
  s.threads = 3;
  s.classes = 4;
  s.cls[1].block_bytes = 16;
  s.cls[1].spans = 1;
  s.cls[2].block_bytes = 32;
  s.cls[2].spans = 2;
  s.cls[2].blocks_out = 9;
  s.cls[2].blocks_free = 4;
  s.cls[3].block_bytes = 160;
  s.cls[3].spans = 1;
  s.cls[3].blocks_free = 3;
  s.arena.window_bytes = 1 << 30;
  s.arena.grown_bytes = 1 << 20;
  s.arena.used_bytes = 20000;
  s.arena.peak_used_bytes = 30000;
  s.arena.free_dirty_bytes = 700;
  s.arena.meta_bytes = 4096;
  s.os.calls[HZ_OS_CALL_COMMIT] = 6;
  s.os.bytes[HZ_OS_CALL_COMMIT] = 12345;
  s.os.calls[HZ_OS_CALL_RESERVE] = 2;
  s.os.calls[HZ_OS_CALL_DECOMMIT] = 3;
  s.os.calls[HZ_OS_CALL_RELEASE] = 7;
  s.os.calls[HZ_OS_CALL_HUGE] = 1;
  s.os.failures[HZ_OS_CALL_HUGE] = 1;
  hz_stats_add(&s, "HZ9_MID_STATS", "refills", 17);
  hz_stats_add(&s, "HZ9_MID_STATS", "drains", 4);
  hz_stats_add(&s, "HZ9_FREE_STATS", "owner", UINT64_MAX);
  return s;
}

template <typename Write> std::string written(Write write) {
  int ends[2];
  if (pipe(ends) != 0)
    return "no pipe";
  write(ends[1]);
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  return text;
}

std::string xml_of(const struct hz_stats &s) {
  char *text = nullptr;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  hz_stats_write_xml(out, &s);
  fclose(out);
  std::string result(text, bytes);
  free(text);
  return result;
}

struct Element {
  std::string path; // "malloc/heap/sizes/size"
  std::map<std::string, std::string> attributes;
};

// A reader of exactly the XML that we may write: elements and quoted attributes. Empty when
// ill-formed.
std::vector<Element> parse(const std::string &text) {
  std::vector<Element> found;
  std::vector<std::string> open;
  size_t at = 0;
  bool rooted = false;
  while (at < text.size()) {
    if (isspace(static_cast<unsigned char>(text[at]))) {
      at++;
      continue;
    }
    if (text[at] != '<' || (rooted && open.empty()))
      return {};
    size_t end = text.find('>', at);
    if (end == std::string::npos)
      return {};
    std::string tag = text.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1))
        return {};
      open.pop_back();
      continue;
    }
    bool closed = tag.back() == '/';
    if (closed)
      tag.pop_back();
    size_t name_end = tag.find(' ');
    Element element;
    std::string name = tag.substr(0, name_end);
    for (const std::string &o : open)
      element.path += o + "/";
    element.path += name;
    while (name_end < tag.size()) {
      size_t equals = tag.find("=\"", name_end), quote = tag.find('"', equals + 2);
      if (equals == std::string::npos || quote == std::string::npos)
        return {};
      std::string key = tag.substr(name_end + 1, equals - name_end - 1);
      if (key.empty() || element.attributes.count(key))
        return {};
      element.attributes[key] = tag.substr(equals + 2, quote - equals - 2);
      name_end = quote + 1;
    }
    found.push_back(element);
    rooted = true;
    if (!closed)
      open.push_back(name);
  }
  return open.empty() ? found : std::vector<Element>();
}

const Element *find(const std::vector<Element> &all, const std::string &path,
                    const std::string &key = "", const std::string &value = "") {
  for (const Element &e : all)
    if (e.path == path &&
        (key.empty() || (e.attributes.count(key) && e.attributes.at(key) == value)))
      return &e;
  return nullptr;
}

std::string get(const std::vector<Element> &all, const std::string &path, const std::string &key,
                const std::string &value, const std::string &wanted) {
  const Element *e = find(all, path, key, value);
  return e && e->attributes.count(wanted) ? e->attributes.at(wanted) : "absent";
}

TEST(Xml, IsWellFormedAlsoWhenEmpty) {
  struct hz_stats nothing = {};
  EXPECT_FALSE(parse(xml_of(nothing)).empty());
  EXPECT_FALSE(parse(xml_of(sample())).empty());
}

TEST(Xml, GlibcsElementsHaveGlibcsMeaning) {
  std::vector<Element> all = parse(xml_of(sample()));
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].path, "malloc");
  EXPECT_EQ(all[0].attributes.at("version"), "1");
  EXPECT_EQ(get(all, "malloc/heap", "nr", "0", "nr"), "0");
  EXPECT_EQ(get(all, "malloc/heap/sizes/size", "to", "32", "from"), "17");
  EXPECT_EQ(get(all, "malloc/heap/sizes/size", "to", "32", "total"), "128");
  EXPECT_EQ(get(all, "malloc/heap/sizes/size", "to", "160", "from"), "33");
  EXPECT_EQ(get(all, "malloc/heap/sizes/size", "to", "160", "count"), "3");
  EXPECT_EQ(find(all, "malloc/heap/sizes/size", "to", "16"), nullptr);
  for (const char *where : {"malloc/", "malloc/heap/"}) {
    std::string at = where;
    EXPECT_EQ(get(all, at + "total", "type", "fast", "size"), "160");
    EXPECT_EQ(get(all, at + "total", "type", "fast", "count"), "10");
    EXPECT_EQ(get(all, at + "total", "type", "rest", "size"), "608");
    EXPECT_EQ(get(all, at + "total", "type", "rest", "count"), "7");
    EXPECT_EQ(get(all, at + "system", "type", "current", "size"), "24796");
    EXPECT_EQ(get(all, at + "system", "type", "max", "size"), "34096");
    EXPECT_EQ(get(all, at + "aspace", "type", "total", "size"), "1073741824");
    EXPECT_EQ(get(all, at + "aspace", "type", "mprotect", "size"), "1048576");
  }
  EXPECT_EQ(get(all, "malloc/total", "type", "mmap", "count"), "2");
  EXPECT_EQ(get(all, "malloc/total", "type", "mmap", "size"), "3000");
}

TEST(Xml, OursFollow) {
  std::vector<Element> all = parse(xml_of(sample()));
  EXPECT_EQ(get(all, "malloc/allocator", "", "", "name"), "hz9");
  EXPECT_EQ(get(all, "malloc/allocator", "", "", "version"), "1.2.3");
  EXPECT_EQ(get(all, "malloc/live", "", "", "size"), "5000");
  EXPECT_EQ(get(all, "malloc/classes/class", "bytes", "32", "out"), "9");
  EXPECT_EQ(get(all, "malloc/os/call", "kind", "commit", "bytes"), "12345");
  EXPECT_EQ(get(all, "malloc/os/call", "kind", "huge", "failed"), "1");
  EXPECT_EQ(get(all, "malloc/counter", "key", "drains", "value"), "4");
  EXPECT_EQ(get(all, "malloc/counter", "key", "owner", "tag"), "HZ9_FREE_STATS");
}

TEST(Text, HasTheFigures) {
  struct hz_stats s = sample();
  std::string text = written([&](int fd) { hz_stats_write_text(fd, &s); });
  EXPECT_EQ(text.compare(0, 10, "hz9 1.2.3\n"), 0);
  EXPECT_NE(text.find("system bytes     =             24796\n"), std::string::npos) << text;
  EXPECT_NE(text.find("in use bytes     =              5000\n"), std::string::npos) << text;
  struct hz_stats nothing = {};
  EXPECT_EQ(written([&](int fd) { hz_stats_write_text(fd, &nothing); }).compare(0, 7, "malloc "),
            0);
}

TEST(Pairs, OneLineForEachTag) {
  struct hz_stats s = sample();
  EXPECT_EQ(written([&](int fd) { hz_stats_write_pairs(fd, &s); }),
            "[HZ9_MID_STATS] refills=17 drains=4\n[HZ9_FREE_STATS] owner=18446744073709551615\n");
  struct hz_stats nothing = {};
  EXPECT_EQ(written([&](int fd) { hz_stats_write_pairs(fd, &nothing); }), "");
}

TEST(Pairs, ManyAreAllThereAndNotTooMany) {
  struct hz_stats s = {};
  for (unsigned i = 0; i < HZ_STATS_PAIRS + 10; i++)
    hz_stats_add(&s, "HZ9_LONG_STATS", "a_key_of_some_length", 1000000 + i);
  EXPECT_EQ(s.pair_count, static_cast<size_t>(HZ_STATS_PAIRS));
  std::string text = written([&](int fd) { hz_stats_write_pairs(fd, &s); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  for (unsigned i = 0; i < HZ_STATS_PAIRS; i++)
    EXPECT_NE(text.find(" a_key_of_some_length=" + std::to_string(1000000 + i)), std::string::npos);
}

TEST(OsCalls, OneLine) {
  struct hz_stats s = sample();
  std::string text = written([&](int fd) { hz_stats_write_os_calls(fd, "HZ9_OS_STATS", &s); });
  EXPECT_EQ(text.compare(0, 14, "[HZ9_OS_STATS]"), 0);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find("] mmap=5 munmap=7 madvise=1 mprotect=6 mremap=0 failed=1 reserve=2 "),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(" commit=6 commit_failed=0 commit_bytes=12345 "), std::string::npos) << text;
  for (unsigned kind = 0; kind < HZ_OS_CALL_KINDS; kind++)
    EXPECT_NE(
        text.find(std::string(" ") + hz_os_call_name(static_cast<enum hz_os_call>(kind)) + "="),
        std::string::npos);
  EXPECT_NE(text.find("window_whole=1"), std::string::npos);
}

TEST(Mallinfo, EquationsHoldWhateverTheFigures) {
  for (int i = 0; i < 1000; i++) {
    struct hz_stats s = {};
    s.live_bytes = static_cast<size_t>(random()) % 10000;
    s.live_large_bytes = static_cast<size_t>(random()) % 10000;
    s.arena.used_bytes = static_cast<size_t>(random()) % 10000;
    s.arena.free_dirty_bytes = static_cast<size_t>(random()) % 10000;
    struct hz_mallinfo info;
    hz_stats_mallinfo(&s, &info);
    ASSERT_EQ(info.arena, info.uordblks + info.fordblks);
    ASSERT_LE(info.uordblks, s.live_bytes);
    ASSERT_EQ(info.hblkhd, s.live_large_bytes);
  }
}

} // namespace
