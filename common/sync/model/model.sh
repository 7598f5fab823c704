#!/bin/sh
# Explores a Promela model completely and compares the outcome with what is expected.
#
#   model.sh MODEL holds|fails [-DNAME=VALUE ...]
#
# "fails" is for mutants: a model that cannot find a known fault proves nothing. Without spin the check is
# skipped, by name.
set -eu

model=$1
expected=$2
shift 2

if ! command -v spin >/dev/null 2>&1; then
  echo "SKIPPED: $model: spin is not installed"
  exit 0
fi

work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/model.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$model" "$work/model.pml"
cd "$work"
spin "$@" -a model.pml >spin.txt 2>&1 || { cat spin.txt; exit 1; }
"${CC:-gcc}" -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=1000 -DVECTORSZ=1024 -o pan pan.c >cc.txt 2>&1 || {
  cat cc.txt
  exit 1
}
# -m: a depth that no run reaches; a truncated search is an error, not a pass.
./pan -m200000 >pan.txt 2>&1 || true
if grep -q 'search not completed\|max search depth too small\|out of memory' pan.txt &&
  [ "$expected" = holds ]; then
  cat pan.txt
  echo "FAIL: $model $*: the search was not complete"
  exit 1
fi
errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.txt)
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.txt)
case $expected:$errors in
holds:0 | fails:[1-9]*)
  echo "ok: $model $*: $expected, $states states"
  ;;
*)
  cat pan.txt
  [ ! -f model.pml.trail ] || ./pan -r -n 2>&1 | tail -60 || true
  echo "FAIL: $model $*: expected that it $expected; errors: ${errors:-none reported}"
  exit 1
  ;;
esac
