#!/bin/sh
# Every peer, preloaded and linked, is what its name says, in the version that is pinned.
set -u
cd third_party || exit 1
failed=0

expect() {
  what=$1
  wanted=$2
  said=$3
  case $said in
  "$wanted"*) echo "ok: $what is $said" ;;
  *)
    echo "FAILED: $what should be '$wanted' and says '$said'"
    failed=1
    ;;
  esac
}

expect "no preload" libc "$(./who)"
expect "preloaded jemalloc" "jemalloc 5.3.0" "$(LD_PRELOAD=$PWD/jemalloc/libjemalloc.so ./who)"
expect "preloaded mimalloc" "mimalloc 209" "$(LD_PRELOAD=$PWD/mimalloc/libmimalloc.so ./who)"
expect "preloaded tcmalloc" "tcmalloc 2.10" \
  "$(LD_PRELOAD=$PWD/gperftools/libtcmalloc_minimal.so ./who)"
expect "linked jemalloc" "jemalloc 5.3.0" "$(./who_jemalloc)"
expect "linked mimalloc" "mimalloc 209" "$(./who_mimalloc)"
expect "linked tcmalloc" "tcmalloc 2.10" "$(./who_gperftools)"
exit $failed
