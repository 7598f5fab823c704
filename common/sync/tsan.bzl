"""A test again under ThreadSanitizer, with the code under test instrumented."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("//tools:copts.bzl", "HZ_COPTS", "HZ_CXX_COPTS")

_TSAN = [
    "-fsanitize=thread",
    "-O1",
    "-g",
]

def hz_tsan_test(name, srcs, hdrs, code, deps, size = "medium"):
    """Builds C sources and a googletest source with ThreadSanitizer and runs them.

    Args:
      name: of the test.
      srcs: C++ sources of the test.
      hdrs: headers of the code under test.
      code: C sources under test.
      deps: what need not be instrumented.
      size: of the test.
    """
    cc_library(
        name = name + "_code",
        testonly = True,
        srcs = code,
        hdrs = hdrs,
        copts = HZ_COPTS + _TSAN,
        tags = ["manual"],
        deps = deps,
    )
    cc_binary(
        name = name + "_bin",
        testonly = True,
        srcs = srcs,
        copts = HZ_CXX_COPTS + _TSAN,
        linkopts = ["-fsanitize=thread"],
        tags = ["manual"],
        deps = [
            ":" + name + "_code",
            "@googletest//:gtest_main",
        ],
    )
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//common/sync:tsan.sh"],
        args = ["$(location :%s_bin)" % name],
        data = [":%s_bin" % name],
    )
