#include "bench/lab/contender.h"
#include "bench/lab/procfs.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>

namespace {

const char path[] = "/run/pins/abc-hz4.so";

std::string probe_output(const char *malloc_at, const char *last_map) {
  std::string at = malloc_at;
  return "SYMBOL malloc " + at + "\nSYMBOL free /run/pins/abc-hz4.so\n" +
         "SYMBOL calloc /run/pins/abc-hz4.so\nSYMBOL realloc /run/pins/abc-hz4.so\n" +
         "MAP 7f00-7f10 r-xp 00000000 08:01 42 /usr/lib/libc.so.6\n" +
         "MAP 7f20-7f30 r-xp 00000000 08:01 43 " + last_map + "\n";
}

std::string objection(const std::string &output) {
  char *why = probe_objection(output.c_str(), path);
  std::string text = why != nullptr ? why : "";
  free(why);
  return text;
}

TEST(Proof, Holds) {
  EXPECT_EQ(objection(probe_output(path, path)), "");
}

TEST(Proof, MallocElsewhere) {
  EXPECT_EQ(objection(probe_output("/usr/lib/libc.so.6", path)),
            "malloc does not land in the measured file");
}

TEST(Proof, NotMapped) {
  EXPECT_EQ(objection(probe_output(path, "/run/pins/other.so")), "the measured file is not mapped");
}

TEST(Proof, Deleted) {
  EXPECT_EQ(objection(probe_output(path, "/run/pins/abc-hz4.so (deleted)")),
            "a deleted shared object is mapped: /run/pins/abc-hz4.so (deleted)");
}

TEST(Proof, Silence) {
  EXPECT_NE(objection(""), "");
}

TEST(Maps, APathIsNotItsPrefix) {
  char which[64];
  EXPECT_EQ(proc_maps_text("0-1 r 0 0:0 1 /a/b.so.1\n", "/a/b.so", which, sizeof which),
            MAPS_ABSENT);
  EXPECT_EQ(proc_maps_text("0-1 r 0 0:0 1 /a/b.so", "/a/b.so", which, sizeof which), MAPS_PRESENT);
  EXPECT_EQ(proc_maps_text("0-1 r 0 0:0 1 /dev/zero (deleted)\n", "/a/b.so", which, sizeof which),
            MAPS_ABSENT);
}

TEST(Environment, IsBuiltFromNothing) {
  setenv("HZ4_PROFILE", "forgotten", 1);
  contender c = {};
  config cfg = {};
  c.pin.path = const_cast<char *>(path);
  c.setting = "A=1";
  strings_add(&cfg.env, "B=2");
  strings env = contender_environment(&c, &cfg, "/scratch");
  char *all = strings_join(&env, "\n");
  std::string text = all;
  free(all);
  EXPECT_EQ(text.find("HZ4_PROFILE"), std::string::npos);
  EXPECT_NE(text.find("LD_PRELOAD=/run/pins/abc-hz4.so"), std::string::npos);
  EXPECT_NE(text.find("A=1\nB=2"), std::string::npos);
  strings_clear(&env);
  strings_clear(&cfg.env);
}

using ObjectDeath = ::testing::Test;

TEST(ObjectDeath, WhatCannotServeIsRefused) {
  contenders list = {};
  EXPECT_EXIT(contenders_add(&list, "x", "/nowhere/x.so", false, nullptr),
              ::testing::ExitedWithCode(2), "/nowhere/x.so .x. does not exist");
  EXPECT_EXIT(contenders_add(&list, "x", "/proc/self/maps", false, nullptr),
              ::testing::ExitedWithCode(2), "is not an ELF file");
  EXPECT_EXIT(contenders_add(&list, "x", "/proc/self/exe", false, nullptr),
              ::testing::ExitedWithCode(2),
              "does not define malloc and free|is not a shared object");
  EXPECT_EXIT(contenders_add(&list, "a b", "/x", false, nullptr), ::testing::ExitedWithCode(2),
              "is no name");
}

} // namespace
