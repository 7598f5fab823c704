#!/bin/sh
# Prints, as a section of docs/faults.md, what each variant of a generation says about each misuse: runs
# the misuse test once per variant and joins the tables. Arguments: GENERATION TEST_PROGRAM LIBRARY... -- MISUSE_PROGRAM...
# A library is libGENERATION.so or libGENERATION_VARIANT.so. What a variant owes is not judged here.
set -u

generation=$1
test_program=$2
shift 2
libraries=
while [ "$1" != "--" ]; do
  libraries="$libraries $1"
  shift
done
shift

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
variants=
for library in $libraries; do
  name=$(basename "$library" .so)
  variant=${name#lib"$generation"}
  variant=${variant#_}
  variant=${variant:-standard}
  variants="$variants $variant"
  mkdir "$work/$variant"
  HZ_FAULT_TABLE_DIR="$work/$variant" "$test_program" --generation="$generation" \
    --variant="$variant" --so="$library" "$@" >"$work/$variant/log" 2>&1
  [ -s "$work/$variant/faults.tsv" ] || {
    echo "fault_report: $test_program gave no table for $variant" >&2
    exit 1
  }
done

echo "## $generation"
echo
for variant in $variants; do
  sed "s/^/$variant	/" "$work/$variant/faults.tsv"
done | awk -F '\t' -v variants="$variants" '
  $2 == "fault" { next }
  {
    if (!($2 in seen)) { seen[$2] = 1; order[++faults] = $2 }
    key = $2 SUBSEP $1
    words[key, ++count[key]] = $6
  }
  END {
    n = split(variants, v, " ")
    line = "| misuse |"; rule = "|---|"
    for (i = 1; i <= n; i++) { line = line " " v[i] " |"; rule = rule "---|" }
    print line; print rule
    for (f = 1; f <= faults; f++) {
      line = "| " order[f] " |"
      for (i = 1; i <= n; i++) {
        key = order[f] SUBSEP v[i]
        text = words[key, 1]; same = 1
        for (k = 2; k <= count[key]; k++) if (words[key, k] != words[key, 1]) same = 0
        if (!same) for (k = 2; k <= count[key]; k++) text = text " / " words[key, k]
        line = line " " text " |"
      }
      print line
    }
  }'
