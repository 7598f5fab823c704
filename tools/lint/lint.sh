#!/bin/sh
# Holds the tree to its style: layout, static analysis, and what no test can see.
#
#   tools/lint/lint.sh [format] [tidy] [text] [boxes]       (all of them when none is named)
#
# Prints `ok NAME` or `FAILED NAME` for each and ends with 1 when one failed. `tidy` asks Bazel for
# the compile commands: whatever flags a source is built with, it is analysed with.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
[ $# -gt 0 ] || set -- format tidy text boxes
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

verdict() {
  if [ "$2" = 0 ]; then
    echo "ok $1"
  else
    echo "FAILED $1"
    failed=1
  fi
}

# The release that the tree's layout was made with, under either of its names.
tool() {
  for name in "$1-14" "$1"; do
    if command -v "$name" >/dev/null 2>&1 && "$name" --version | grep -q 'version 14\.'; then
      echo "$name"
      return
    fi
  done
  echo "$1 14 is not installed" >&2
  return 1
}

check_format() {
  format=$(tool clang-format) || return 1
  git ls-files -z '*.c' '*.h' '*.cc' | xargs -0 -r "$format" --dry-run -Werror
}

check_tidy() {
  tidy=$(tool clang-tidy) || return 1
  targets='//common/... + //hz3/... + //hz4/... + //bench/... + //third_party:all'
  # Generated headers must exist before a source that includes them can be read.
  ./bazelw build --keep_going --noshow_progress -- $(echo "$targets" | sed 's/ + / /g') \
    >"$work/build.log" 2>&1 || {
    tail -n 20 "$work/build.log"
    return 1
  }
  where=$(./bazelw info execution_root 2>/dev/null)
  ./bazelw aquery --output=jsonproto "mnemonic(\"CppCompile\", $targets)" \
    >"$work/actions.json" 2>"$work/aquery.log" || {
    tail -n 20 "$work/aquery.log"
    return 1
  }
  python3 tools/lint/compile_commands.py "$where" <"$work/actions.json" \
    >"$work/compile_commands.json" || return 1
  # Programs that commit a fault on purpose are not analysed for it.
  grep -o '"file": "[^"]*"' "$work/compile_commands.json" | cut -d'"' -f4 |
    grep -v '^common/conformance/misuse/' | sort -u >"$work/files"
  [ -s "$work/files" ] || {
    echo "no source was found to analyse"
    return 1
  }
  sed "s,^,$where/," "$work/files" |
    xargs -P "$(nproc)" -n 4 "$tidy" --quiet -p "$work" --config-file=.clang-tidy \
      >"$work/tidy.log" 2>/dev/null
  status=$?
  grep -E '(warning|error):' "$work/tidy.log" | sort -u
  echo "$(wc -l <"$work/files") sources analysed"
  return $status
}

check_text() {
  bad=0
  # Words of unfinished work; this file and the style guide have to name them.
  if git grep -nIwE 'TODO|FIXME|XXX|HACK' -- . ':!tools/lint/lint.sh' ':!*.md'; then
    bad=1
  fi
  if git grep -nI '[[:space:]]$' -- . ':!*.md' ':!*.patch' ':!archive'; then
    echo "trailing blanks"
    bad=1
  fi
  for script in $(git ls-files '*.sh' bazelw .ci/run); do
    case $(head -n 1 "$script") in
    *bash*) bash -n "$script" || bad=1 ;;
    *) sh -n "$script" || bad=1 ;;
    esac
  done
  # Sources are built with the shared options: warnings are errors there.
  for page in $(git ls-files 'common/*BUILD.bazel' 'hz3/*BUILD.bazel' 'hz4/*BUILD.bazel' \
    'bench/*BUILD.bazel'); do
    awk -v page="$page" '
      /^ *(cc_library|cc_binary|cc_test)\(/ { inside = 1; sources = copts = 0; name = "" }
      inside && /name = / { name = $0; gsub(/.*= *"|",?.*/, "", name) }
      inside && /srcs = .*\.(c|cc)"|^ *"[^"]*\.(c|cc)",/ { sources = 1 }
      inside && /copts = / { copts = 1 }
      inside && /^ {0,4}\)/ {
        if (sources && !copts) { print page ": " name " has sources and no copts"; bad = 1 }
        inside = 0
      }
      END { exit bad }' "$page" || bad=1
  done
  return $bad
}

# A trial ends: a box that is open for more than ninety days is decided, one way or the other.
check_boxes() {
  today=$(date +%s)
  bad=0
  for registry in hz3/box/registry.bzl hz4/box/registry.bzl; do
    for date in $(sed -n 's/.*date = "\([0-9-]*\)".*/\1/p' "$registry"); do
      opened=$(date -d "$date" +%s) || return 1
      if [ $(((today - opened) / 86400)) -gt 90 ]; then
        echo "$registry: a box has been open since $date, more than 90 days"
        bad=1
      fi
    done
  done
  return $bad
}

for check; do
  case $check in
  format | tidy | text | boxes)
    "check_$check"
    verdict "$check" $?
    ;;
  *)
    echo "lint.sh: '$check' is no check; these are: format tidy text boxes" >&2
    exit 2
    ;;
  esac
done
exit $failed
