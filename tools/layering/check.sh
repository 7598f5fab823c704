#!/bin/sh
# Holds every #include of a tree against a table of who may include whom.
#
#   check.sh TREE TABLE [--draw]
#
# Prints one line for each forbidden include and ends with 1 when there is one; --draw prints the
# edges between rooms instead. The table explains itself; what else is forbidden everywhere:
# including a .c or .inc file, a path with "..", and a quoted path that is no file of the tree.
set -eu
tree=$1
table=$2
draw=${3:-}
cd "$tree"

# The tree's own folders, not Bazel's links into its output.
find . -name 'bazel-*' -prune -o -name .git -prune -o -path ./archive -prune -o \
  -type f \( -name '*.h' -o -name '*.c' -o -name '*.cc' \) -print |
  sed 's,^\./,,' | sort >"${TMPDIR:-/tmp}/hz-layering.$$"
trap 'rm -f "${TMPDIR:-/tmp}/hz-layering.$$"' EXIT

xargs -r grep -HnE '^[ 	]*#[ 	]*include' /dev/null <"${TMPDIR:-/tmp}/hz-layering.$$" |
  awk -v table="$table" -v files="${TMPDIR:-/tmp}/hz-layering.$$" -v draw="$draw" '
function inside(path, room) {
  return path == room || index(path, room "/") == 1
}
# The row of a path: the longest room that holds it.
function row_of(path,    room, best) {
  best = ""
  for (room in may)
    if (inside(path, room) && length(room) > length(best))
      best = room
  return best
}
# The folder that a row stands for, for "its own headers".
function folder_of(room) {
  if (room ~ /\.h$/)
    sub("/[^/]*$", "", room)
  return room
}
function fault(text) {
  print text
  faults++
}
BEGIN {
  while ((getline line <table) > 0) {
    sub(/#.*/, "", line)
    count = split(line, word, /[ \t]+/)
    if (word[count] == "")
      count--
    if (count < 1 || word[1] == "")
      continue
    list = " "
    for (i = 2; i <= count; i++)
      list = list word[i] " "
    if (word[1] ~ /^</)
      only[substr(word[1], 2, length(word[1]) - 2)] = list
    else
      may[word[1]] = list
  }
  while ((getline line <files) > 0) {
    known[line] = 1
    if (row_of(line) == "")
      fault(line ": no row of the table is for this file")
  }
}
{
  split($0, part, ":")
  file = part[1]
  at = file ":" part[2]
  text = substr($0, length(at) + 2)
  includes++
  room = row_of(file)
  is_test = file ~ /_test\.cc$/
  if (text ~ /include[ \t]*</) {
    sub(/^[^<]*</, "", text)
    sub(/>.*/, "", text)
    if (text in only && !is_test) {
      split(only[text], place, " ")
      good = 0
      for (i in place)
        if (inside(file, place[i]))
          good = 1
      if (!good)
        fault(at ": <" text "> is only for" only[text])
    }
    # A header of the tree, or of a generation, in angle brackets would go around the table.
    if (text in known)
      fault(at ": <" text "> is a header of this tree: include it in quotes")
    next
  }
  if (text !~ /include[ \t]*"/) {
    fault(at ": the name of an included file must be written out")
    next
  }
  sub(/^[^"]*"/, "", text)
  sub(/".*/, "", text)
  if (text ~ /\.(c|cc|inc)$/)
    fault(at ": \"" text "\" is no header")
  if (text ~ /^gtest\//) {
    if (!is_test && !inside(file, "common/conformance"))
      fault(at ": \"" text "\" is for tests")
    next
  }
  if (text ~ /\.\./ || !(text in known)) {
    fault(at ": \"" text "\" is no path from the top of the tree")
    next
  }
  from = folder_of(room)
  to = folder_of(row_of(text))
  if (from != to)
    edges[from " -> " to] = 1
  good = inside(text, from)
  split(may[room], allowed, " ")
  for (i in allowed)
    if (inside(text, allowed[i]))
      good = 1
  if (is_test && inside(text, "common"))
    good = 1
  if (!good)
    fault(at ": " room " may not include \"" text "\"")
}
END {
  if (draw != "") {
    for (edge in edges)
      print edge
    exit 0
  }
  printf "%d includes, %d forbidden\n", includes, faults
  exit faults ? 1 : 0
}'
