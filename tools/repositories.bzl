"""External sources, pinned by SHA-256.

`hz_archive` takes the upstream archive where there is a network for it, and the distribution's
source package of the same version where there is none. Either way the bytes must have the hash
that the WORKSPACE names for that place, or the build ends with an error that prints both hashes.
"""

def _sha256(ctx, file):
    result = ctx.execute(["sha256sum", file])
    if result.return_code != 0:
        fail("sha256sum failed: " + result.stderr)
    return result.stdout.split(" ")[0].lstrip("\\")

def _host_of(url):
    return url.split("://")[1].split("/")[0]

# A machine that drops packets would otherwise cost minutes of retries for each archive.
def _reachable(ctx, url):
    for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]:
        if ctx.os.environ.get(name, ""):
            return True
    if url.startswith("file:"):
        return True
    bash = ctx.which("bash")
    if not bash:
        return True
    host = _host_of(url)
    port = "443" if url.startswith("https:") else "80"
    if ":" in host:
        host, port = host.split(":")
    probe = ctx.execute(
        [bash, "-c", "exec 3<>/dev/tcp/" + host + "/" + port],
        timeout = 5,
        quiet = True,
    )
    return probe.return_code == 0

def _check(ctx, place, got, wanted):
    if got != wanted:
        fail("%s: wrong SHA-256 of the archive from %s\n  wanted %s\n  got    %s" %
             (ctx.name, place, wanted, got))

def _from_upstream(ctx, file):
    for url in ctx.attr.urls:
        if not _reachable(ctx, url):
            continue

        # With the hash, Bazel's own download cache serves too. Without it, a second attempt tells
        # a wrong archive from no archive. (For plain http, Bazel makes no second attempt; it has
        # printed both hashes itself.)
        if ctx.download(url, file, sha256 = ctx.attr.sha256, allow_fail = True).success:
            return True
        unchecked = file + ".unchecked"
        second = ctx.download(url, unchecked, allow_fail = True)
        if second.success:
            _check(ctx, url, _sha256(ctx, unchecked), ctx.attr.sha256)
            ctx.symlink(unchecked, file)
            return True
    return False

def _from_distribution(ctx, file):
    if not ctx.attr.package:
        return "no source package is named for it"
    state = ctx.path(Label("@hz_source_packages//:apt.conf")).dirname
    script = ctx.path(Label("//tools:source_package.sh"))
    result = ctx.execute(
        ["sh", script, "fetch", state, ctx.attr.package, ctx.attr.package_version, file],
        timeout = 300,
        environment = {"LC_ALL": "C"},
    )
    if result.return_code != 0:
        return result.stderr.strip()
    _check(
        ctx,
        "the source package %s %s" % (ctx.attr.package, ctx.attr.package_version),
        _sha256(ctx, file),
        ctx.attr.package_sha256 or ctx.attr.sha256,
    )
    return ""

def _hz_archive_impl(ctx):
    # Named first: asking for the path restarts this function once, before anything is downloaded.
    ctx.path(Label("//tools:source_package.sh"))
    file = ctx.attr.name + ".archive"
    place = "upstream"
    if not _from_upstream(ctx, file):
        place = "distribution"
        reason = _from_distribution(ctx, file)
        if reason:
            fail("%s: neither %s nor the host's package sources could give the archive: %s" %
                 (ctx.name, " ".join(ctx.attr.urls), reason))

    # The archives differ in the name of their top folder; whatever it is called, it is stripped.
    result = ctx.execute(["tar", "-xf", file, "--strip-components=1", "--no-same-owner"])
    if result.return_code != 0:
        fail("%s: the archive cannot be unpacked: %s" % (ctx.name, result.stderr))
    ctx.delete(file)
    ctx.delete(file + ".unchecked")
    if ctx.attr.build_file:
        ctx.delete("BUILD")
        ctx.symlink(ctx.attr.build_file, "BUILD.bazel")
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("hz_archive.txt", "place %s\nurl %s\nsha256 %s\n" % (
        place,
        ctx.attr.urls[0],
        ctx.attr.sha256,
    ))

hz_archive = repository_rule(
    implementation = _hz_archive_impl,
    attrs = {
        "urls": attr.string_list(mandatory = True),
        "sha256": attr.string(mandatory = True),
        "package": attr.string(doc = "name of the distribution's source package"),
        "package_version": attr.string(doc = "its upstream version"),
        "package_sha256": attr.string(doc = "of its .orig archive, where it differs from upstream's"),
        "build_file": attr.label(allow_single_file = True),
    },
)

def _hz_source_packages_impl(ctx):
    script = ctx.path(Label("//tools:source_package.sh"))
    result = ctx.execute(
        ["sh", script, "update", ctx.path(".")],
        timeout = 300,
        environment = {"LC_ALL": "C"},
    )
    if result.return_code != 0:
        fail("the distribution's source packages cannot be used: " + result.stderr.strip())
    ctx.file("BUILD.bazel", "exports_files([\"apt.conf\"])\n")

hz_source_packages = repository_rule(
    implementation = _hz_source_packages_impl,
    doc = "The private package state that hz_archive asks; made only when a first archive needs it.",
)
