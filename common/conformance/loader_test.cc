// Shared objects that come and go, and whole programs whose every phase allocates. Owns the handles
// it opens. The helper files (loader_plugin, loader_caller, life_program and its fully static form,
// own_malloc_program, unload_program) are given by the BUILD target; a linked subject brings the
// programs linked to itself.
#include "common/conformance/api.h"
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <atomic>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <thread>

namespace conformance {
namespace {

constexpr size_t kMiB = 1024 * 1024;

struct Plugin {
  void *handle = nullptr;
  void *(*make)(size_t) = nullptr;
  void (*take)(void *) = nullptr;
  void (*let_go)() = nullptr;

  explicit Plugin(int flags) {
    handle = dlopen(helper_file("libloader_plugin.so").c_str(), flags);
    if (handle == nullptr)
      return;
    make = reinterpret_cast<void *(*)(size_t)>(dlsym(handle, "plugin_make"));
    take = reinterpret_cast<void (*)(void *)>(dlsym(handle, "plugin_take"));
    let_go = reinterpret_cast<void (*)()>(dlsym(handle, "plugin_let_go"));
  }
  bool good() const { return make != nullptr && take != nullptr && let_go != nullptr; }
};

TEST(Loader, UsersComeAndGoAThousandTimes) {
  size_t rss = 0;
  for (int i = 0; i < 1000; ++i) {
    Plugin plugin(i % 2 == 0 ? RTLD_NOW : RTLD_LAZY);
    ASSERT_TRUE(plugin.good()) << dlerror();
    void *const small = plugin.make(100);
    void *const large = plugin.make(500000);
    plugin.take(api::malloc(2000)); // ours, freed there
    plugin.let_go();
    ASSERT_EQ(dlclose(plugin.handle), 0);
    ASSERT_EQ(static_cast<char *>(small)[99], 'p'); // theirs, freed here after they are gone
    ASSERT_EQ(static_cast<char *>(large)[499999], 'p');
    api::free(small);
    api::free(large);
    if (i == 100)
      rss = rss_bytes();
  }
  EXPECT_LT(rss_bytes(), rss + 8 * kMiB);
}

TEST(Loader, UsersComeAndGoInThreads) {
  std::atomic<int> faults{0};
  for (int round = 0; round < 50; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          Plugin plugin(RTLD_NOW);
          if (!plugin.good()) {
            ++faults;
            return;
          }
          plugin.take(api::malloc(3000));
          api::free(plugin.make(60000));
          plugin.let_go();
          dlclose(plugin.handle);
        }
      });
    }
    for (std::thread &thread : threads)
      thread.join();
  }
  EXPECT_EQ(faults, 0);
}

// A library that looks into its own dependencies first finds the C library's free there.
TEST(Loader, ALibraryThatBindsDeeplyFreesWhatIsOurs) {
  if (subject_is_ours() && subject().linked)
    GTEST_SKIP() << "who links an allocator chooses how it loads libraries";
  Plugin plugin(RTLD_NOW | RTLD_DEEPBIND);
  ASSERT_TRUE(plugin.good()) << dlerror();
  plugin.take(api::malloc(2000));
  plugin.take(strdup("made by the C library"));
  api::free(plugin.make(100));
  plugin.let_go();
  ASSERT_EQ(dlclose(plugin.handle), 0);
}

TEST(Loader, TheFlagStaysWhereItIsAskedFor) {
  if (subject().preload.empty())
    GTEST_SKIP() << "a preload library's own option";
  const auto end_with = [&](const char *word) {
    return run_command({{subject().self, "--generation=" + subject().generation,
                         "--preload=" + subject().preload, helper_file("libloader_plugin.so"),
                         "--gtest_filter=Loader.ALibraryThatBindsDeeplyFreesWhatIsOurs"},
                        {option_variable("DEEPBIND") + "=" + word},
                        "",
                        ""});
  };
  EXPECT_FALSE(end_with("keep").clean()) << "the C library's free took what is ours";
  const ChildEnd dropped = end_with("drop");
  EXPECT_TRUE(dropped.clean()) << dropped.describe();
}

// The C library looks for a name without a path where the caller's RUNPATH says.
TEST(Loader, ACallersOwnPathIsLookedThrough) {
  void *const caller = dlopen(helper_file("libloader_caller.so").c_str(), RTLD_NOW);
  ASSERT_NE(caller, nullptr) << dlerror();
  const auto load =
      reinterpret_cast<void (*)(const char *, int, void **)>(dlsym(caller, "caller_load"));
  ASSERT_NE(load, nullptr);
  ASSERT_EQ(dlopen("libloader_plugin.so", RTLD_NOW), nullptr) << "it is found from here too";
  for (int i = 0; i < 2; ++i) {
    void *plugin = nullptr;
    load("libloader_plugin.so", RTLD_NOW, &plugin);
    ASSERT_NE(plugin, nullptr) << dlerror();
    ASSERT_EQ(dlclose(plugin), 0);
  }
  ASSERT_EQ(dlclose(caller), 0);
}

TEST(Loader, LibrariesOfTheSystemComeAndGo) {
  for (int i = 0; i < 50; ++i) {
    for (const char *name :
         {"libz.so.1", "libm.so.6", "libexpat.so.1", "libcrypt.so.1", "libgcc_s.so.1"}) {
      void *const handle = dlopen(name, RTLD_NOW); // one that is not installed is one fewer
      if (handle != nullptr) {
        EXPECT_EQ(dlclose(handle), 0);
      }
    }
    EXPECT_EQ(dlopen("libdoes_not_exist.so.1", RTLD_NOW), nullptr);
    EXPECT_NE(dlerror(), nullptr);
  }
}

constexpr char kLife[] =
    "constructor\nstatic object\nmain\nexit handler\nstatic object gone\ndestructor\n";

// observe prints its statistics on stderr when a program ends; every other variant is silent.
void expect_life(const ChildEnd &end, const std::string &out) {
  EXPECT_TRUE(end.clean()) << end.describe();
  EXPECT_EQ(end.out, out);
  if (subject().variant != Variant::kObserve) {
    EXPECT_EQ(end.err, "");
  }
}

// In a linked run these programs are linked to the subject; in a preloaded run the preload is
// inherited.
TEST(WholeProgram, AllocatesInEveryPhaseOfItsLife) {
  for (int i = 0; i < 10; ++i)
    expect_life(run_command({{helper_file("life_program"), "own"}, {}, "", ""}), kLife);
}

TEST(WholeProgram, LinkedStatically) {
  if (!subject().linked)
    GTEST_SKIP() << "SKIPPED: preloading cannot reach a static program";
  for (int i = 0; i < 10; ++i)
    expect_life(run_command({{helper_file("life_program_static")}, {}, "", ""}), kLife);
}

TEST(WholeProgram, BringsItsOwnMalloc) {
  if (subject().linked)
    GTEST_SKIP() << "SKIPPED: two definitions of malloc cannot be linked into one program";
  expect_life(run_command({{helper_file("own_malloc_program")}, {}, "", ""}),
              "own malloc answered\n");
}

TEST(WholeProgram, LoadsTheAllocatorByHandAndUnloadsIt) {
  if (subject().preload.empty())
    GTEST_SKIP() << "SKIPPED: " << subject().generation << " is not a shared object here";
  const ChildEnd end =
      run_command({{helper_file("unload_program"), subject().preload}, {"LD_PRELOAD="}, "", ""});
  expect_life(end, "unloaded\n");
}

} // namespace
} // namespace conformance
