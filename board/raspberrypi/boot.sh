#!/bin/sh
# boot.sh IMAGES BOOT: lays out the boot partition of a Raspberry Pi in BOOT: the firmware and its two configurations at the
# top, kernel and all that belongs to it in the slot's folder, which an update replaces as a whole.
set -eu

images=$1 boot=$2
firmware=$images/rpi-firmware
slot=$boot/slot-a
mkdir -p "$slot"

cp "$images/Image.gz" "$firmware/cmdline.txt" "$slot/"
# Raspberry Pi Imager adds to a file of this name at the top, and fails where there is none. The firmware reads the slot's,
# so that nothing of what Imager adds there ever reaches the kernel: semoir reads Imager's other files itself.
cp "$firmware/cmdline.txt" "$boot/"
cp "$images"/*.dtb "$slot/"
[ ! -d "$firmware/overlays" ] || cp -r "$firmware/overlays" "$slot/"
find "$firmware" -maxdepth 1 -type f ! -name cmdline.txt ! -name config.txt ! -name '*.dtb' -exec cp {} "$boot/" \;
cp "$firmware/config.txt" "$boot/config.txt"
# What the firmware reads when it is told to try an update: the same, of the other slot.
sed 's|^os_prefix=slot-a/$|os_prefix=slot-b/|' "$firmware/config.txt" >"$boot/tryboot.txt"
