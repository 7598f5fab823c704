"""A generation in all its variants, side by side in one invocation.

    hz_generation(name = "hz4", srcs, hdrs, deps, boxes = BOXES)

makes, for each variant V of "", "_fast", "_observe", "_hardened", "_debug" and for each box "_NAME"
on trial:

    hz4V_lib        the code, to be linked into tests (CcInfo)
    libhz4V.so      the preload library, soname libhz4V.so.1
    libhz4V.a       the static library: one object that shows only the malloc surface
    hz4V            both files
    mallocV         cc_library for `cc_binary(malloc = ...)`

Variant and box are build settings, `//tools:variant` and `//tools:box`, so that the common rooms
under a generation are compiled for the same variant. The targets above set them by a transition;
hz4_lib and tests take what the command line says, standard unless told.

`hz_test` is a cc_test that runs in several variants.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//tools:copts.bzl", "HZ_COPTS", "HZ_CXX_COPTS", "HZ_VARIANTS")

# The rooms that every generation stands on.
HZ_COMMON_ROOMS = [
    "//common/abi",
    "//common/arena",
    "//common/base",
    "//common/fail",
    "//common/guard",
    "//common/large",
    "//common/options",
    "//common/os",
    "//common/process",
    "//common/rseq",
    "//common/sizeclass",
    "//common/sync",
]

_VARIANT = "//tools:variant"
_BOX = "//tools:box"

HzSetting = provider("The value of a build setting.", fields = ["value"])

def _string_setting_impl(ctx):
    value = ctx.build_setting_value
    if ctx.attr.values and value not in ctx.attr.values:
        fail("%s: '%s' is none of %s" % (ctx.label, value, ", ".join(ctx.attr.values)))
    return HzSetting(value = value)

hz_string_setting = rule(
    implementation = _string_setting_impl,
    build_setting = config.string(flag = True),
    attrs = {"values": attr.string_list()},
)

def _variant_transition_impl(settings, attr):
    return {
        _VARIANT: attr.variant or settings[_VARIANT],
        _BOX: attr.box or settings[_BOX],
    }

_variant_transition = transition(
    implementation = _variant_transition_impl,
    inputs = [_VARIANT, _BOX],
    outputs = [_VARIANT, _BOX],
)

_TRANSITION_ATTRS = {
    "variant": attr.string(doc = "empty: as on the command line"),
    "box": attr.string(doc = "GENERATION/NAME; empty: as on the command line"),
    "_allowlist_function_transition": attr.label(
        default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
    ),
}

# Under a transition an attribute is a list, in every Bazel we know.
def _one(dep):
    return dep[0] if type(dep) == "list" else dep

def _library_impl(ctx):
    dep = _one(ctx.attr.dep)
    return [dep[CcInfo], DefaultInfo(files = dep[DefaultInfo].files)]

hz_variant_library = rule(
    implementation = _library_impl,
    attrs = dict(_TRANSITION_ATTRS, dep = attr.label(cfg = _variant_transition, providers = [CcInfo])),
    doc = "A library as one variant builds it.",
)

def _file_impl(ctx):
    setting = ctx.attr._box[HzSetting].value
    known = [ctx.attr.generation + "/" + box for box in ctx.attr.boxes]
    if setting.startswith(ctx.attr.generation + "/") and setting not in known:
        fail("%s: '%s' is no box on trial; these are: %s" %
             (_BOX, setting, ", ".join(known) or "none"))
    source = _one(ctx.attr.src)[DefaultInfo].files.to_list()[0]
    out = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.run_shell(
        inputs = [source],
        outputs = [out],
        command = "cp -f \"$1\" \"$2\" && chmod u+w \"$2\"",
        arguments = [source.path, out.path],
        mnemonic = "HzCopy",
    )
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

hz_variant_file = rule(
    implementation = _file_impl,
    attrs = dict(
        _TRANSITION_ATTRS,
        src = attr.label(cfg = _variant_transition),
        generation = attr.string(),
        boxes = attr.string_list(),
        _box = attr.label(default = _BOX),
    ),
    doc = "A file as one variant builds it, under its own name.",
)

def _objects_of(dep):
    objects = []
    for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            found = library.pic_objects or library.objects
            objects += found
    return objects

def _archive_impl(ctx):
    objects = _objects_of(ctx.attr.dep)
    if not objects:
        fail("%s has no objects" % ctx.attr.dep.label)
    out = ctx.actions.declare_file(ctx.label.name)
    toolchain = ctx.attr._toolchain[cc_common.CcToolchainInfo]

    # One object, its hidden symbols made local: who takes malloc from it takes all of it, and two
    # generations could be linked into one program's archive list without clashing inside. Groups are
    # dissolved first: a local name into a group that the final link drops in favour of the program's
    # own (the reference to C++'s personality routine is one) would point nowhere.
    ctx.actions.run_shell(
        inputs = depset(objects, transitive = [toolchain.all_files]),
        outputs = [out],
        command = """
