"""`hz_install`: a program that installs generations under a prefix."""

load("//tools:copts.bzl", "HZ_VARIANTS")
load("//tools/install:version.bzl", "HZ_VERSION")

def _impl(ctx):
    lines = []
    files = []
    for target, name in ctx.attr.libraries.items():
        for file in target[DefaultInfo].files.to_list():
            kind = "archive" if file.extension == "a" else "library"
            lines.append("%s %s %s" % (kind, file.short_path, name))
            files.append(file)
    for file in ctx.files.headers:
        lines.append("header %s %s" % (file.short_path, file.basename))
        files.append(file)
    lines.append("licence %s LICENSE" % ctx.file.licence.short_path)
    files.append(ctx.file.licence)
    out = ctx.actions.declare_file(ctx.label.name + "_program")
    ctx.actions.expand_template(
        template = ctx.file._script,
        output = out,
        substitutions = {
            "@FILES@": "\n".join(lines),
            "@VERSION@": HZ_VERSION,
            "@WORKSPACE@": ctx.workspace_name,
        },
        is_executable = True,
    )
    return [DefaultInfo(executable = out, runfiles = ctx.runfiles(files))]

_install = rule(
    implementation = _impl,
    attrs = {
        "libraries": attr.label_keyed_string_dict(allow_files = True),
        "headers": attr.label_list(allow_files = True),
        "licence": attr.label(allow_single_file = True),
        "_script": attr.label(default = "//tools/install:install.sh", allow_single_file = True),
    },
    executable = True,
)

def hz_install(name, generations, visibility = None):
    """Makes `bazel run NAME -- --prefix DIR`.

    Args:
      name: of the program.
      generations: packages that call hz_generation: {"hz3": "//hz3"}.
      visibility: of the program.
    """
    libraries = {}
    headers = ["//tools/install:malloc.h"]
    for generation, package in generations.items():
        for variant in HZ_VARIANTS:
            full = generation + ("" if variant == "standard" else "_" + variant)
            libraries["%s:%s" % (package, full)] = full
        headers.append("%s:%s_public_headers" % (package, generation))
    _install(
        name = name,
        libraries = libraries,
        headers = headers,
        licence = "//:LICENSE",
        visibility = visibility,
    )
