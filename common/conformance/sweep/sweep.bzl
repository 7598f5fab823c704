"""The sweep over every refusal of the OS layer, for one generation.

    hz_sweep(name = "sweep", generation = ":hz4_lib")

makes NAME_test and NAME_test_hardened: sweep_program with the generation and the seam inside, started once for
every call that can be refused.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//tools:variants.bzl", "hz_test")

def hz_sweep(name, generation, variants = ["standard", "hardened"], **kwargs):
    """Makes the sweep in the package of a generation.

    Args:
      name: prefix of the targets.
      generation: label of hz_generation's library.
      variants: of HZ_VARIANTS.
      **kwargs: as for cc_test.
    """
    program = name + "_programs/sweep_program"
    cc_binary(
        name = program,
        testonly = True,
        linkopts = ["-pthread"],
        tags = ["manual"],
        deps = [
            generation,
            "//common/conformance/sweep:program",
        ],
    )
    hz_test(
        name = name + "_test",
        size = "large",
        args = [native.package_name() + "/" + program],
        data = [":" + program],
        variants = variants,
        deps = ["//common/conformance/sweep:driver"],
        **kwargs
    )
