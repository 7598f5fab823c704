"""A workload: one lane of the specification, as a program and as a library.

    workload(name = "larson")

makes `larson`, linked to libc's malloc and meant for preloading, and `larson_lib`, the same code with
its main, for `cc_binary(deps = [".../larson_lib"], malloc = ...)`.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("//tools:copts.bzl", "HZ_COPTS")

LANE_LINKOPTS = ["-lm", "-lpthread"]

_VISIBILITY = [
    "//bench:__subpackages__",
    "//tools:__subpackages__",
]

def workload(name):
    """The program NAME and the library NAME_lib from NAME.c.

    Args:
      name: of the lane.
    """
    cc_library(
        name = name + "_lib",
        srcs = [name + ".c"],
        alwayslink = True,
        copts = HZ_COPTS,
        linkopts = LANE_LINKOPTS,
        linkstatic = True,
        visibility = _VISIBILITY,
        deps = ["//bench/workloads/common"],
    )
    cc_binary(
        name = name,
        visibility = _VISIBILITY,
        deps = [":" + name + "_lib"],
    )

def sanitized_workload(name):
    """NAME_tsan: the lane and all it stands on, compiled under ThreadSanitizer, for its test.

    Args:
      name: of the lane.
    """
    cc_binary(
        name = name + "_tsan",
        testonly = True,
        srcs = [name + ".c", "//bench/workloads/common:sources"],
        copts = HZ_COPTS + ["-fsanitize=thread"],
        linkopts = LANE_LINKOPTS + ["-fsanitize=thread"],
    )
