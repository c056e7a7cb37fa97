#!/bin/sh
# bundle.sh IMAGES BOARD BUNDLE: makes the signed update BUNDLE of the root and of the slot's folder of the boot partition
# in IMAGES. SEMOIR_CERT and SEMOIR_KEY name the certificate and the key that sign it, SEMOIR_RELEASE its version.
set -eu

images=$1 board=$2 bundle=$3
top=$(cd "$(dirname "$0")/../.." && pwd)
: "${SEMOIR_CERT:?the certificate of the key that signs the update}" "${SEMOIR_KEY:?the key that signs the update}"

work=$(mktemp -d "$images/bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/content"
cp "$images/rootfs.squashfs" "$work/content/rootfs.img"
tar -C "$images/boot/slot-a" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$work/content/boot.tar" .
cp "$top/board/common/update-hook.sh" "$work/content/hook"
sed -e "s/@BOARD@/$board/" -e "s/@VERSION@/${SEMOIR_RELEASE:-unknown}/" "$top/board/common/manifest.raucm" >"$work/content/manifest.raucm"
rm -f "$bundle"
rauc bundle --cert="$SEMOIR_CERT" --key="$SEMOIR_KEY" "$work/content" "$bundle"
