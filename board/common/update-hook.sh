#!/bin/sh
# RAUC runs this, out of the bundle, for the image `boot`: puts the new kernel into the folder of the slot that is being
# replaced. The folder is filled under another name first: a power cut leaves an old one or a new one, and neither is in
# use before the root is written too and the slot is chosen.
set -eu

boot=${SEMOIR_BOOT:-/boot}

[ "$1" = slot-install ] || { printf 'the hook does not know %s\n' "$1" >&2; exit 1; }
# The parent of the slot says which of the two it is.
case "$RAUC_SLOT_NAME" in
    boot.0) letter=a capital=A part=02 ;;
    boot.1) letter=b capital=B part=03 ;;
    *) printf 'the hook does not know the slot %s\n' "$RAUC_SLOT_NAME" >&2; exit 1 ;;
esac
slot=$boot/slot-$letter

# Where it is read-only, it is only written to while an update is, and read-only again also when that fails.
if [ -z "${SEMOIR_BOOT:-}" ] && grep -q "^[^ ]* $boot [^ ]* ro[, ]" /proc/self/mounts; then
    trap 'sync; mount -o remount,ro "$boot"' EXIT
    mount -o remount,rw "$boot"
fi
rm -rf "$slot.new"
mkdir "$slot.new"
tar -C "$slot.new" --no-same-owner -xf "$RAUC_IMAGE_NAME"
# The kernel is told its own root: the bundle does not know which slot it goes into.
if [ -f "$slot.new/cmdline.txt" ]; then
    sed -i "s/root=PARTUUID=5e301a7e-0[23]/root=PARTUUID=5e301a7e-$part/; s/rauc\.slot=[AB]/rauc.slot=$capital/" "$slot.new/cmdline.txt"
fi
sync
rm -rf "$slot"
mv "$slot.new" "$slot"
sync
