#!/usr/bin/env bash
# Is every entry of the archive whole, and does its patch apply to the revision it names?
#
#   archive/check.sh [GENERATION/BOX...]       every entry when none is named
#
# Prints `ok GENERATION/BOX` or, for each fault, `GENERATION/BOX: FAULT`, then a count; ends with 1 when there
# is a fault, with 2 when it cannot look. Changes nothing: the patch is tried on an index of its own.
set -u
here=$(cd "$(dirname "$(realpath "$0")")" && pwd)
tree=${HZ_ARCHIVE_TREE:-$(dirname "$here")}
cd "$tree/archive" 2>/dev/null || {
  echo "archive/check.sh: $tree holds no archive." >&2
  exit 2
}
# The tree's own history, whatever the caller's environment points at and whoever owns the folder.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
git() { command git -c safe.directory="$tree" -C "$tree" "$@"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
faults=0

fault() { # WHAT: of the entry under way
  echo "$entry: $*"
  faults=$((faults + 1))
}

# line_of FIELD: what stands behind "- FIELD: " in the entry's README.
line_of() { sed -nE "s/^- $1: *(.*[^ ]) *\$/\\1/p" "$entry/README.md" | head -n 1; }

check_files() {
  local file
  [[ $entry =~ ^[a-z0-9]+/[a-z][a-z0-9_]*$ ]] || fault "is no name of the form hz4/remote_batch"
  [ -d "$tree/${entry%%/*}" ] || fault "${entry%%/*} is no generation of this tree"
  for file in README.md "$box.patch" "$box.tsv"; do
    [ -s "$entry/$file" ] || fault "$file is missing or empty"
  done
  for file in "$entry"/* "$entry"/.[!.]*; do
    case $(basename "$file") in
    README.md | "$box.patch" | "$box.tsv" | *'*'*) ;;
    *) fault "$(basename "$file") is no part of an entry" ;;
    esac
  done
}

check_page() {
  local field verdict
  [ -s "$entry/README.md" ] || return
  for field in Revision Verdict 'Lost because' 'Worth another try when'; do
    [ -n "$(line_of "$field")" ] || fault "README.md has no line '- $field: ...'"
  done
  verdict=$(line_of Verdict)
  case $verdict in
  NO-GO | NEUTRAL | '') ;;
  *) fault "the verdict is '$verdict'; accepted: NO-GO, NEUTRAL" ;;
  esac
  [ "$(grep -oE '\b[0-9a-f]{64}\b' "$entry/README.md" | sort -u | wc -l)" -ge 2 ] ||
    fault "README.md does not name the SHA-256 of both shared objects"
  grep -qE '\[[-+]?[0-9.]+, [-+]?[0-9.]+\]' "$entry/README.md" || fault "README.md gives no interval"
}

# The cells: the lab's head line, and finished cells of two allocators.
check_cells() {
  [ -s "$entry/$box.tsv" ] || return
  awk -F '\t' '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["status"] == "ok" && $at["ops_per_s"] > 0 && !($at["alloc"] in seen) { seen[$at["alloc"]] = 1; n++ }
    END { exit !(("row" in at) && ("alloc" in at) && ("round" in at) && ("status" in at) && ("ops_per_s" in at) && n >= 2) }
  ' "$entry/$box.tsv" || fault "$box.tsv does not hold finished cells of both sides, as the lab writes them"
}

check_patch() {
  local revision
  revision=$(line_of Revision)
  [ -n "$revision" ] && [ -s "$entry/$box.patch" ] || return
  if ! [[ $revision =~ ^[0-9a-f]{40}$ ]]; then
    fault "the revision '$revision' is no full hash of a commit"
  elif ! git cat-file -e "$revision^{commit}" 2>/dev/null; then
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
      fault "the revision $revision is not in this shallow clone; fetch the whole history"
    else
      fault "the revision $revision is no commit of this tree"
    fi
  elif ! git merge-base --is-ancestor "$revision" HEAD; then
    fault "the revision $revision is not in the history of what is checked out"
  else
    rm -f "$work/index"
    GIT_INDEX_FILE=$work/index git read-tree "$revision" || fault "the revision $revision cannot be read"
    GIT_INDEX_FILE=$work/index git apply --cached "$PWD/$entry/$box.patch" 2>"$work/why" ||
      fault "$box.patch does not apply to $revision: $(head -n 1 "$work/why")"
    git apply --numstat "$PWD/$entry/$box.patch" 2>/dev/null | cut -f3 | grep -E '^archive/' >/dev/null &&
      fault "$box.patch changes the archive itself"
  fi
}

entries=("$@")
if [ $# = 0 ]; then
  for folder in */*/; do
    [ -d "$folder" ] && entries+=("${folder%/}")
  done
  for stray in *; do
    [ -d "$stray" ] || case $stray in
    README.md | BUILD.bazel | check.sh | check_test.sh) ;;
    *) entry=$stray fault "is no part of the archive" ;;
    esac
  done
fi
if [ ${#entries[@]} -gt 0 ] && ! git rev-parse --git-dir >/dev/null 2>&1; then
  echo "archive/check.sh: $tree has no git history: no revision can be looked up." >&2
  exit 2
fi
for entry in "${entries[@]}"; do
  entry=${entry#archive/}
  entry=${entry%/}
  box=${entry##*/}
  before=$faults
  if [ ! -d "$entry" ]; then
    fault "there is no such entry"
    continue
  fi
  check_files
  check_page
  check_cells
  check_patch
  [ "$faults" -gt "$before" ] || echo "ok $entry"
done
echo "${#entries[@]} entries, $faults faults"
[ "$faults" = 0 ]
