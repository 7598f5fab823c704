"""Boxes on trial: the registry's lines, and the test that holds them to the rules.

A generation's box/registry.bzl is a list, one line a box:

    load("//tools:boxes.bzl", "box")

    BOXES = [
        box(name = "remote_batch", hypothesis = "...", hook = "hz4/mid/mid.c:hz4_mid_free",
            metric = "main r90 ops/s", threshold = "+1.0 %", date = "2026-11-20"),
    ]

The line is all there is to write: hz_generation makes the flag (--//tools:box=hz4/remote_batch),
the constant (HZ4_BOX_REMOTE_BATCH, always defined, 0 or 1) and the side-by-side targets
(//hz4:hz4_remote_batch beside //hz4:hz4) from it.
"""

def box(name = "", hypothesis = "", hook = "", metric = "", threshold = "", date = ""):
    """One line of a registry.

    Args:
      name: the mechanism, in small letters: remote_batch. Its header is box/NAME.h.
      hypothesis: what gets better, and why.
      hook: FILE:FUNCTION that calls it.
      metric: the lane and figure that decide.
      threshold: what the figure must reach, with its sign and unit: "+1.0 %".
      date: the day the trial opened, as 2026-11-20.

    Returns:
      the line, as a dict.
    """
    return {
        "name": name,
        "hypothesis": hypothesis,
        "hook": hook,
        "metric": metric,
        "threshold": threshold,
        "date": date,
    }

_MOST_OPEN = 5

def _is_date(text):
    parts = text.split("-")
    return ([len(part) for part in parts] == [4, 2, 2] and
            all([part.isdigit() for part in parts]) and
            1 <= int(parts[1]) and int(parts[1]) <= 12 and
            1 <= int(parts[2]) and int(parts[2]) <= 31)

def _is_name(text):
    letters = "abcdefghijklmnopqrstuvwxyz"
    for c in text.elems():
        if c not in letters + "0123456789_":
            return False
    return text != "" and text[0] in letters

def _is_threshold(text):
    number, _, unit = text.strip().partition(" ")
    return (number[:1] in ["+", "-"] and number[1:].replace(".", "", 1).isdigit() and unit != "")

def box_faults(boxes):
    """What is wrong with a registry, as a list of sentences; empty when nothing is."""
    faults = []
    seen = []
    for i, entry in enumerate(boxes):
        who = entry["name"] or "box %d" % (i + 1)
        for field in ["name", "hypothesis", "hook", "metric", "threshold", "date"]:
            if not entry[field].strip():
                faults.append("%s has no %s" % (who, field))
        if entry["name"] and not _is_name(entry["name"]):
            faults.append("%s is no name of the form remote_batch" % who)
        if entry["date"] and not _is_date(entry["date"]):
            faults.append("%s: date '%s' is not of the form 2026-11-20" % (who, entry["date"]))
        if entry["threshold"] and not _is_threshold(entry["threshold"]):
            faults.append("%s: threshold '%s' is not of the form '+1.0 %%'" %
                          (who, entry["threshold"]))
        if entry["hook"] and ":" not in entry["hook"]:
            faults.append("%s: hook '%s' is not of the form FILE:FUNCTION" % (who, entry["hook"]))
        if entry["name"] in seen:
            faults.append("%s is listed twice" % who)
        seen.append(entry["name"])
    if len(boxes) > _MOST_OPEN:
        faults.append("%d boxes are open; the most is %d: close one first" %
                      (len(boxes), _MOST_OPEN))
    if [entry["name"] for entry in boxes] != sorted([entry["name"] for entry in boxes]):
        faults.append("the boxes are not sorted by name")
    return faults

def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"

def _box_test_impl(ctx):
    faults = ctx.attr.faults
    lines = ["#!/bin/sh"]
    for fault in faults:
        lines.append("echo %s" % _quote("%s: %s" % (ctx.attr.registry, fault)))

    # Each box has its header and nothing else lies there.
    have = [f.basename for f in ctx.files.headers]
    missing = [n + ".h" for n in ctx.attr.names if n and n + ".h" not in have]
    stray = [h for h in have if h.endswith(".h") and h[:-2] not in ctx.attr.names]
    for header in missing:
        lines.append("echo %s" % _quote("%s: the header %s is missing" % (ctx.attr.registry, header)))
    for header in stray:
        lines.append("echo %s" % _quote("%s: %s belongs to no box" % (ctx.attr.registry, header)))
    failed = len(faults) + len(missing) + len(stray)
    if ctx.attr.expect_faults:
        lines.append("exit %d" % (0 if failed == ctx.attr.expect_faults else 1))
    else:
        lines.append("echo %s" % _quote("%d boxes, %d faults" % (len(ctx.attr.names), failed)))
        lines.append("exit %d" % (1 if failed else 0))
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(script, "\n".join(lines) + "\n", is_executable = True)
    return [DefaultInfo(executable = script)]

_box_test = rule(
    implementation = _box_test_impl,
    attrs = {
        "registry": attr.string(),
        "names": attr.string_list(),
        "faults": attr.string_list(),
        "headers": attr.label_list(allow_files = True),
        "expect_faults": attr.int(doc = "for the test of the test: this many faults is right"),
    },
    test = True,
)

def hz_box_test(name, boxes, headers = [], expect_faults = 0):
    """Fails when a box lacks its hypothesis, hook, metric, threshold, date or header.

    Args:
      name: of the test.
      boxes: BOXES of registry.bzl beside it.
      headers: glob(["*.h"]).
      expect_faults: pass with exactly this many faults.
    """
    _box_test(
        name = name,
        size = "small",
        registry = native.package_name() + "/registry.bzl",
        names = [entry["name"] for entry in boxes],
        faults = box_faults(boxes),
        headers = headers,
        expect_faults = expect_faults,
    )
