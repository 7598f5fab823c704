#!/usr/bin/env bash
# The lab as a program: whole runs, killed runs, resumed runs, refusals, hangs. Under Bazel the lab and what
# it measures lie among the runfiles; the arguments are the lab and the folder of sick allocators.
set -u
PATH=$PATH:/usr/sbin:/sbin # ldconfig
lab=$(realpath "$1")
sick=$(realpath "$2")
out=$(mktemp -d "${TEST_TMPDIR:-/tmp}/lab_test.XXXXXX")
trap 'rm -rf "$out"' EXIT
failures=0

fail() {
  echo "FAIL: $*" >&2
  failures=$((failures + 1))
}

# expect_refusal PATTERN ARGUMENTS...: exit 2 and one sentence that matches.
expect_refusal() {
  local pattern=$1 text status
  shift
  text=$("$lab" "$@" 2>&1 >/dev/null)
  status=$?
  [ $status = 2 ] || fail "$*: exit $status instead of 2"
  grep -qE -e "$pattern" <<<"$text" || fail "$*: '$text' does not match '$pattern'"
}

cells() { # the set of finished cells in a folder
  cut -f1-4 "$1/ops.tsv" "$1/rss.tsv" | grep -vE '^(pass|floor)' | sort
}

test_refusals() {
  expect_refusal "no lane is called 'nowhere'; known: .*main_r90" compare --lane nowhere
  expect_refusal "no allocator is called 'nobody'; known: .*glibc" compare --alloc nobody
  expect_refusal "does not exist" compare --so x=/nowhere/x.so
  expect_refusal "does not define malloc and free" compare --so "x=$(ldconfig -p | awk '/libm.so.6/ {print $NF; exit}')"
  cp "$sick/libcrash.so" "$out/other.so"
  printf '\003' | dd of="$out/other.so" bs=1 seek=18 conv=notrunc 2>/dev/null # the machine becomes an 80386
  expect_refusal "is built for another machine" compare --so "x=$out/other.so"
  expect_refusal "is not an ELF file" compare --so x=/etc/passwd
  expect_refusal "--runs does not take '0'" compare --runs 0
  expect_refusal "holds no run" compare --resume "$out/nothing"
  expect_refusal "cannot make the folder" compare --alloc glibc --lane args_2k --out /proc/nowhere/x
  expect_refusal "blank or a colon" compare --alloc glibc --lane args_2k --out "$out/a b"
  expect_refusal "cannot make the folder .*Not a directory" compare --alloc glibc --lane args_2k --out /dev/full/x
  # A disk that is full, as far as this process can tell: no file may grow beyond 100 KiB.
  (
    trap '' XFSZ
    ulimit -f 100
    failures=0
    expect_refusal "cannot copy .*File too large" compare --alloc glibc --lane args_2k --out "$out/full"
    exit $failures
  ) || fail "a full disk is not refused"
}

