#!/bin/sh
# Buildroot runs this on the root file system before it is packed. post-build.sh TARGET BOARD
set -eu

target=$1 board=$2
top=$(cd "$(dirname "$0")/../.." && pwd)

BOOTLOADER='' FAMILY=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"

# What only a family or a board has.
for layer in ${FAMILY:+"$FAMILY"} "$board"; do
    [ ! -d "$top/board/$layer/overlay" ] || cp -a "$top/board/$layer/overlay/." "$target/"
done

# What this is: read by the page, by RAUC and by whoever looks into a bundle.
cat >"$target/usr/lib/os-release" <<END
NAME=Semoir
ID=semoir
PRETTY_NAME="Semoir ${SEMOIR_RELEASE:-unknown}"
VERSION_ID="${SEMOIR_RELEASE:-unknown}"
VARIANT_ID=$board
END
ln -sf ../usr/lib/os-release "$target/etc/os-release"

# A bundle for another board is refused.
mkdir -p "$target/etc/rauc"
awk -v board="$board" -v bootloader="$BOOTLOADER" '
    { sub(/@BOARD@/, board) }
    $0 == "@BOOTLOADER@" { gsub(/,/, "\n", bootloader); print bootloader; next }
    { print }
' "$top/board/common/rauc.conf" >"$target/etc/rauc/system.conf"
cp "${SEMOIR_KEYRING:?the certificates that updates are checked with: make image sets it}" "$target/etc/rauc/keyring.pem"

# Places to mount on; /var is the data partition.
mkdir -p "$target/boot" "$target/var"
# The name service is resolved's.
ln -sf ../run/systemd/resolve/stub-resolv.conf "$target/etc/resolv.conf"
# The zone of the owner, who may change it: /var, where the root cannot be written to (semoir-first-boot.service).
ln -sf ../run/semoir-system/localtime "$target/etc/localtime"
