#!/bin/sh
# Puts each peer that is built here beside the distribution's binary of the same version.
#
#   bench/records/peers/measure.sh [ROUNDS]      (default 11; as root or not; needs apt-get)
#
# Downloads the binaries without installing them, runs both builds interleaved on two lanes, and
# writes the figures to peers.tsv beside this script. README.md there says what they mean.
set -eu
rounds=${1:-11}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && apt-get -q -o APT::Sandbox::User="" download libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 >/dev/null)
for package in "$work"/*.deb; do
  dpkg -x "$package" "$work/root"
done
find_one() {
  find "$work/root" -name "$1" | sort | head -n 1
}

cd "$root"
./bazelw run --noshow_progress //bench:compare -- \
  --alloc jemalloc,mimalloc,tcmalloc \
  --so "jemalloc_dist=$(find_one 'libjemalloc.so.2')" \
  --so "mimalloc_dist=$(find_one 'libmimalloc.so.2*')" \
  --so "tcmalloc_dist=$(find_one 'libtcmalloc_minimal.so.4')" \
  --lane random_mixed --lane guard_r50 --touch none \
  --runs "$rounds" --rss-runs 0 --seconds 1 --no-report --out "$work/run" </dev/null

# One line a lane and peer: both medians, their ratio, and the median of the ratios within a round.
awk -F '\t' -v OFS='\t' '
function median(list, n,    i, j, t) {
  for (i = 2; i <= n; i++)
    for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
      t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
    }
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
FNR == 1 {
  delete column
  for (i = 1; i <= NF; i++)
    column[$i] = i
  next
}
{
  key = $column["row"] SUBSEP $column["alloc"]
  if (!(key in count))
    order[++rows] = key
  figure[key, ++count[key]] = $column["ops_per_s"]
}
END {
  print "lane", "peer", "rounds", "ours_ops_per_s", "distribution_ops_per_s", "ratio_of_medians",
    "median_of_ratios"
  for (r = 1; r <= rows; r++) {
    split(order[r], part, SUBSEP)
    other = part[1] SUBSEP part[2] "_dist"
    if (!(other in count))
      continue
    n = count[order[r]] < count[other] ? count[order[r]] : count[other]
    for (i = 1; i <= n; i++) {
      a[i] = figure[order[r], i]
      b[i] = figure[other, i]
      q[i] = a[i] / b[i]
    }
    ours = median(a, n)
    theirs = median(b, n)
    printf "%s\t%s\t%d\t%.4g\t%.4g\t%.3f\t%.3f\n", part[1], part[2], n, ours, theirs, ours / theirs,
      median(q, n)
  }
}' "$work/run/ops.tsv" | tee "$here/peers.tsv"
cp "$work/run/dso_sha256.txt" "$here/dso_sha256.txt"
