"""Other people's allocators, as the lab meets them."""

load("@rules_cc//cc:defs.bzl", "cc_library")

# What Bazel's default toolchain adds to every compilation and no project's release build has.
HZ_PEER_COPTS = [
    "-fno-stack-protector",
    "-fomit-frame-pointer",
    "-U_FORTIFY_SOURCE",
    "-w",
]

def hz_peer(name, library):
    """Makes LIBRARY, the preload library, and `malloc`, for `cc_binary(malloc = ...)`.

    Args:
      name: the external repository.
      library: the file name of its shared object.
    """
    native.genrule(
        name = name + "_preload",
        srcs = ["@%s//:%s" % (name, library)],
        outs = [library],
        cmd = "cp -f $< $@ && chmod u+w $@",
        visibility = ["//visibility:public"],
    )
    cc_library(
        name = "malloc",
        linkstatic = True,
        deps = ["@%s//:malloc" % name],
        visibility = ["//visibility:public"],
    )