set -eu
cc=$1 objcopy=$2 ar=$3 out=$4
shift 4
rm -f "$out"
"$cc" -r -nostdlib -Wl,--force-group-allocation -o "$out.o" "$@"
"$objcopy" --localize-hidden "$out.o"
"$ar" rcsD "$out" "$out.o"
rm -f "$out.o"
""",
        arguments = [
            toolchain.compiler_executable,
            toolchain.objcopy_executable,
            toolchain.ar_executable,
            out.path,
        ] + [o.path for o in objects],
        mnemonic = "HzArchive",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([out]))]

hz_archive_library = rule(
    implementation = _archive_impl,
    attrs = {
        "dep": attr.label(mandatory = True, providers = [CcInfo]),
        "_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    doc = "One static library with everything that `dep` stands on.",
)

def _test_impl(ctx):
    test = _one(ctx.attr.test)
    out = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = out,
        target_file = test[DefaultInfo].files_to_run.executable,
        is_executable = True,
    )
    return [DefaultInfo(executable = out, runfiles = test[DefaultInfo].default_runfiles)]

_hz_variant_test = rule(
    implementation = _test_impl,
    attrs = dict(_TRANSITION_ATTRS, test = attr.label(cfg = _variant_transition, executable = True)),
    test = True,
)

def hz_test(name, variants = ["standard", "debug"], boxes = [], **kwargs):
    """A cc_test in several variants: NAME for the first of them, NAME_V for the others.

    Args:
      name: of the test.
      variants: of HZ_VARIANTS.
      boxes: further runs with one box on, each as GENERATION/NAME.
      **kwargs: as for cc_test; copts are HZ_CXX_COPTS unless given.
    """
    kwargs.setdefault("copts", HZ_CXX_COPTS)
    common = {}
    for key in ["size", "timeout", "flaky", "local"]:
        if key in kwargs:
            common[key] = kwargs[key]
    tags = kwargs.pop("tags", [])
    args = kwargs.get("args", [])
    visibility = kwargs.pop("visibility", None)
    base = name + "_bin"
    cc_test(name = base, tags = tags + ["manual"], **kwargs)
    runs = [(name if i == 0 else name + "_" + v, v, "") for i, v in enumerate(variants)]
    runs += [(name + "_" + b.split("/")[1], "standard", b) for b in boxes]
    for run_name, variant, box in runs:
        _hz_variant_test(
            name = run_name,
            box = box,
            variant = variant,
            test = base,
            args = args,
            tags = tags,
            visibility = visibility,
            **common
        )

def _suffix(variant):
    return "" if variant == "standard" else "_" + variant

def hz_generation(
        name,
        srcs,
        hdrs = [],
        deps = [],
        boxes = [],
        exports = "//common/abi:exports.lds",
        public_hdrs = [],
        linkopts = [],
        copts = []):
    """Makes the targets listed at the top of this file.

    Args:
      name: hz3, hz4.
      srcs: .c and .cc files.
      hdrs: headers of the generation's rooms.
      deps: common rooms.
      boxes: BOXES of box/registry.bzl.
      exports: version script that names the malloc surface.
      public_hdrs: headers for users, installed by //tools:install.
      linkopts: further link options of the preload library.
      copts: further compile options.
    """
    # A line without a name is a fault for the registry's test to report, not for the build.
    box_names = [box["name"] for box in boxes if box["name"]]
    for box in box_names:
        if box in HZ_VARIANTS:
            fail("%s: a box cannot have the name of a variant: %s" % (name, box))
        native.config_setting(
            name = "box_" + box,
            flag_values = {_BOX: name + "/" + box},
        )

    # Constants of the boxes: always defined, 0 or 1, in the generation and in its tests.
    defines = []
    for box in box_names:
        constant = "%s_BOX_%s" % (name.upper(), box.upper())
        defines = defines + select({
            ":box_" + box: [constant + "=1"],
            "//conditions:default": [constant + "=0"],
        })

    c_srcs = [src for src in srcs if src.endswith(".c") or src.endswith(".S")]
    cxx_srcs = [src for src in srcs if src.endswith(".cc")]
    extra = [src for src in srcs if src not in c_srcs and src not in cxx_srcs]

    cc_library(
        name = name + "_headers",
        hdrs = hdrs + public_hdrs + [src for src in extra if src.endswith(".h")],
        defines = defines,
        deps = deps,
        visibility = ["//visibility:private"],
    )
    cxx_deps = []
    if cxx_srcs:
        cc_library(
            name = name + "_cxx",
            srcs = cxx_srcs,
            copts = HZ_CXX_COPTS + ["-fno-exceptions", "-fno-rtti"] + copts,
            linkstatic = True,
            alwayslink = True,
            deps = [":" + name + "_headers"],
            visibility = ["//visibility:private"],
        )
        cxx_deps = [":" + name + "_cxx"]
    cc_library(
        name = name + "_lib",
        srcs = c_srcs,
        copts = HZ_COPTS + copts,
        linkstatic = True,
        alwayslink = True,
        linkopts = ["-pthread"],
        deps = [":" + name + "_headers"] + cxx_deps,
        visibility = ["//visibility:public"],
    )

    # The images that the transitions below build anew for each variant.
    soname = select(dict(
        [
            ("//tools:variant_" + v, ["-Wl,-soname,lib%s%s.so.1" % (name, _suffix(v))])
            for v in HZ_VARIANTS
        ],
    ))
    for box in box_names:
        soname = soname + select({
            ":box_" + box: ["-Wl,-soname,lib%s_%s.so.1" % (name, box)],
            "//conditions:default": [],
        })
    cc_binary(
        name = "image/lib%s.so" % name,
        linkshared = True,
        linkopts = [
            "-Wl,--version-script=$(location %s)" % exports,
            "-Wl,-z,nodelete",
            "-Wl,-z,now",
            "-Wl,-z,relro",
            "-Wl,-Bsymbolic",
            "-Wl,--as-needed",
            "-Wl,--no-undefined",
        ] + soname + linkopts,
        deps = [":" + name + "_lib", "//common/abi:dlopen", exports],
        tags = ["manual"],
        visibility = ["//visibility:private"],
    )
    hz_archive_library(
        name = "image/lib%s.a" % name,
        dep = ":" + name + "_lib",
        tags = ["manual"],
        visibility = ["//visibility:private"],
    )

    sides = [(_suffix(v), v, "") for v in HZ_VARIANTS]
    sides += [("_" + box, "standard", name + "/" + box) for box in box_names]
    for suffix, variant, box in sides:
        lib = ":" + name + "_lib"
        if suffix:
            hz_variant_library(
                name = name + suffix + "_lib",
                variant = variant,
                box = box,
                dep = lib,
                visibility = ["//visibility:public"],
            )
            lib = ":" + name + suffix + "_lib"
        for extension in [".so", ".a"]:
            hz_variant_file(
                name = "lib" + name + suffix + extension,
                variant = variant,
                box = box,
                generation = name,
                boxes = box_names,
                src = ":image/lib" + name + extension,
                visibility = ["//visibility:public"],
            )
        native.filegroup(
            name = name + suffix,
            srcs = [":lib" + name + suffix + ".so", ":lib" + name + suffix + ".a"],
            visibility = ["//visibility:public"],
        )
        cc_library(
            name = "malloc" + suffix,
            linkstatic = True,
            deps = [lib],
            visibility = ["//visibility:public"],
        )
    native.filegroup(
        name = name + "_public_headers",
        srcs = public_hdrs,
        visibility = ["//visibility:public"],
    )
