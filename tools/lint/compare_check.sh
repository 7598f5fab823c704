#!/bin/sh
# Lets //bench:compare make one small table and holds it to having a finite figure for each
# allocator.
#
#   compare_check.sh DIR      the run's folder; must not exist yet
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
cd "$root" || exit 1

./bazelw run --noshow_progress //bench:compare -- --lane guard_r50 --lane random_mixed \
  --touch none --runs 1 --rss-runs 1 --seconds 0.2 --timeout 60 --no-report --out "$out" \
  </dev/null || {
  echo "the run ended with $?"
  exit 1
}

awk -F '\t' '
NR == 1 {
  for (i = 1; i <= NF; i++)
    column[$i] = i
  if (!("alloc" in column) || !("ops_per_s" in column)) {
    print "summary.tsv has no column alloc or ops_per_s: " $0
    exit bad = 1
  }
  next
}
{
  figure = $column["ops_per_s"]
  if (figure !~ /^[0-9]+(\.[0-9]+)?(e[+]?[0-9]+)?$/ || figure + 0 <= 0) {
    print "no finite figure: " $0
    bad = 1
  } else {
    rows[$column["alloc"]]++
  }
}
END {
  count = split("hz3 hz4 jemalloc mimalloc tcmalloc glibc", wanted, " ")
  for (i = 1; i <= count; i++)
    if (rows[wanted[i]] != 2) {
      print wanted[i] " has " rows[wanted[i]] + 0 " rows, not 2"
      bad = 1
    }
  exit bad
}' "$out/summary.tsv" && echo "a finite figure for each allocator on both lanes"
