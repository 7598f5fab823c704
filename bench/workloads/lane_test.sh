#!/usr/bin/env bash
# One lane: what it prints, how it refuses, what --check finds, how it is bounded.
#   lane_test.sh LANE one|many
# Run from the workspace's root of the runfiles.
set -u
lane=$1
threads=$2
dir=bench/workloads
program=$dir/$lane
failures=0
work=${TEST_TMPDIR:-$(mktemp -d)}

fail() {
  echo "FAIL: $*" >&2
  failures=$((failures + 1))
}

# Few and quick operations; enough for 200 sound calls of the broken allocator and then some.
case $lane in
  mt_remote) small="4 20000 100 16 2048 50 64" ;;
  random_mixed | args) small="20000 100 16 1024" ;;
  dist) small="app 20000 100" ;;
  mixed_large) small="8 65536 4000 100" ;;
  malloc_large) small="600 20 16 256" ;;
  larson) small="small 4 200 2 --seconds 0.3" ;;
  xmalloc) small="2 2 200 4 --seconds 0.3" ;;
  mstress) small="4 3 1000" ;;
  cache_scratch | cache_thrash) small="4 100 64 2000" ;;
  *) echo "no such lane: $lane" >&2; exit 2 ;;
esac

run() { # run ARGUMENT...: stdout in $out, stderr in $work/err, status in $status
  out=$("$program" "$@" 2>"$work/err")
  status=$?
}

value() { # value KEY: of the RESULT line in $out
  printf '%s\n' "$out" | tr ' ' '\n' | sed -n "s/^$1=//p" | head -n 1
}

expect_result() { # expect_result WHAT
  [ "$status" = 0 ] || fail "$1: exit $status: $(cat "$work/err")"
  [ "$(printf '%s\n' "$out" | grep -c '^RESULT workload='"$lane"' ops=[0-9]* seconds=')" = 1 ] ||
    fail "$1: no RESULT line: $out"
  for key in ops_per_s threads live_high_bytes live_error_bytes alloc_failures touch rss_peak_kib; do
    [ -n "$(value $key)" ] || fail "$1: no $key in: $out"
  done
  [ "$(value ops)" -gt 0 ] || fail "$1: no operations: $out"
  [ "$(value valid)" = 1 ] || fail "$1: not valid: $out"
  [ "$(value alloc_failures)" = 0 ] || fail "$1: allocation failures: $out"
}

refuses() { # refuses NAMED ARGUMENT...: exit 2, the value and what is accepted, usage
  local named=$1
  shift
  run "$@"
  [ "$status" = 2 ] || fail "$*: exit $status, not 2"
  [ -z "$out" ] || fail "$*: something on stdout: $out"
  head -n 1 "$work/err" | grep -qF -- "$named" || fail "$*: '$named' not named: $(cat "$work/err")"
  head -n 1 "$work/err" | grep -q 'accepted: ' || fail "$*: not said what is accepted"
  grep -q "^Usage: $lane " "$work/err" || fail "$*: no usage"
}

# What it prints.
run $small
expect_result plain
[ "$(printf '%s\n' "$out" | wc -l)" = 1 ] || fail "more than one line: $out"
for touch in none edges all; do
  run $small --touch=$touch
  expect_result "touch $touch"
  [ "$(value touch)" = $touch ] || fail "touch is $(value touch)"
done
run --help
[ "$status" = 0 ] || fail "--help: exit $status"
printf '%s\n' "$out" | grep -q '^Usage:' || fail "--help: no usage"

# How it refuses.
refuses "--no-such" --no-such
refuses "--seconds" --seconds
refuses "--seconds is '0'" --seconds 0
refuses "--seconds is 'x'" --seconds x
refuses "--scale is '-1'" --scale=-1
refuses "--scale is 'nan'" --scale=nan
refuses "--touch is 'some'" --touch some
refuses "--seed is '1x'" --seed 1x
refuses "--hold-ms is ''" --hold-ms=
refuses "--epoch-ms is '0'" --epoch-ms=0
case $lane in
  dist) refuses "dist is 'nothing'; accepted: app, bimodal or trimix" nothing
        refuses "'9' is one argument too many" app 9 9 9 ;;
  larson) refuses "band is 'nothing'; accepted: tiny, small, mid, 13k or large" nothing
          refuses "'9' is one argument too many" tiny 9 9 9 9 ;;
  *) refuses "is 'nothing'; accepted: a whole number" nothing
     refuses "is '0'" 0
     refuses "'9' is one argument too many" 9 9 9 9 9 9 9 9 ;;
