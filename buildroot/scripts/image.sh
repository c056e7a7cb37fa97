#!/bin/sh
# image.sh BOARD [developer]: builds the board's image with Buildroot: `make image BOARD=rpi4`. Ends with, in target/image/out:
#   semoir-BOARD-VERSION.img.xz          to be flashed
#   semoir-BOARD-VERSION.img.xz.sha256   its checksum
#   semoir-BOARD-VERSION.raucb           the update for boxes that run already
#   semoir-BOARD-VERSION.sbom.json       what it is made of (CycloneDX), and crates beside it
#   semoir-BOARD-VERSION.imager.json     a list with this image in it, for `rpi-imager --repo`; SEMOIR_URL is where it is put
#
# BUILDROOT=DIR takes a copy of Buildroot that is already there. SEMOIR_CERT, SEMOIR_KEY and SEMOIR_KEYRING sign
# updates and check them; without them a key of this working copy is made, and its boxes take no other's updates.
# EXTRA=FILE adds lines to Buildroot's configuration: how many jobs, a mirror, another toolchain.
# Everything is kept in target/image: the second build takes what is left of the first. Hours on a small computer.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
board=${1:?image.sh BOARD [developer]} build=${2:-}
scripts=$top/buildroot/scripts
work=$top/target/image
version=''
# shellcheck source=buildroot/release
. "$top/buildroot/release"

say() { printf 'image: %s\n' "$*" >&2; }

mkdir -p "$work/out"
"$scripts/config.sh" "$board" "$build" >"$work/$board.defconfig"
buildroot=${BUILDROOT:-$work/buildroot-$version}
if [ -n "${BUILDROOT:-}" ]; then [ -f "$buildroot/Makefile" ] || { say "BUILDROOT=$buildroot holds no Buildroot"; exit 1; }
else "$scripts/get.sh" "$buildroot"
fi

SEMOIR_RELEASE=$("$scripts/source.sh" "$work/source")
SEMOIR_SOURCES=$work/source
say "Semoir $SEMOIR_RELEASE for $board${build:+ ($build build)}, with $buildroot"

if [ -z "${SEMOIR_KEY:-}" ]; then
    "$scripts/key.sh" "$work/key"
    SEMOIR_CERT=$work/key/cert.pem SEMOIR_KEY=$work/key/key.pem SEMOIR_KEYRING=$work/key/cert.pem
    say "updates are signed with this working copy's own key, in $work/key: keep it, or set SEMOIR_KEY"
fi
export SEMOIR_RELEASE SEMOIR_SOURCES SEMOIR_CERT SEMOIR_KEY SEMOIR_KEYRING

output=$work/$board${build:+-$build}
make_it() { make -C "$buildroot" O="$output" BR2_EXTERNAL="$top/buildroot" BR2_DL_DIR="${BR2_DL_DIR:-$work/dl}" "$@"; }
make_it BR2_DEFCONFIG="$work/$board.defconfig" defconfig
# Buildroot does not see that a kernel given as an archive is another one now, and keeps the last one's modules; nor that a
# kernel is to be configured otherwise.
FAMILY=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"
kernel_of() {
    grep '^BR2_LINUX_KERNEL' "$output/.config"
    cat "$top"/board/common/kernel/*.config "$top/board/${FAMILY:-$board}/kernel.config"
}
if ! kernel_of | cmp -s - "$output/kernel-of"; then
    rm -rf "$output"/build/linux-[0-9a-f]* "$output"/target/lib/modules
    kernel_of >"$output/kernel-of"
fi
make_it
"$scripts/check-kernel.sh" "$board" "$output"/build/linux-[0-9a-f]*/.config

name=$work/out/semoir-$board-$SEMOIR_RELEASE${build:+-$build}
xz -T0 -9 -c "$output/images/semoir.img" >"$name.img.xz"
(cd "$work/out" && sha256sum "$(basename "$name").img.xz" >"$name.img.xz.sha256")
cp "$output/images/semoir.raucb" "$name.raucb"
if grep -q '^IMAGER=' "$top/board/$board/meta"; then
    cp "$top/web/public/favicon.svg" "$work/out/semoir.svg"
    "$scripts/imager.sh" "$board" "$SEMOIR_RELEASE" "$output/images/semoir.img" "$name.img.xz" >"$name.imager.json"
fi
make_it -s show-info >"$output/show-info.json"
# It asks for the list of licences once, and has nothing to say without it.
BR2_DL_DIR="${BR2_DL_DIR:-$work/dl}" "$buildroot/utils/generate-cyclonedx" -i "$output/show-info.json" -o "$name.sbom.json" ||
    say "the list of what the image is made of could not be written; once there is a network, make image writes it"
# The crates are inside one of Buildroot's packages: they are listed by what Cargo itself knows.
"$scripts/crates.sh" >"$name.crates.json"
ls -l "$name".* >&2
