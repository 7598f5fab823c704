// See subject.h.
#include "common/conformance/subject.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits.h>
#include <unistd.h>

namespace conformance {
namespace {

constexpr char kRunsUnder[] = "HZ_CONFORMANCE_UNDER";

Subject g_subject;

[[noreturn]] void refuse(const std::string &sentence) {
  std::fprintf(stderr, "conformance: %s\n", sentence.c_str());
  std::exit(2);
}

std::string absolute(const std::string &path) {
  char buffer[PATH_MAX];
  if (realpath(path.c_str(), buffer) == nullptr)
    refuse("cannot find " + path);
  return buffer;
}

Variant parse_variant(const std::string &name) {
  for (Variant v : {Variant::kStandard, Variant::kFast, Variant::kObserve, Variant::kHardened,
                    Variant::kDebug}) {
    if (name == variant_name(v))
      return v;
  }
  if (name.empty())
    return Variant::kStandard;
  refuse("variant " + name + " is not one of standard, fast, observe, hardened, debug");
}

bool take(const char *argument, const char *prefix, std::string *value) {
  const size_t length = std::strlen(prefix);
  if (std::strncmp(argument, prefix, length) != 0)
    return false;
  *value = argument + length;
  return true;
}

void run_again_under(const std::string &library, char **argv) {
  setenv(kRunsUnder, library.c_str(), 1);
  setenv("LD_PRELOAD", library.c_str(), 1);
  execv(g_subject.self.c_str(), argv);
  refuse("cannot start " + g_subject.self + " again under " + library);
}

} // namespace

std::string option_variable(const std::string &option) {
  std::string name = subject().generation + "_" + option;
  for (char &letter : name)
    letter = static_cast<char>(std::toupper(letter));
  return name;
}

const char *variant_name(Variant variant) {
  switch (variant) {
  case Variant::kStandard:
    return "standard";
  case Variant::kFast:
    return "fast";
  case Variant::kObserve:
    return "observe";
  case Variant::kHardened:
    return "hardened";
  case Variant::kDebug:
    return "debug";
  }
  return "?";
}

void subject_init(int *argc, char **argv) {
  g_subject.self = absolute("/proc/self/exe");
  std::vector<char *> kept{argv[0]};
  for (int i = 1; i < *argc; ++i) {
    std::string value;
    if (take(argv[i], "--generation=", &value)) {
      g_subject.generation = value;
    } else if (take(argv[i], "--variant=", &value)) {
      g_subject.variant = parse_variant(value);
    } else if (take(argv[i], "--preload=", &value)) {
      g_subject.preload = absolute(value);
    } else if (take(argv[i], "--so=", &value)) {
      g_subject.so = absolute(value);
    } else if (take(argv[i], "--page=", &value)) {
      g_subject.page = absolute(value);
    } else if (std::strcmp(argv[i], "--linked") == 0) {
      g_subject.linked = true;
    } else if (std::strcmp(argv[i], "--brief") == 0) {
      g_subject.brief = true;
    } else if (argv[i][0] != '-') {
      g_subject.files.push_back(absolute(argv[i]));
    } else {
      kept.push_back(argv[i]);
    }
  }
  const char *under = std::getenv(kRunsUnder);
  if (!g_subject.preload.empty() && (under == nullptr || g_subject.preload != under))
    run_again_under(g_subject.preload, argv);
  *argc = static_cast<int>(kept.size());
  for (size_t i = 0; i < kept.size(); ++i)
    argv[i] = kept[i];
  argv[kept.size()] = nullptr;
}

const Subject &subject() {
  return g_subject;
}

bool subject_is_ours() {
  return g_subject.generation.rfind("hz", 0) == 0;
}

int rounds(int full) {
  return g_subject.brief && full >= 5 ? full / 5 : full;
}

std::string helper_file(const std::string &basename) {
  for (const std::string &path : g_subject.files) {
    const size_t slash = path.rfind('/');
    if (path.substr(slash + 1) == basename)
      return path;
  }
  refuse("the helper file " + basename + " was not given on the command line");
}

} // namespace conformance
