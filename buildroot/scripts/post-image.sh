#!/bin/sh
# Buildroot runs this when root, kernel and firmware are there; makes the boot partition's files, the card's image and the
# update's bundle of them. post-image.sh IMAGES BOARD
set -eu

images=$1 board=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
FAMILY=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"

boot=$images/boot
rm -rf "$boot"
mkdir -p "$boot"
"$top/board/${FAMILY:-$board}/boot.sh" "$images" "$boot"
cp "$top/board/common/boot/"* "$boot/"

work=$images/genimage.work
rm -rf "$work"
genimage --loglevel 1 --config "$top/board/common/genimage.cfg" --rootpath "$boot" --inputpath "$images" --outputpath "$images" --tmppath "$work"
rm -rf "$work"

"$top/buildroot/scripts/bundle.sh" "$images" "$board" "$images/semoir.raucb"
