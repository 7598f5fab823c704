"""Vega 5.22.1, the plotting library of report.html, pinned by SHA-256, as one script: lab_vega.js.

A Debian host gives it by its own package client (the binary package libjs-vega, whose parts are joined
here); any other host with npm by `npm pack`. Where neither is at hand the script is empty and the report has
its tables alone: a figure is not worth a failed comparison. A file with a wrong hash is an error that prints
both hashes.
"""

_VERSION = "5.22.1"

# In the order in which they need each other.
_PARTS = [
    "util",
    "canvas",
    "statistics",
    "time",
    "format",
    "loader",
    "dataflow",
    "scale",
    "scenegraph",
    "event-selector",
    "expression",
    "selection",
    "projection",
    "transforms",
    "view-transforms",
    "encode",
    "geo",
    "force",
    "label",
    "hierarchy",
    "voronoi",
    "regression",
    "wordcloud",
    "crossfilter",
    "runtime",
    "functions",
    "view",
    "parser",
]

# Those that add transforms.
_TRANSFORMS = [
    "transforms",
    "view-transforms",
    "encode",
    "geo",
    "force",
    "label",
    "hierarchy",
    "regression",
    "voronoi",
    "wordcloud",
    "crossfilter",
]

_HEAD = """(function (global) {
"use strict";
var parts = {}, loaded = {};
function need(name) {
  if (!loaded[name]) {
    loaded[name] = {exports: {}};
    if (parts[name]) parts[name](loaded[name].exports, need, loaded[name]);
  }
  return loaded[name].exports;
}
"""

_TAIL = """
var vega = {};
Object.keys(parts).forEach(function (name) { Object.assign(vega, need(name)); });
[%s].forEach(function (name) { Object.assign(vega.transforms, need(name)); });
global.vega = vega;
})(this);
"""

def _check(ctx, file, wanted):
    result = ctx.execute(["sha256sum", file])
    got = result.stdout.split(" ")[0].lstrip("\\")
    if got != wanted:
        fail("vega: wrong SHA-256 of %s\n  wanted %s\n  got    %s" % (file, wanted, got))

# apt-get download needs package lists. The host's serve; a host without any gets private ones.
_DOWNLOAD = """
set -e
apt-get -q download libjs-vega="$1" >apt.log 2>&1 && exit 0
mkdir -p state/lists/partial state/cache/archives/partial
options="-o Dir::State::lists=$PWD/state/lists -o Dir::Cache=$PWD/state/cache -o APT::Sandbox::User="
apt-get -q $options -o Acquire::http::Timeout=20 -o Acquire::Retries=2 update >>apt.log 2>&1 || true
apt-get -q $options download libjs-vega="$1" >>apt.log 2>&1
"""

def _from_distribution(ctx):
    if not ctx.which("apt-get") or not ctx.which("dpkg-deb"):
        return False
    result = ctx.execute(["sh", "-c", _DOWNLOAD, "sh", ctx.attr.package_version], timeout = 300, environment = {"LC_ALL": "C"})
    found = ctx.execute(["sh", "-c", "ls libjs-vega_*.deb"])
    if result.return_code != 0 or found.return_code != 0:
        return False
    file = found.stdout.strip()
    _check(ctx, file, ctx.attr.package_sha256)
    result = ctx.execute(["dpkg-deb", "-x", file, "unpacked"])
    if result.return_code != 0:
        fail("vega: %s cannot be unpacked: %s" % (file, result.stderr))
    text = _HEAD
    for part in _PARTS:
        script = ctx.read("unpacked/usr/share/javascript/vega/vega-%s.min.js" % part)
        lines = [line for line in script.split("\n") if not line.startswith("//# sourceMappingURL")]
        text += "parts[\"vega-%s\"] = function (exports, require, module) {\n%s\n};\n" % (part, "\n".join(lines))
    transforms = ", ".join(["\"vega-%s\"" % name for name in _TRANSFORMS])
    ctx.file("lab_vega.js", text + _TAIL % transforms)
    ctx.delete("unpacked")
    ctx.delete(file)
    return True

def _from_npm(ctx):
    npm = ctx.which("npm")
    if not npm:
        return False
    result = ctx.execute([npm, "pack", "--silent", "vega@" + _VERSION], timeout = 120)
    file = "vega-%s.tgz" % _VERSION
    if result.return_code != 0 or not ctx.path(file).exists:
        return False
    _check(ctx, file, ctx.attr.npm_sha256)
    result = ctx.execute(["tar", "-xzf", file, "--no-same-owner", "package/build/vega.min.js"])
    if result.return_code != 0:
        fail("vega: %s cannot be unpacked: %s" % (file, result.stderr))
    ctx.symlink("package/build/vega.min.js", "lab_vega.js")
    return True

def _lab_vega_impl(ctx):
    if not _from_distribution(ctx) and not _from_npm(ctx):
        # buildifier: disable=print
        print("vega: neither apt-get nor npm could give it; report.html will have tables and no charts")
        ctx.file("lab_vega.js", "")
    ctx.file("BUILD.bazel", "exports_files([\"lab_vega.js\"])\n")

lab_vega = repository_rule(
    implementation = _lab_vega_impl,
    attrs = {
        "package_version": attr.string(mandatory = True, doc = "of the binary package libjs-vega"),
        "package_sha256": attr.string(mandatory = True, doc = "of its .deb"),
        "npm_sha256": attr.string(mandatory = True, doc = "of the archive `npm pack` makes"),
    },
    doc = "Vega as one script, @vega//:lab_vega.js.",
)
