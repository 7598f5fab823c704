#!/usr/bin/env bash
# The lanes with threads under ThreadSanitizer, each with and without --check.
# Run from the workspace's root of the runfiles.
set -u
dir=bench/workloads
failures=0
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"

lane() { # lane NAME ARGUMENT...
  local name=$1
  shift
  for check in "" --check; do
    out=$("$dir/${name}_tsan" "$@" $check 2>&1)
    status=$?
    if [ $status != 0 ] || ! printf '%s\n' "$out" | grep -q '^RESULT '; then
      echo "FAIL: $name $* $check: exit $status: $out" >&2
      failures=$((failures + 1))
    fi
  done
}

# Some kernels lay out memory in a way this sanitizer's runtime does not know: say so and pass.
probe=$("$dir/cache_thrash_tsan" 1 1 8 1 2>&1)
if printf '%s\n' "$probe" | grep -q 'unexpected memory mapping'; then
  echo "SKIPPED: ThreadSanitizer cannot run on this kernel: $probe"
  exit 0
fi

lane mt_remote 8 8000 100 16 512 90 256
lane mt_remote 8 8000 100 16 512 90 256 --classic
lane mt_remote 4 4000 100 16 5120 50 3
lane mt_remote 3 1000000000 100 16 512 100 1 --seconds 0.5 --warm-seconds 0.5
lane mt_remote 4 1000000000 100 16 512 50 64 --seconds 0.5 --latency --epoch-ms 100
lane larson small 4 100 2 --seconds 0.5 --latency --epoch-ms 100
lane larson small 4 100 --mode burst --seconds 0.5
lane xmalloc 3 2 100 4 --seconds 0.5
lane mstress 6 4 1000
lane cache_scratch 4 20 8 4000
lane cache_thrash 4 20 8 4000
[ "$failures" = 0 ] && echo "no races"
exit $((failures > 0))
