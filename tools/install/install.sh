#!/bin/sh
# Installs the libraries of every generation and variant, a header, pkg-config files and the licence.
# The lines between the markers below are filled in by install.bzl.
set -eu

version=@VERSION@
workspace=@WORKSPACE@
me=install

usage() {
  cat <<TEXT
usage: bazel run //tools:install -- --prefix DIR

  --prefix DIR   where to: DIR/lib, DIR/include, DIR/lib/pkgconfig, DIR/share/licenses
                 (relative to where you stand)
  --dry-run      say what would be installed, and write nothing
  --help         this
TEXT
}

wrong() {
  echo "$me: $*" >&2
  usage >&2
  exit 2
}

prefix=
dry_run=0
while [ $# -gt 0 ]; do
  case $1 in
  --prefix=*) prefix=${1#--prefix=} ;;
  --prefix)
    [ $# -ge 2 ] || wrong "--prefix wants a folder"
    prefix=$2
    shift
    ;;
  --dry-run) dry_run=1 ;;
  --help | -h)
    usage
    exit 0
    ;;
  *) wrong "'$1' is no option; these are: --prefix DIR, --dry-run, --help" ;;
  esac
  shift
done
[ -n "$prefix" ] || wrong "--prefix DIR is missing"

# Bazel runs this among the runfiles; the user stands elsewhere.
case $prefix in
/*) ;;
*) prefix=${BUILD_WORKING_DIRECTORY:-$PWD}/$prefix ;;
esac
runfiles=${RUNFILES_DIR:-$0.runfiles}
[ -d "$runfiles/$workspace" ] || runfiles=$(cd "$(dirname "$0")" && pwd)/$(basename "$0").runfiles
[ -d "$runfiles/$workspace" ] || {
  echo "$me: the built files are not beside this program; run it by 'bazel run'" >&2
  exit 1
}
cd "$runfiles/$workspace"

put() {
  mode=$1
  source=$2
  target=$prefix/$3
  echo "$target"
  [ "$dry_run" = 1 ] && return 0
  mkdir -p "$(dirname "$target")"
  # A library in use is replaced by a new file, never written over.
  cp "$source" "$target.new"
  chmod "$mode" "$target.new"
  mv -f "$target.new" "$target"
}

point() {
  echo "$prefix/$2 -> $1"
  [ "$dry_run" = 1 ] || ln -sf "$1" "$prefix/$2"
}

pkg_config() {
  name=$1
  target=$prefix/lib/pkgconfig/$name.pc
  echo "$target"
  [ "$dry_run" = 1 ] && return 0
  mkdir -p "$prefix/lib/pkgconfig"
  cat >"$target.new" <<TEXT
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: $name
Description: $name, a general-purpose malloc
Version: $version
Cflags: -I\${includedir} -fno-builtin-malloc
Libs: -L\${libdir} -l$name
Libs.private: -pthread
TEXT
  mv -f "$target.new" "$target"
}

while read -r kind path name; do
  case $kind in
  library)
    put 755 "$path" "lib/lib$name.so.1"
    point "lib$name.so.1" "lib/lib$name.so"
    pkg_config "$name"
    ;;
  archive) put 644 "$path" "lib/lib$name.a" ;;
  header) put 644 "$path" "include/hz/$name" ;;
  licence) put 644 "$path" "share/licenses/hz/LICENSE" ;;
  esac
done <<'FILES'
@FILES@
FILES
