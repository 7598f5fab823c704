#!/bin/sh
# A preload library made from the surface: what it needs, what it shows, what it does without C++; with a
# soname also what a preload library for users must be.
#
#   preload_test.sh LIBRARY C_PROGRAM EXPORTS_LDS [SONAME]
set -eu
library=$(readlink -f "$1")
program=$2
exports=$3
soname=${4:-}
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/preload.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAIL: $*"
  exit 1
}

# libc and the loader, nothing else: above all no C++ runtime, no libm, no libdl.
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' >"$work/needed"
grep -v '^libc\.\|^ld-linux' "$work/needed" && fail "the library needs more than libc"

if [ -n "$soname" ]; then
  readelf -dW "$library" >"$work/dynamic"
  grep -q "(SONAME).*\[$soname\]$" "$work/dynamic" || fail "the soname is not $soname"
  # Never unloaded: threads that end later still run its code.
  grep -q '(FLAGS_1).*NODELETE' "$work/dynamic" || fail "the library could be unloaded"
  grep -q '(TEXTREL)' "$work/dynamic" && fail "the library writes to its code when it is loaded"
  # Its thread-local state lies at a fixed place of each thread and never asks for memory; it is small,
  # for dlopen finds little room there.
  grep -q '(FLAGS).*STATIC_TLS' "$work/dynamic" || fail "its thread-local state is not initial-exec"
  readelf -rW "$library" | grep -q 'DTPMOD\|DTPOFF\|TLSDESC' && fail "thread-local state by a call"
  tls=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
  [ $((tls)) -gt 0 ] && [ $((tls)) -le 1024 ] || fail "thread-local state of $((tls)) bytes"
  # It takes effect: the loader binds a program's malloc and free to this very file.
  LD_DEBUG=bindings LD_PRELOAD=$library "$program" >/dev/null 2>"$work/bindings" ||
    fail "the program under LD_DEBUG"
  for name in malloc free; do
    grep -q "binding file .* to $library .*symbol .$name'" "$work/bindings" ||
      fail "$name of the program is not bound to $library"
  done
fi

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
