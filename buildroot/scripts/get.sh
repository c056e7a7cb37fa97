#!/bin/sh
# get.sh DIR: makes sure that DIR holds the Buildroot release that `buildroot/release` names; gets it from Buildroot's own
#             site when DIR is not there.
# get.sh --contents DIR: prints the sum that `buildroot/release` calls `contents`.
#
# The sum is over the files' contents rather than over the archive: the archive's own could not be checked where this was
# written, and the files are what is built. It is the SHA-256 of the list "SHA-256, name" of all files and "target, name"
# of all links, sorted by name, without the manual that the archive has beside what is in the repository.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
version='' contents='' archive=''
# shellcheck source=buildroot/release
. "$here/release"
site=https://buildroot.org/downloads

say() { printf 'buildroot: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

contents_of() (
    cd "$1"
    # What a build or a clone leaves there is no part of the release.
    made='-path ./docs/manual/manual.html -o -path ./docs/manual/manual.pdf -o -path ./docs/manual/manual.text'
    left='-path ./.git -o -path ./output -o -path ./dl -o -name __pycache__'
    # The lists are made of words on purpose.
    # shellcheck disable=SC2086
    {
        find . \( $left -o $made \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        find . \( $left -o $made \) -prune -o -type l -printf '%l  %p\n' | LC_ALL=C sort
    } | sha256sum | cut -d ' ' -f 1
)

verify() {
    found=$(contents_of "$1")
    [ "$found" = "$contents" ] || fail "$1 is not Buildroot $version as released: its contents' sum is $found, and not $contents"
}

case "${1:-}" in
    --contents) contents_of "${2:?a folder is missing}"; exit ;;
    '' | -*) fail "usage: get.sh DIR" ;;
esac
dir=$1

if [ ! -e "$dir/Makefile" ]; then
    say "getting Buildroot $version from $site"
    mkdir -p "$(dirname "$dir")"
    work=$(mktemp -d "$dir.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    if command -v curl >/dev/null; then curl -fsSL -o "$work/archive" "$site/buildroot-$version.tar.xz"
    else wget -q -O "$work/archive" "$site/buildroot-$version.tar.xz"
    fi || fail "$site cannot be reached; BUILDROOT=DIR takes a copy that is already there"
    if [ -n "$archive" ]; then printf '%s  %s\n' "$archive" "$work/archive" | sha256sum -c --quiet; fi
    tar -C "$work" -xJf "$work/archive"
    verify "$work/buildroot-$version"
    mv "$work/buildroot-$version" "$dir"
    exit 0
fi
verify "$dir"
