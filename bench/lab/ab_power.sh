#!/usr/bin/env bash
# A benchmark of the judge itself, not a test: how often does ab tell equals apart, and how often does it miss
# a handicap of some three percent?
#
#   bazel run //bench:ab_power -- [RUNS [SECONDS [CELL_SECONDS [LOOPS]]]]
#
# RUNS (20) judgements of an allocator against itself, and as many of it against the same code with a longer
# empty loop in malloc, each within SECONDS (60) on one lane in cells of CELL_SECONDS (0.3). The loop is chosen
# first, so that its handicap on this machine is nearest to three percent of the lane; LOOPS (2, 3, 4, 6 or 8)
# names it instead, so that a benchmark can be cut into pieces. Ends in one table.
set -u
root=${RUNFILES_DIR:-$0.runfiles}
find_file() { find -L "$root" -path "*/$1" -print -quit; }
lab=$(find_file bench/ab)
runs=${1:-20}
seconds=${2:-60}
cell=${3:-0.3}
loops=${4:-}
lane=args_2k
for value in "$runs" "$seconds"; do
  case $value in
  '' | *[!0-9]* | 0)
    echo "ab_power: '$value' is no number of runs or seconds above 0." >&2
    exit 2
    ;;
  esac
done
if ! [[ $cell =~ ^[0-9]*\.?[0-9]+$ ]]; then
  echo "ab_power: '$cell' is no number of seconds." >&2
  exit 2
fi
if [ -z "$lab" ]; then
  echo "ab_power: run it as bazel run //bench:ab_power." >&2
  exit 2
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
plain=$(find_file bench/lab/testing/libslow1.so)

# judge NAME OTHER SECONDS: the verdict and the estimate of one run.
judge() {
  "$lab" "$plain" "$2" only --no-report --lane "$lane" --seconds "$cell" --budget "$3" --out "$out/$1" >"$out/$1.out" 2>"$out/$1.err" ||
    echo "ab_power: $1 ended with status $?: $(tail -n 1 "$out/$1.err")" >&2
  verdict=$(sed -nE 's/^(GO|NO-GO|NEUTRAL):.*/\1/p' "$out/$1.out")
  estimate=$(sed -nE 's/^Estimate over the target lanes: ([-+0-9.]+) %.*/\1/p' "$out/$1.out")
}

best= best_miss=
if [ -n "$loops" ]; then
  best=$(find_file "bench/lab/testing/libslow$loops.so")
  if [ -z "$best" ]; then
    echo "ab_power: no loop of $loops turns was built; there are 2, 3, 4, 6 and 8." >&2
    exit 2
  fi
fi
for loops in $([ -n "$best" ] || echo 2 3 4 6 8); do
  other=$(find_file "bench/lab/testing/libslow$loops.so")
  judge "calibrate$loops" "$other" "$((seconds * 2))"
  miss=$(awk -v e="${estimate:-99}" 'BEGIN { d = e + 3; print d < 0 ? -d : d }')
  echo "a loop of $loops turns instead of 1: ${estimate:-?} %"
  if [ -z "$best" ] || awk -v a="$miss" -v b="$best_miss" 'BEGIN { exit !(a < b) }'; then
    best=$other best_miss=$miss
  fi
done

false=0 missed=0
for ((i = 1; i <= runs; i++)); do
  judge "same$i" "$plain" "$seconds"
  [ "$verdict" = NEUTRAL ] || false=$((false + 1))
  echo "against itself $i: $verdict ${estimate:-?} %"
  judge "slower$i" "$best" "$seconds"
  [ "$verdict" = NO-GO ] || missed=$((missed + 1))
  echo "against the handicap $i: $verdict ${estimate:-?} %"
done
echo
echo "false verdicts (A against itself): $false of $runs"
echo "missed handicaps ($(basename "$best")): $missed of $runs"
