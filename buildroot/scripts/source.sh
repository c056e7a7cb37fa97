#!/bin/sh
# source.sh DIR: packs Semoir's source for the image into DIR, with its crates and its built page inside, so that
# Buildroot builds it with no network; prints the version, which names the commit and what was changed since.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:?source.sh DIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$top"
[ -s web/dist/index.html ] || { printf 'the page is not built: make page\n' >&2; exit 1; }

# What git knows of, and new files that it does not ignore; of the tests only what Cargo.toml names.
git ls-files -z --cached --others --exclude-standard -- Cargo.toml Cargo.lock LICENSE build.rs src web/package.json tests/bench/relay.rs |
    LC_ALL=C sort -z >"$out/list"
find web/dist -type f -print0 | LC_ALL=C sort -z >>"$out/list"
sum=$(xargs -0 sha256sum <"$out/list" | sha256sum | cut -c 1-8)
number=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
version=$number-$(git rev-parse --short=8 HEAD)-$sum
archive=$out/semoir-$version.tar.gz
if [ ! -e "$archive" ]; then
    work=$(mktemp -d "$out/pack.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    tree=$work/semoir-$version
    mkdir -p "$tree/.cargo"
    tar --null -T "$out/list" -cf - | tar -C "$tree" -xf -
    # Buildroot's own words for the same: its folder's name tells it that nothing is left to get. What cargo prints is the
    # configuration that has it look there; with --quiet it would print nothing.
    (cd "$tree" && cargo vendor --locked VENDOR >.cargo/config.toml 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
    # Whether a computer without a network, and with nothing got before, finds all of it.
    (cd "$tree" && CARGO_HOME="$work/home" cargo metadata --offline --locked --format-version 1 >/dev/null)
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$work/archive" "semoir-$version"
    mv "$work/archive" "$archive"
fi
rm -f "$out/list"
printf '%s\n' "$version"
