#!/bin/sh
# boot.sh IMAGES BOOT: lays out the boot partition of the virtual machine in BOOT: U-Boot's script at the top, the kernel in
# the slot's folder, as on a Raspberry Pi.
set -eu

images=$1 boot=$2
mkdir -p "$boot/slot-a"
cp "$images/Image" "$boot/slot-a/"
cp "$images/boot.scr" "$boot/boot.scr"
