"""A test again under a sanitizer, with the code under test instrumented."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("//tools:copts.bzl", "HZ_COPTS", "HZ_CXX_COPTS")

_TSAN = ["-fsanitize=thread"]

# AddressSanitizer sees the accesses of the code itself; blocks come from our own arena, of which it knows
# nothing. UndefinedBehaviorSanitizer traps without a runtime.
_ASAN = [
    "-fsanitize=address",
    "-fsanitize=undefined",
    "-fno-sanitize=vptr",
    "-fno-sanitize-recover=all",
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
    _sanitized_test(name, srcs, hdrs, code, deps, size, _TSAN)

def hz_asan_test(name, srcs, hdrs, code, deps, size = "medium"):
    """The same with AddressSanitizer and UndefinedBehaviorSanitizer; arguments as above."""
    _sanitized_test(name, srcs, hdrs, code, deps, size, _ASAN)

def hz_sanitized_rooms(deps, asan = [], tsan = []):
    """Both of them for rooms of the calling package: ROOM_test.cc over all of its C code but malloc.c.

    Args:
      deps: as above.
      asan: rooms for ROOM_asan_test; the program's own blocks are libc's there.
      tsan: rooms for ROOM_tsan_test: what threads hand to each other.
    """
    common = dict(
        hdrs = native.glob(["*.h"]),
        code = native.glob(
            ["*.c"],
            exclude = ["malloc.c"],
        ),
        deps = deps,
    )
    for room in asan:
        hz_asan_test(
            name = room + "_asan_test",
            srcs = [room + "_test.cc"],
            **common
        )
    for room in tsan:
        hz_tsan_test(
            name = room + "_tsan_test",
            srcs = [room + "_test.cc"],
            **common
        )

def _sanitized_test(name, srcs, hdrs, code, deps, size, sanitizer):
    options = sanitizer + [
        "-O1",
        "-g",
    ]
    cc_library(
        name = name + "_code",
        testonly = True,
        srcs = code,
        hdrs = hdrs,
        copts = HZ_COPTS + options,
        tags = ["manual"],
        deps = deps,
    )
    cc_binary(
        name = name + "_bin",
        testonly = True,
        srcs = srcs,
        copts = HZ_CXX_COPTS + options,
        linkopts = sanitizer,
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
