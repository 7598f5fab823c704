#!/bin/sh
# Fetches the upstream archive of one of the distribution's source packages.
#
#   source_package.sh update STATE            make a private package state in STATE
#   source_package.sh fetch STATE PACKAGE VERSION FILE
#                                             put the .orig archive of PACKAGE at upstream VERSION into FILE
#
# The host's package client does the work with the sources the host already has, rewritten in
# STATE to ask for source packages; nothing outside STATE and FILE is written, and it needs no
# privileges. The suite that the pins were taken from is asked for at the same mirrors too, so
# that a host of a later suite finds the same archives.
set -eu

pinned_suite=bookworm
action=$1
state=$2
client="apt-get -q -c $state/apt.conf"

prepare() {
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources"
  for source in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$source" ] || continue
    # Read in the host's order, sources.list first: of two entries for one place only the later may
    # name a key.
    case $source in
    /etc/apt/sources.list) out=$state/sources/0-main ;;
    *) out=$state/sources/1-$(basename "$source" .list) ;;
    esac
    sed -n 's/^deb /deb-src /p' "$source" >"$out-host.list"
    # Third field, or the one after the [options].
    sed -E "s/^(deb-src +(\[[^]]*\] +)?[^ ]+) +[^ ]+ .*/\1 $pinned_suite main/" \
      "$out-host.list" | sort -u >"$out-pinned.list"
  done
  for source in /etc/apt/sources.list.d/*.sources; do
    [ -f "$source" ] || continue
    out=$state/sources/1-$(basename "$source" .sources)
    sed 's/^Types:.*/Types: deb-src/' "$source" >"$out-host.sources"
    sed -e 's/^Types:.*/Types: deb-src/' -e "s/^Suites:.*/Suites: $pinned_suite/" \
      -e 's/^Components:.*/Components: main/' "$source" >"$out-pinned.sources"
  done
  cat >"$state/apt.conf" <<CONF
Dir::State::lists "$state/lists";
Dir::Cache "$state/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$state/sources";
APT::Sandbox::User "";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "2";
#clear Acquire::IndexTargets::deb-src::DEP-11;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
}

case $action in
update)
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "this host has no apt-get" >&2
    exit 1
  fi
  prepare
  # Some mirrors do not hold the pinned suite: what counts is whether a package is found later. Where
  # the pinned entries contradict the host's own, nothing is read at all: then those go.
  $client update >"$state/update.log" 2>&1 || true
  if grep -q '^E: The list of sources could not be read' "$state/update.log"; then
    rm -f "$state"/sources/*-pinned.*
    $client update >>"$state/update.log" 2>&1 || true
  fi
  ;;
fetch)
  package=$3
  version=$4
  file=$5
  full=$(apt-cache -c "$state/apt.conf" showsrc "$package" 2>/dev/null |
    sed -n 's/^Version: //p' | grep -E "^([0-9]+:)?$(printf '%s' "$version" | sed 's/[.+]/\\&/g')-" |
    sort -u | tail -n 1)
  if [ -z "$full" ]; then
    echo "the host's package sources hold no $package $version (see $state/update.log)" >&2
    exit 1
  fi
  work=$(mktemp -d "$state/fetch.XXXXXX")
  (cd "$work" && $client source --download-only "$package=$full") >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    exit 1
  }
  set -- "$work"/*.orig.tar.*
  for archive; do
    case $archive in
    *.asc) ;;
    *) mv "$archive" "$file" ;;
    esac
  done
  rm -rf "$work"
  [ -s "$file" ] || {
    echo "$package $full has no .orig archive" >&2
    exit 1
  }
  ;;
*)
  echo "usage: source_package.sh update|fetch ..." >&2
  exit 2
  ;;
esac