test_whole_run() {
  local dir="$out/whole" last
  last=$(cd "$out" && BUILD_WORKING_DIRECTORY=$out "$lab" compare --alloc glibc,null --lane args_2k,guard_r90 --touch none \
    --runs 2 --seconds 0.05 --out whole 2>/dev/null | tail -1)
  [ "$last" = "$dir" ] || fail "the last line is '$last', not the folder"
  for file in summary.md summary.tsv ops.tsv rss.tsv meta.json dso_sha256.txt report.html; do
    [ -s "$dir/$file" ] || fail "$file is missing"
  done
  [ "$(cells "$dir" | wc -l)" = 12 ] || fail "not 12 cells: $(cells "$dir")"
  [ -z "$(cells "$dir" | uniq -d)" ] || fail "a cell ran twice"
  (cd "$dir/pins" && for f in *; do [ "$(sha256sum "$f" | cut -c1-64)" = "${f%%-*}" ] || echo "$f"; done) | grep . &&
    fail "a pinned file does not have the hash of its name"
  ls "$dir"/curves/*.csv >/dev/null || fail "no memory curves"
  [ ! -e "$dir/scratch" ] || fail "the scratch folder is left"
}

test_kill_and_resume() {
  local signal=$1 dir="$out/resumed.$1" status pid
  "$lab" compare --alloc glibc,null --lane args_2k,guard_r90 --touch none --runs 3 --seconds 0.1 --out "$dir" \
    >"$out/out" 2>"$out/err" &
  pid=$!
  sleep "1.$((RANDOM % 9))"
  kill "-$signal" $pid
  wait $pid
  status=$?
  [ "$signal" != INT ] || [ $status = 130 ] || fail "INT: exit $status"
  [ "$signal" != INT ] || grep -q "interrupted" "$out/err" || fail "INT says nothing"
  sleep 2.5
  if ps -eo args | grep -F "$dir/pins" | grep -vq grep; then fail "$signal leaves a process behind"; fi
  "$lab" compare --resume "$dir" >/dev/null 2>"$out/err" || fail "resume after $signal: $(cat "$out/err")"
  [ "$(cells "$dir" | wc -l)" = 16 ] || fail "after $signal and resume: $(cells "$dir")"
  [ -z "$(cells "$dir" | uniq -d)" ] || fail "$signal: a cell ran twice"
}

test_linked() {
  local dir="$out/linked"
  "$lab" compare --linked --alloc glibc,null --lane args_2k --touch none --runs 2 --seconds 0.05 --out "$dir" \
    >"$out/out" 2>"$out/err" || fail "linked: $(cat "$out/err")"
  [ "$(cells "$dir" | wc -l)" = 6 ] || fail "linked: $(cells "$dir")"
  ls "$dir"/pins/*-null.args >/dev/null || fail "linked: the program with null inside is not pinned"
  grep -q '"name": "null/args"' "$dir/meta.json" || fail "linked: meta.json does not name the program"
  grep -q 'LD_PRELOAD' "$dir/meta.json" && fail "linked: something is preloaded"
  grep -q 'land in the linked program itself' "$dir/meta.json" || fail "linked: no proof"
  sed -i '/^speed\t.*\tnull\t2/d' "$dir/ops.tsv"
  "$lab" compare --resume "$dir" >/dev/null 2>"$out/err" || fail "linked, resumed: $(cat "$out/err")"
  [ "$(cells "$dir" | wc -l)" = 6 ] || fail "linked, resumed: $(cells "$dir")"
  expect_refusal "say one" compare --linked --so "x=$sick/libcrash.so"
  expect_refusal "cannot link a program of the machine" compare --linked --app true
}

test_app_and_calls() {
  "$lab" compare --alloc glibc,null --app 'test -n "$B" && exit 0' --app-name small --env B=1 --runs 2 --rss-runs 0 \
    --out "$out/app" >"$out/out" 2>"$out/err" || fail "app: $(cat "$out/err")"
  grep -q '^small: ' "$out/out" || fail "app: $(cat "$out/out")"
  APP_CMD=true APP_NAME=bare APP_RUNS=3 "$lab" compare --alloc glibc --rss-runs 0 --out "$out/app2" >"$out/out" 2>"$out/err" ||
    fail "APP_CMD: $(cat "$out/err")"
  [ "$(grep -c $'^speed\tbare\tglibc' "$out/app2/ops.tsv")" = 3 ] || fail "APP_RUNS: $(cat "$out/app2/ops.tsv")"
  "$lab" compare --alloc null --lane args_2k --touch none --runs 1 --rss-runs 0 --seconds 0.05 --os-calls \
    --out "$out/calls" >"$out/out" 2>"$out/err" || fail "--os-calls: $(cat "$out/err")"
  grep -qE $'^args_2k\tnull\t' "$out/calls/os_calls.tsv" || fail "--os-calls: $(cat "$out/out")"
}

test_sweep() {
  "$lab" sweep size=16-64,16-128 A=1,2 --lane args_2k --alloc glibc --runs 1 --rss-runs 0 --seconds 0.03 --env X=y \
    --out "$out/sweep" >"$out/out" 2>"$out/err" || fail "sweep: $(cat "$out/err")"
  [ "$(cut -f2 "$out/sweep/ops.tsv" | grep -c '^16-.*_A=[12]$')" = 8 ] || fail "sweep: $(cut -f1-4 "$out/sweep/ops.tsv")"
  [ -s "$out/sweep/report.html" ] || fail "sweep: no heat map"
  expect_refusal "args_2k has no axis threads" sweep threads=1,2 --lane args_2k --alloc glibc
  expect_refusal "no axis is called 'colour'" sweep colour=red
  expect_refusal "knows the tree to build from" sweep build=--copt=-O3 --alloc hz3
}

test_fail_fast() {
  "$lab" compare --alloc glibc --so "crash=$sick/libcrash.so" --lane args_2k --touch none --runs 2 --seconds 0.1 \
    --out "$out/crash" >"$out/out" 2>"$out/err"
  [ $? = 1 ] || fail "a crashing cell does not end in 1"
  grep -q "args_2k / crash / speed pass / round 1 failed: signal: signal 6" "$out/err" || fail "$(cat "$out/err")"
  "$lab" compare --alloc glibc --so "crash=$sick/libcrash.so" --lane args_2k --touch none --runs 2 --seconds 0.1 \
    --allow-fail --out "$out/crash2" >"$out/out" 2>"$out/err" || fail "--allow-fail: exit $?"
  grep -qE "crash .*signal" "$out/out" || fail "the failed cell is not marked: $(cat "$out/out")"
}

# expect_verdict NAME PATTERN: a sick allocator gets its own verdict.
expect_verdict() {
  "$lab" hang guard_r0 "$out/lib$1.so" -n 3 --seconds 0.3 --timeout 3 --out "$out/hang_$1" >"$out/out" 2>"$out/err"
  [ $? = 1 ] || fail "hang $1: $(cat "$out/err")"
  grep -q "^Verdict: $2" "$out/out" || fail "hang $1: $(cat "$out/out")"
  ls "$out/hang_$1"/hangs/*/threads.txt "$out/hang_$1/runs.tsv" "$out/hang_$1/progress.log" >/dev/null ||
    fail "hang $1: evidence is missing"
}

test_hangs() {
  cp "$sick"/lib{dead,live}_lock.so "$out/"
  expect_verdict dead_lock "fault in the allocator: dead-lock"
  expect_verdict live_lock "fault in the allocator: live-lock"
  cp "$sick/libdead_lock.so" "$out/libstale.so"
  (sleep 1.5; cp "$sick/liblive_lock.so" "$out/libstale.so.new"; mv "$out/libstale.so.new" "$out/libstale.so") &
  expect_verdict stale "stale shared object"
  wait
  "$lab" hang args_2k glibc -n 2 --seconds 0.05 --out "$out/calm" >"$out/out" 2>"$out/err" || fail "calm: exit $?"
  grep -q "^Verdict: not reproduced in 2" "$out/out" || fail "calm: $(cat "$out/out")"
}

for part in ${3:-refusals whole_run linked app_and_calls sweep fail_fast hangs}; do
  echo "== $part"
  "test_$part"
done
if [ -z "${3:-}" ]; then
  for signal in INT TERM KILL; do
    echo "== kill and resume by $signal"
    test_kill_and_resume $signal
  done
fi
[ $failures = 0 ] && echo "all passed"
exit $((failures > 0))
