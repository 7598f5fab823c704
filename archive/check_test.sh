#!/usr/bin/env bash
# The check of the archive, on a tree of its own: a whole entry passes, and each way to break one is named.
set -u
check=$(realpath "$1")
out=$(mktemp -d "${TEST_TMPDIR:-/tmp}/archive_test.XXXXXX")
trap 'rm -rf "$out"' EXIT
tree=$out/tree
entry=$tree/archive/hz4/idea
failures=0
export HZ_ARCHIVE_TREE=$tree HOME=$out GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b

fail() {
  echo "FAIL: $*" >&2
  failures=$((failures + 1))
}

# make_tree: a history of two commits, and an entry whose patch is made against the first of them.
make_tree() {
  rm -rf "$tree"
  mkdir -p "$tree/hz4" "$entry"
  cd "$tree" || exit 1
  git init -q .
  printf 'int a;\nint b;\nint c;\n' >hz4/part.c
  git add hz4 && git commit -q -m first
  revision=$(git rev-parse HEAD)
  printf 'int a;\nint b2;\nint c;\n' >hz4/part.c
  git diff >"$entry/idea.patch"
  printf 'int z;\n' >hz4/part.c # what came later: the patch fits the first revision alone
  git add hz4 && git commit -q -m second
  cat >"$entry/README.md" <<PAGE
# hz4_idea against hz4

- Revision: $revision
- Verdict: NO-GO
- Lost because: it was slower.
- Worth another try when: machines change.
- A: hz4, SHA-256 \`$(printf a | sha256sum | cut -c1-64)\`
- B: hz4_idea, SHA-256 \`$(printf b | sha256sum | cut -c1-64)\`

| lane | B/A - 1 | 95 % interval |
| main_r90 | -2.0 % | [-3.00, -1.20] % |
PAGE
  {
    printf 'pass\trow\talloc\tround\tposition\tstatus\tdetail\tops_per_s\n'
    printf 'speed\tmain_r90\thz4\t1\t1\tok\t\t100\n'
    printf 'speed\tmain_r90\thz4_idea\t1\t2\tok\t\t98\n'
  } >"$entry/idea.tsv"
}

# expect STATUS PATTERN [ARGUMENTS...]
expect() {
  local status=$1 pattern=$2 text got
  shift 2
  text=$("$check" "$@" 2>&1)
  got=$?
  [ $got = "$status" ] || fail "exit $got instead of $status: $text"
  grep -qE -e "$pattern" <<<"$text" || fail "'$text' does not match '$pattern'"
}

# breaks PATTERN COMMAND...: a whole entry, changed by the command, is refused in these words.
breaks() {
  local pattern=$1
  shift
  make_tree
  "$@"
  expect 1 "$pattern"
}

make_tree
expect 0 '^ok hz4/idea$'
expect 0 '^1 entries, 0 faults$' hz4/idea
expect 0 '^ok hz4/idea$' archive/hz4/idea/
expect 1 '^hz4/nothing: there is no such entry' hz4/nothing
[ -z "$(git -C "$tree" status --porcelain -- hz4)" ] || fail "the check changed the tree"

breaks 'README.md is missing' rm "$entry/README.md"
breaks 'idea.patch is missing or empty' truncate -s 0 "$entry/idea.patch"
breaks 'idea.tsv is missing' rm "$entry/idea.tsv"
breaks 'notes is no part of an entry' touch "$entry/notes"
breaks "no line '- Revision: " sed -i '/^- Revision/d' "$entry/README.md"
breaks "no line '- Lost because: " sed -i 's/^- Lost because:.*/- Lost because:/' "$entry/README.md"
breaks "no line '- Worth another try when: " sed -i '/^- Worth/d' "$entry/README.md"
breaks "the verdict is 'GO'" sed -i 's/^- Verdict.*/- Verdict: GO/' "$entry/README.md"
breaks 'SHA-256 of both' sed -i '/^- B:/d' "$entry/README.md"
breaks 'gives no interval' sed -i '/^| main/d' "$entry/README.md"
breaks 'is no full hash' sed -i 's/^- Revision: \(.......\).*/- Revision: \1/' "$entry/README.md"
breaks 'is no commit of this tree' sed -i 's/^- Revision: .*/- Revision: 0123456789012345678901234567890123456789/' "$entry/README.md"
breaks 'does not apply' sed -i 's/^-int b;/-int q;/' "$entry/idea.patch"
breaks 'does not hold finished cells of both sides' sed -i '$d' "$entry/idea.tsv"
breaks 'does not hold finished cells' sed -i 's/\tok\t/\thang\t/' "$entry/idea.tsv"
breaks 'hz9 is no generation' mv "$tree/archive/hz4" "$tree/archive/hz9"
breaks 'stray: is no part of the archive' touch "$tree/archive/stray"

aside() { # the revision is a commit, but of another branch
  git checkout -q -b aside "$revision" && git commit -q --allow-empty -m aside
  local other
  other=$(git rev-parse HEAD)
  git checkout -q -
  sed -i "s/^- Revision: .*/- Revision: $other/" "$entry/README.md"
}
breaks 'is not in the history' aside

newer() { sed -i "s/^- Revision: .*/- Revision: $(git rev-parse HEAD)/" "$entry/README.md"; }
breaks 'does not apply' newer

make_tree
rm -rf "$tree/.git"
GIT_CEILING_DIRECTORIES=$out expect 2 'has no git history'

[ $failures = 0 ] && echo "all passed"
exit $((failures > 0))