esac
case $lane in
  mt_remote)
    refuses "remote_pct is '101'" 2 10 10 16 32 101
    refuses "min is 33 and max is 32" 2 10 10 33 32 0
    refuses "remote_pct is 50 with threads 1" 1 10 10 16 32 50
    ;;
  random_mixed | args) refuses "min is 33 and max is 32" 10 10 33 32 ;;
  mixed_large) refuses "min is 33 and max is 32" 33 32 ;;
  malloc_large) refuses "min_kib is 33 and max_kib is 32" 10 10 33 32 ;;
  larson) refuses "--mode is 'x'; accepted: loop or burst" --mode x ;;
  dist)
    for bands in '' 1 99:1-2 50:1-2 50:1-2,51:1-2 100:2-1 100:0-1 100:1-2, 100:1-2x \
      '100:1-4294967296' '-1:1-2' '50:1-2;50:1-2'; do
      refuses "--bands is '$bands'" --bands="$bands"
    done
    run --bands=50:1-8,50:100-200 --scale 0.001
    expect_result bands
    ;;
esac

# What --check finds, and that it finds nothing in a sound allocator.
run $small --check
expect_result check
preload() { # preload FAULT ARGUMENT...
  local broken=$1
  shift
  # Briefly where time is the bound: that allocator never reuses memory.
  case $lane in larson | xmalloc) set -- "$@" --seconds 0.1 ;; esac
  out=$(BROKEN=$broken LD_PRELOAD=$PWD/$dir/libbroken.so "$program" "$@" 2>"$work/err")
  status=$?
}
preload none $small --check
expect_result "sound preload"
case $lane in
  cache_*) faults=misaligned ;; # one block at a time in each thread: a test of its own below
  *) faults="twice overlap misaligned scribble" ;;
esac
for broken in $faults; do
  preload $broken $small --check
  [ "$status" = 1 ] || fail "BROKEN=$broken: exit $status: $out"
  [ -z "$out" ] || fail "BROKEN=$broken: a result nevertheless: $out"
  grep -q '^\(content\|alignment\) check failed: ' "$work/err" ||
    fail "BROKEN=$broken: $(cat "$work/err")"
done
case $lane in
  cache_*)
    # Threads that write to one and the same object notice, if two of them can run at once.
    preload everyone 4 400 64 200000 --check
    if [ "$(nproc)" -gt 1 ] && [ "$status" != 1 ]; then
      fail "BROKEN=everyone: exit $status: $out"
    fi
    ;;
esac

# How it is bounded, and what it does afterwards.
huge=$small
case $lane in
  mt_remote) huge="4 1000000000 100 16 2048 50 128" ;;
  random_mixed | args) huge="100000000000 100 16 1024" ;;
  dist) huge="app 100000000000 100" ;;
  mixed_large) huge="8 65536 100000000000 100" ;;
  malloc_large) huge="100000000 20 16 256" ;;
  mstress) huge="4 10000000 1000" ;;
  cache_*) huge="4 100000000 64 2000" ;;
esac
start=$(date +%s%N)
run $huge --seconds 0.4 --warm-seconds 0.4
took=$((($(date +%s%N) - start) / 1000000))
expect_result bounded
[ "$took" -lt 10000 ] || fail "--seconds 0.4 took $took ms"

# The time of single calls, and what happens on the way.
run $huge --seconds 0.5 --warm-seconds 0.4 --latency --epoch-ms 100
[ "$status" = 0 ] || fail "--latency --epoch-ms: exit $status: $(cat "$work/err")"
[ "$(value samples)" -gt 0 ] || fail "--latency: no samples: $out"
printf '%s\n' "$out" | tr ' ' '\n' | grep -A100 '^RESULT' |
  awk -F= '/^(p50|p99|p999|p9999)_ns=/ { if ($2 < last || $2 <= 0) exit 1; last = $2; n++ }
           END { exit n != 4 }' || fail "--latency: percentiles do not rise: $out"
epochs=$(printf '%s\n' "$out" | grep -c '^EPOCH number=[1-9] seconds=.* ops=[0-9]* .*rss_kib=[1-9].* p99_ns=')
[ "$epochs" -ge 2 ] && [ "$epochs" -le 5 ] || fail "--epoch-ms 100: $epochs epochs in 0.5 s: $out"

