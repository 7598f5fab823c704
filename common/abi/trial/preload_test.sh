#!/bin/sh
# A preload library made from the surface: what it needs, what it shows, what it does without C++.
#
#   preload_test.sh LIBRARY C_PROGRAM EXPORTS_LDS
set -eu
library=$(readlink -f "$1")
program=$2
exports=$3
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/preload.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAIL: $*"
  exit 1
}

# libc and the loader, nothing else: above all no C++ runtime, no libm, no libdl.
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' >"$work/needed"
grep -v '^libc\.\|^ld-linux' "$work/needed" && fail "the library needs more than libc"

# Exactly the names of the version script. (gold lists thread-local words too, as local symbols.)
nm -D --defined-only "$library" | grep ' [A-Z] ' | sed 's/.* //; s/@.*//' | sort >"$work/shown"
sed -n 's/^    \([A-Za-z_][A-Za-z0-9_]*\);$/\1/p' "$exports" | sort >"$work/listed"
diff "$work/listed" "$work/shown" || fail "the library does not show what the version script lists"
[ "$(wc -l <"$work/shown")" -ge 48 ] || fail "the surface has shrunk"

# Whatever it refers to beyond libc may be absent.
nm -D --undefined-only "$library" | grep ' U ' | grep -v '@GLIBC_\|@LIBC' |
  sed 's/.* //' >"$work/strong"
[ ! -s "$work/strong" ] || {
  cat "$work/strong"
  fail "strong references beyond libc"
}

# A C program gets memory from operator new, and one clear line where it cannot have an exception.
out=$(LD_PRELOAD=$library "$program") || fail "a C program under the preload"
[ "$out" = served ] || fail "a C program under the preload said: $out"
status=0
(LD_PRELOAD=$library exec "$program" 18446744073709551000) >"$work/out" 2>"$work/err" || status=$?
[ $status -eq 134 ] || fail "no memory and no C++: ended with $status, not by SIGABRT"
expected='^[a-z0-9]*: out of memory: operator new of 18446744073709551000 bytes failed, and the program has no C++ runtime that could throw std::bad_alloc$'
[ "$(grep -c "$expected" "$work/err")" -eq 1 ] || {
  cat "$work/err"
  fail "no memory and no C++: the line is missing"
}

echo "ok"
