"""The black-box conformance suite, run against one allocator.

    hz_conformance(name = "conformance", generation = "hz4", malloc = ":malloc", variant = "standard")

makes, in the package that calls it:

    NAME_suite_test          the surface, threads, fork, signals, loading; linked to `malloc`
    NAME_suite_preload_test  the same under LD_PRELOAD of `preload`
    NAME_library_test        soname, exported names, thread-local state, taking effect of `preload`
    NAME_faults_test         one death per fault, linked; prints what was named when
    NAME_misuse_test         the small programs of misuse/ under LD_PRELOAD; prints the same table
    NAME_real_programs_test  python3, sqlite3, gcc, make, redis, git, perl, lua, php with and without LD_PRELOAD (standard, hardened)
    NAME_long_programs_test  manual: more of python's own tests, redis under more load, C++ compiled in parallel
    NAME_random_test         random sequences and kept ones against a shadow model, linked
    NAME_soak_test           memory over epochs of changing work, linked (standard)
    NAME_fuzz                manual: the libFuzzer program, linked; needs clang
    NAME_long_test           manual: what the suite does in short, at full length

A variant other than standard runs linked only, and its long tests a fifth as long. Nothing here knows a
generation but by its name.

    hz_conformance_variants(name = "conformance", generation = "hz4")

makes all of this for every variant, and NAME_fault_report, which prints what each of them says about
each misuse as Markdown.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")
load("//tools:copts.bzl", "HZ_VARIANTS")

_ROOM = "//common/conformance:"

# The compiler must not know what malloc is. Test programs are ordinary programs: default visibility, default TLS.
CONFORMANCE_COPTS = [
    "-Wall",
    "-Wextra",
    "-Wundef",
    "-Wshadow",
    "-Werror",
    "-fno-builtin",
]

# What a manual target runs: the long form of a test, which is disabled in the normal run.
_DISABLED_ONLY = [
    "--gtest_also_run_disabled_tests",
    "--gtest_filter=*DISABLED*",
]

def _who(generation, variant):
    args = ["--generation=" + generation, "--variant=" + variant]
    if variant != "standard":
        args.append("--brief")
    return args

def hz_conformance(name, generation, malloc = None, variant = "standard", preload = None):
    """Instantiates every black-box test against one allocator.

    Args:
      name: prefix of the targets.
      generation: the first word of its fault messages: hz3, hz4; or glibc for the C library.
      malloc: label for cc_binary's `malloc`; the C library's own when empty.
      variant: standard, fast, observe, hardened, debug.
      preload: label of the shared object; by default the generation's own for that variant, none for glibc.
    """
    ours = generation != "glibc"
    suffix = "" if variant == "standard" else "_" + variant
    if ours and not preload:
        preload = "//{g}:lib{g}{s}.so".format(g = generation, s = suffix)
    who = _who(generation, variant)
    linked = dict(malloc = malloc) if malloc else {}

    # Programs that the suite starts, linked as the suite is.
    programs = name + "_programs/"
    cc_binary(
        name = programs + "life_program",
        copts = CONFORMANCE_COPTS,
        linkopts = ["-pthread"],
        deps = [_ROOM + "life_program_body"],
        testonly = True,
        **linked
    )
    cc_binary(
        name = programs + "life_program_static",
        copts = CONFORMANCE_COPTS,
        features = ["fully_static_link"],
        linkopts = [
            "-static",
            "-pthread",
        ],
        deps = [_ROOM + "life_program_body"],
        testonly = True,
        **linked
    )

    cc_binary(
        name = programs + "limits_program",
        copts = CONFORMANCE_COPTS,
        linkopts = ["-pthread"],
        deps = [_ROOM + "limits_program_body"],
        testonly = True,
        **linked
    )

    linked_helpers = [
        _ROOM + "libloader_caller.so",
        _ROOM + "libloader_plugin.so",
        ":" + programs + "limits_program",
        ":" + programs + "life_program",
        ":" + programs + "life_program_static",
        _ROOM + "own_malloc_program",
        _ROOM + "unload_program",
    ]
    suite = dict(
        size = "large",
        timeout = "long",
        linkopts = [
            "-pthread",
            "-ldl",
        ],
        deps = [_ROOM + "suite"],
    )
    cc_test(
        name = name + "_suite_test",
        args = who + (["--linked"] if ours else []) + _paths(linked_helpers),
        data = linked_helpers,
        **dict(suite, **linked)
    )
    cc_test(
        name = name + "_long_test",
        args = who + (["--linked"] if ours else []) + _DISABLED_ONLY + _paths(linked_helpers),
        data = linked_helpers,
        tags = ["manual"],
        **dict(suite, timeout = "eternal", **linked)
    )
    cc_test(
        name = name + "_faults_test",
        size = "large",
        timeout = "long",
        args = who + (["--linked"] if ours else []),
        linkopts = [
            "-pthread",
            "-ldl",
        ],
        deps = [_ROOM + "faults"],
        **linked
    )
    under = ["--so=$(rootpath %s)" % preload] if ours else []
    under_data = [preload] if ours else []
    cc_test(
        name = name + "_misuse_test",
        size = "large",
        timeout = "long",
        args = who + under + (["--page=$(rootpath //docs:faults.md)"] if ours else []) +
               ["$(rootpaths %smisuse_programs)" % _ROOM],
        data = [_ROOM + "misuse_programs"] + under_data + (["//docs:faults.md"] if ours else []),
        deps = [_ROOM + "misuse"],
    )
    cc_test(
        name = name + "_random_test",
        size = "large",
        timeout = "long",
        args = who + (["--linked"] if ours else []) + ["$(rootpaths %ssequences)" % _ROOM],
        data = [_ROOM + "sequences"],
        linkopts = [
            "-pthread",
            "-ldl",
        ],
        deps = [_ROOM + "random"],
        **linked
    )
    if variant == "standard":
        cc_test(
            name = name + "_soak_test",
            size = "large",
            timeout = "long",
            args = who + (["--linked"] if ours else []),
            env = {} if ours else {"MALLOC_ARENA_MAX": "1"},
            linkopts = [
                "-pthread",
                "-ldl",
            ],
            deps = [_ROOM + "soak"],
            **linked
        )
        cc_binary(
            name = name + "_fuzz",
            testonly = True,
            copts = CONFORMANCE_COPTS,
            linkopts = [
                "-fsanitize=fuzzer",
                "-pthread",
                "-ldl",
            ],
            tags = ["manual"],
            deps = [_ROOM + "fuzz"],
            **linked
        )
    if variant in ["standard", "hardened"]:
        programs_test = dict(
            data = under_data + [_ROOM + "sources"],
            deps = [_ROOM + "real_programs"],
        )
        cc_test(
            name = name + "_real_programs_test",
            size = "large",
            timeout = "long",
            args = who + under + ["$(rootpaths %ssources)" % _ROOM],
            **programs_test
        )
        cc_test(
            name = name + "_long_programs_test",
            size = "large",
            timeout = "eternal",
            args = who + under + ["$(rootpaths %ssources)" % _ROOM] + _DISABLED_ONLY,
            tags = ["manual"],
            **programs_test
        )
    if ours:
        library_data = [
            preload,
            "//common/abi/trial:c_program",
            "//common/abi:exports.lds",
        ]
        native.sh_test(
            name = name + "_library_test",
            size = "small",
            srcs = ["//common/abi/trial:preload_test.sh"],
            args = ["$(location %s)" % label for label in library_data] +
                   ["lib%s%s.so.1" % (generation, suffix)],
            data = library_data,
        )
    if ours and variant == "standard":
        helpers = [
            _ROOM + "libloader_caller.so",
            _ROOM + "libloader_plugin.so",
            _ROOM + "life_program",
            _ROOM + "limits_program",
            _ROOM + "own_malloc_program",
            _ROOM + "unload_program",
        ]
        cc_test(
            name = name + "_suite_preload_test",
            args = who + ["--preload=$(rootpath %s)" % preload] + _paths(helpers),
            data = helpers + [preload],
            **suite
        )

def hz_conformance_variants(name, generation, variants = HZ_VARIANTS):
    """hz_conformance for several variants of a generation, and the report of what each says about misuse.

    Args:
      name: prefix of the targets; NAME itself for standard, NAME_VARIANT for the others.
      generation: hz3, hz4; its targets are those of hz_generation in the calling package.
      variants: of HZ_VARIANTS.
    """
    for variant in variants:
        suffix = "" if variant == "standard" else "_" + variant
        hz_conformance(
            name = name + suffix,
            generation = generation,
            malloc = ":malloc" + suffix,
            variant = variant,
        )
    libraries = [
        ":lib%s%s.so" % (generation, "" if v == "standard" else "_" + v)
        for v in HZ_VARIANTS
    ]
    native.sh_binary(
        name = name + "_fault_report",
        testonly = True,
        srcs = [_ROOM + "fault_report.sh"],
        args = [generation, "$(rootpath %smisuse_program)" % _ROOM] + _paths(libraries) +
               ["--", "$(rootpaths %smisuse_programs)" % _ROOM],
        data = libraries + [
            _ROOM + "misuse_program",
            _ROOM + "misuse_programs",
        ],
    )

def _paths(labels):
    return ["$(rootpath %s)" % label for label in labels]