run $small --hold-ms 50
[ "$(printf '%s\n' "$out" | sed 's/ .*//' | tr '\n' ' ')" = "RESULT FREED SETTLED " ] ||
  fail "--hold-ms: $out"
[ "$(printf '%s\n' "$out" | grep -c '^\(FREED\|SETTLED\) rss_kib=[1-9][0-9]*$')" = 2 ] ||
  fail "--hold-ms: no rss_kib: $out"

# Under the null allocator it runs and stays within the memory that promises.
out=$(LD_PRELOAD=$PWD/$dir/libnull.so "$program" $huge --seconds 0.4 --warm-seconds 0.4 2>"$work/err")
status=$?
expect_result "null allocator"
[ "$(value rss_peak_kib)" -lt 400000 ] || fail "null allocator: $(value rss_peak_kib) KiB"

# One-thread lanes repeat exactly; another seed does not.
if [ "$threads" = one ]; then
  figures() {
    run $small "$@"
    printf '%s\n' "$out" | tr ' ' '\n' | grep -v '^\(seconds\|ops_per_s\|rss_peak_kib\)='
  }
  first=$(figures --seed 5)
  [ "$first" = "$(figures --seed 5)" ] || fail "the same seed gave another run"
  [ "$first" != "$(figures --seed 6)" ] || fail "another seed gave the same run"
fi

if [ "$lane" = random_mixed ]; then
  out=$(ulimit -v 300000 && "$program" 10000 400 1000000 2000000 2>"$work/err")
  [ $? = 0 ] && [ "$(value alloc_failures)" -gt 0 ] && [ "$(value valid)" = 0 ] &&
    [ "$(value reason)" = alloc_failures ] || fail "failing mallocs: $out $(cat "$work/err")"
fi

if [ "$lane" = mt_remote ]; then
  for share in 0 50 90 100; do
    run 4 20000 100 16 512 $share 64
    expect_result "remote $share"
    effective=$(value effective_remote_pct)
    awk -v a="$effective" -v b="$share" 'BEGIN { exit !(a - b <= 1 && b - a <= 1) }' ||
      fail "remote $share: effective $effective"
    [ "$(value mode)" = matched ] || fail "matched is not the default"
    [ "$(value fallback_pct)" = 0.000 ] || fail "a matched run fell back"
    [ "$(value warmup)" = full ] || fail "warm-up $(value warmup)"
    awk -v t="$(value warm_turnovers)" 'BEGIN { exit !(t >= 2) }' || fail "rings not turned over"
    [ "$(value ops)" = $(($(value mallocs) + $(value remote_frees) + $(value local_frees))) ] ||
      fail "ops are not mallocs and frees: $out"
    [ "$(value iterations)" = 80000 ] || fail "iterations: $out"
  done
  run 8 20000 100 16 512 90 16 --classic
  [ "$status" = 0 ] && [ "$(value mode)" = classic ] || fail "classic: $out"
  awk -v f="$(value fallback_pct)" 'BEGIN { exit !(f > 0) }' || fail "classic: no fallback: $out"
  run 4 20000 100 16 512 90 256 --scale 0.5
  [ "$(value iterations)" = 40000 ] || fail "--scale: $out"
  # A ring of one slot, more threads than anyone has cores: it must not dead-lock.
  run 32 500 10 16 64 100 1
  expect_result "ring of one"
  # Some 30 frees cannot keep to a point of the share, but for luck that does not hold ten times.
  marked=0
  for seed in 1 2 3 4 5 6 7 8 9 10; do
    run 2 64 16 16 512 50 64 --seed $seed
    [ "$status" = 0 ] || fail "short run: exit $status"
    [ "$(value valid)$(value reason)" = 0remote_share ] && marked=$((marked + 1))
  done
  [ $marked -gt 0 ] || fail "a stray remote share was never marked"
  # A warm-up that cannot end in time is cut, and said to be.
  run 2 1000 100 16 512 1 1000000 --seconds 0.2 --warm-seconds 0.2
  [ "$status" = 0 ] && [ "$(value warmup)" = cut ] || fail "cut warm-up: $out"
fi

[ "$failures" = 0 ] && echo "$lane: passed"
exit $((failures > 0))
