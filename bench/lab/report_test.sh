#!/usr/bin/env bash
# The report in a real browser: charts are drawn, nothing is said on the console, no request leaves the page.
# Skipped by name where Chromium is not installed; HZ_NO_SKIP=1 makes a skip a failure.
set -u
lab=$(realpath "$1")
out=$(mktemp -d "${TEST_TMPDIR:-/tmp}/report_test.XXXXXX")
trap 'rm -rf "$out"' EXIT
browser=$(PATH=$PATH:/usr/bin command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  echo "SKIPPED: report_test: chromium is not installed"
  exit "${HZ_NO_SKIP:-0}"
fi
fail() {
  echo "FAIL: $*" >&2
  exit 1
}

"$lab" compare --alloc glibc,null --lane args_2k,guard_r90 --touch none --runs 2 --seconds 0.05 --latency \
  --out "$out/run" >/dev/null 2>"$out/err" || fail "no run: $(cat "$out/err")"
page=$out/run/report.html
grep -q 'vega' "$page" || fail "the plotting library is not in the page"
# What a page could fetch with: no address may stand in an element of ours.
grep -oE '(src|href)="[^"]*"' "$page" | grep -vE 'href="data:,"' | grep . && fail "the page names something outside itself"

HOME=$out timeout 100 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
  --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
  --user-data-dir="$out/profile" --virtual-time-budget=20000 --enable-logging=stderr \
  --host-resolver-rules="MAP * ~NOTFOUND" --dump-dom "file://$page" >"$out/dom.html" 2>"$out/browser.log"
grep 'CONSOLE' "$out/browser.log" && fail "the console says something"
grep -q 'data-ready="yes"' "$out/dom.html" || fail "the page's script did not end: $(tail -3 "$out/browser.log")"
charts=$(grep -oE '<svg [^>]*class="marks"' "$out/dom.html" | wc -l)
[ "$charts" -ge 6 ] || fail "only $charts charts are drawn, not the matrix, two rows, scatter, curves, latency"
grep -o '<path[^>]*aria-roledescription="[^"]*symbol[^"]*"' "$out/dom.html" | grep -q . ||
  grep -q 'mark-symbol' "$out/dom.html" || fail "no point is drawn"
# A request that left the page would break its policy, and the console would have said so.
grep -q "content=\"default-src 'none'; " "$out/dom.html" || fail "the page's policy is gone"
echo "passed: $charts charts"
