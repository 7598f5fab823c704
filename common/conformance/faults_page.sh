#!/bin/sh
# Writes docs/faults.md: runs the small misuse programs under every variant of both generations.
#
#   common/conformance/faults_page.sh        (from anywhere; about two minutes)
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
work=$(mktemp)
trap 'rm -f "$work"' EXIT
cat >"$work" <<'HEAD'
# Faults, and when each variant names them

Made by `common/conformance/faults_page.sh`: one small program per fault (`common/conformance/misuse`), blocks of 8 B,
4 KiB and 256 KiB; one entry where all three agree, else three in that order. The misuse tests of each variant hold
what they must name, and those of `hardened` hold this page.

- *at once*: the faulty call, or the free that could first see the damage, ended the program with its message;
  *inaccessible*: the access itself ended it.
- *by the next batch*: named when the block left its thread's cache.
- *prevented*: the program went on, and found that it had done no harm. *does not apply*: nothing to commit at that size.
- *not*: nothing was said. *crash*: another signal. *wrong message*: named under another word.
HEAD
for generation in hz3 hz4; do
  echo >>"$work"
  ./bazelw ${HZ_BAZEL_STARTUP:-} run ${HZ_BAZEL_OPTIONS:-} --noshow_progress "//$generation:conformance_fault_report" \
    >>"$work"
done
mv "$work" docs/faults.md
chmod 644 docs/faults.md
trap - EXIT
